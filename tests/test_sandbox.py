"""Claims about the sandbox, tried with real kernels. Bombs are bounded, the only listener is our own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import hostile_kernel_cases as cases
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grading.sandbox import bubblewrap, session
from grading.sandbox.limits import Limits
from grading.sandbox.run import KernelStartError, Run, SandboxUnavailable, run_notebook

COURSE = Path(__file__).resolve().parents[1]
SMALL = Limits(
    cell_seconds=20, total_seconds=60, memory_mb=1536, processes=64, open_files=256, disk_mb=32, output_mb=4
)


def notebook(*sources: str):
    return new_notebook(cells=[new_code_cell(source) for source in sources])


def text(run: Run, index: int) -> str:
    """What a cell printed and showed."""
    parts = []
    for output in run.notebook.cells[index].outputs:
        parts.append(output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", ""))
    return "".join(parts).strip()


def kinds(run: Run) -> list[tuple[int, str]]:
    return [(event.cell_index, event.kind) for event in run.events]


def commands() -> dict[str, str]:
    """Command line of every process of this machine."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[folder.name] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def wait_until(condition, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "INTERRUPT_GRACE_SECONDS", 1)


# --- what is seen and can be done from inside, as root and as an ordinary user -------------------------------------

DRIVER = """
import json, sys
from nbformat.v4 import new_code_cell, new_notebook
from grading.sandbox.run import Limits, run_notebook
job = json.load(sys.stdin)
run = run_notebook(
    new_notebook(cells=[new_code_cell(source) for source in job["sources"]]),
    limits=Limits(**job["limits"]), env=job["env"], read_only=job["read_only"],
)
print(json.dumps([run.notebook.cells, run.events, run.status]))
"""


def ordinary_user_command(argv: list[str]) -> list[str]:
    """As root: `argv` as uid 65000, in a mount namespace where the course and Python are not behind mode 700."""
    needed = {Path(p).resolve() for p in (COURSE, sys.prefix, sys.base_prefix)}
    script = ["set -e", "mount --make-rprivate /"]
    for number, path in enumerate(sorted(needed)):
        closed = [parent for parent in path.parents if not parent.stat().st_mode & 0o001]
        if closed:
            hold = f"/tmp/vitlab-test-hold-{number}"
            script += [f"mkdir -p {hold}", f"mount --bind {shlex.quote(str(path))} {hold}"]
            script += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed[-1]))}"]
            script += [f"mkdir -p {shlex.quote(str(path))}", f"mount --move {hold} {shlex.quote(str(path))}"]
            script += [f"rmdir {hold}"]
    user = "exec setpriv --reuid=65000 --regid=65000 --clear-groups"
    return ["unshare", "--mount", "sh", "-c", "\n".join([*script, f"{user} {shlex.join(argv)}"])]


@pytest.fixture(scope="module", params=["root", "ordinary user"] if os.geteuid() == 0 else ["ordinary user"])
def probes(request, tmp_path_factory) -> dict:
    """The answers of all probes, run once in one sandbox."""
    data = tmp_path_factory.mktemp("set")
    (data / "numbers.txt").write_text("1 2 3")
    canary = tmp_path_factory.mktemp("canary")
    (canary / "secret.txt").write_text("canary")
    abstract = f"vitlab-test-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0{abstract}")
        unix.listen()
        job = {
            "sources": [cases.PRELUDE, *cases.PROBES.values()],
            "limits": {"memory_mb": 1536, "processes": 64, "open_files": 256, "disk_mb": 32},
            "env": {
                "VITLAB_EXAM_SEED": "7", "PORT": str(tcp.getsockname()[1]), "ABSTRACT": abstract,
                "COURSE": str(COURSE), "CANARY": str(canary),
            },
            "read_only": {"/data/set": str(data)},
        }  # fmt: skip
        command = [sys.executable, "-c", DRIVER]
        home = tmp_path_factory.mktemp("home")
        for folder in (data, canary, home, *data.parents[:2]):
            folder.chmod(0o755)  # what hides them must be the sandbox
        if os.geteuid() == 0 and request.param == "ordinary user":
            os.chown(home, 65000, 65000)
            command = ordinary_user_command(command)
        environment = {**os.environ, "PYTHONPATH": str(COURSE), "VITLAB_TEST_SECRET": "canary", "HOME": str(home)}
        environment.pop("XDG_CACHE_HOME", None)
        done = subprocess.run(
            command, input=json.dumps(job), env=environment, cwd=COURSE, capture_output=True, text=True, timeout=90
        )
    assert done.returncode == 0, done.stderr
    cells, events, status = json.loads(done.stdout)
    assert status == "ok", events
    answers = {"canary": str(canary)}
    for name, cell in zip(cases.PROBES, cells[1:], strict=True):
        printed = "".join(o["text"] for o in cell["outputs"] if o["output_type"] == "stream" and o["name"] == "stdout")
        assert printed, (name, cell["outputs"])
        answers[name] = json.loads(printed)
    return answers


def test_ordinary_work_works(probes):
    assert probes["torch"] == [64.0**3, 1]
    assert probes["workers"] == list(range(6))
    assert probes["seed"] == "7"
    assert probes["shown"] == "1 2 3"


def test_the_font_list_is_not_made_again(probes):
    assert probes["figure"] == [True]


def test_no_privilege_is_left(probes):
    status = {key: value.split() for key, value in probes["status"].items()}
    assert "0" not in status["Uid"] + status["Gid"]
    assert {"".join(status[f"Cap{kind}"]) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["Groups"] == []
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])


def test_refused_calls_are_refused(probes):
    calls = probes["calls"]
    for name in ("user_namespace", "mount_namespace", "setuid", "mount", "shared_memory"):
        assert calls[name][0] == -1, (name, calls[name])
    assert calls["memfd"][0] == "OSError"
    assert calls["init_memory"][0] == "PermissionError"
    assert calls["init_root"][0] == "PermissionError"


def test_the_network_is_out_of_reach(probes):
    dial, knock, vsock = probes["loopback"]
    assert dial[0] in {"ConnectionRefusedError", "OSError", "TimeoutError"}
    assert knock[0] == "ConnectionRefusedError"
    assert vsock[0] == "OSError"
    assert probes["interfaces"] == ["lo"]


def test_nothing_of_the_instructor_is_seen(probes):
    folders = probes["folders"]
    assert folders["/opt/vitlab"] == ["done", "['helpers']"]
    for name in ("/home", "/sys", "/mnt", "/var", probes["canary"]):
        assert folders[name][0] == "FileNotFoundError", (name, folders[name])
    for name in ("/root", str(COURSE)):
        seen = folders[name]
        inside = {
            Path(part).relative_to(name).parts[0]
            for part in map(str, bubblewrap.python_folders())
            if Path(part).is_relative_to(name)
        }
        assert seen[0] == "FileNotFoundError" or seen == ["done", repr(sorted(inside))], seen
    grading, solutions, helpers = probes["course"]
    assert (grading[0], solutions[0]) == ("ModuleNotFoundError", "ModuleNotFoundError")
    assert helpers[0] == "done"
    assert "/opt/vitlab/helpers" in helpers[1]


def test_the_environment_of_the_host_is_not_seen(probes):
    environ, init = probes["environ"]
    assert "VITLAB_TEST_SECRET" not in environ
    assert environ["HOME"] == "/tmp/home"
    assert "canary" not in init[1]


def test_processes_of_the_host_are_not_seen(probes):
    assert "1" in probes["processes"]
    assert len(probes["processes"]) < 6


def test_only_the_memory_disks_are_writable(probes):
    assert probes["writable"] == ["/dev/shm"]


def test_limits_cannot_be_raised(probes):
    assert set(probes["limits_stay"]) == {"ValueError"}


def test_the_disk_is_bounded(probes):
    many, shared, large = probes["disk"]
    assert (many[0], shared[0], large[0]) == ("OSError",) * 3
    assert "No space left" in many[1]
    assert "No space left" in shared[1]
    assert "File too large" in large[1]


def test_too_much_memory_is_a_memory_error_and_the_kernel_goes_on(probes):
    assert [answer[0] for answer in probes["memory"]] == ["MemoryError", "done"]


def test_the_process_limit_bites(probes):
    count, refused = probes["forks"]
    assert refused == "EAGAIN"
    assert 10 < count < 64


def test_open_files_are_bounded(probes):
    assert probes["open_files"][0] == "OSError"


def test_input_is_refused(probes):
    assert probes["stdin"][0] == "StdinNotImplementedError"


# --- what happens to the run --------------------------------------------------------------------------------------


def test_a_cell_out_of_time_is_interrupted_and_the_kernel_goes_on():
    run = run_notebook(
        notebook("a = 1", cases.ENDLESS, "print(a + 1)"), limits=Limits(cell_seconds=1, total_seconds=20)
    )
    assert text(run, 2) == "2"
    assert kinds(run) == [(1, "timeout")]
    assert run.status == "timeout"
    assert [output.ename for output in run.notebook.cells[1].outputs] == ["KeyboardInterrupt", "Stopped"]


def test_a_lost_kernel_is_replaced_and_the_other_cells_count():
    run = run_notebook(
        notebook("import os\nprint(os.getpid()); a = [1]", cases.STUBBORN, "a.append(2); print(a)", cases.EXIT, "print(a)"),
        limits=Limits(cell_seconds=1.5, total_seconds=30),
    )
    assert (text(run, 2), text(run, 4)) == ("[1, 2]", "[1, 2]")
    assert kinds(run) == [(1, "timeout"), (3, "died")]
    assert "ignored the interrupt" in run.events[0].message
    assert "exit status 3" in run.events[1].message
    assert [cell.execution_count for cell in run.notebook.cells] == [1, None, 2, None, 3]


@pytest.mark.parametrize(("source", "reason"), [(cases.SEGFAULT, "SIGSEGV"), (cases.KILLED, "out of memory, limit 1536 MB")])
def test_a_death_is_noticed_at_once_and_explained(source, reason):
    run = run_notebook(notebook("print(1)", source), limits=SMALL)
    assert kinds(run) == [(1, "died")]
    assert reason in run.events[0].message
    assert text(run, 0) == "1"
    assert run.seconds["cells"] < 3


def test_a_kernel_lost_again_and_again_ends_the_run():
    run = run_notebook(notebook(*[cases.EXIT] * 6), limits=SMALL)
    assert kinds(run) == [(0, "died"), (1, "died"), (2, "died"), (3, "died"), (4, "died")]
    assert "not run" in run.events[-1].message


def test_the_notebook_has_a_time_limit_too():
    nb = notebook("import time; time.sleep(1.2)", "time.sleep(9)", "print('never')")
    nb.cells[2].outputs = [new_output("stream", name="stdout", text="forged")]
    run = run_notebook(nb, limits=Limits(cell_seconds=9, total_seconds=2))
    assert kinds(run) == [(1, "total_timeout"), (2, "total_timeout")]
    assert run.notebook.cells[2].outputs == []
    assert nb.cells[2].outputs != []


@pytest.mark.parametrize("source", [cases.PRINT_BOMB, cases.ONE_LARGE_OUTPUT, cases.MULTIPART_BOMB])
def test_an_output_bomb_is_stopped_and_does_not_fill_our_memory(source):
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    before = memory("VmHWM")
    run = run_notebook(notebook("a = 1", source, "print(a)"), limits=SMALL)
    assert kinds(run) == [(1, "output_limit")]
    assert text(run, 2) == "1"
    assert len(json.dumps(run.notebook)) < 10_000
    assert memory("VmHWM") - before < 100 * 1024


def memory(field: str) -> int:
    """KiB from /proc/self/status."""
    return int(next(line for line in open("/proc/self/status") if line.startswith(field)).split()[1])


def test_memory_of_several_processes_is_added_up():
    run = run_notebook(notebook(cases.MEMORY_BY_MANY), limits=Limits(memory_mb=1024))
    assert kinds(run) == [(0, "memory")]
    assert "limit 1024 MB" in run.events[0].message
    assert run.seconds["cells"] < 10


@pytest.mark.parametrize("source", [cases.NOT_A_MESSAGE, cases.MISSING_KEYS])
def test_a_malformed_message_costs_its_cell_and_no_more(source):
    run = run_notebook(notebook("a = 1", source, "print(a)"), limits=SMALL)
    assert kinds(run) == [(1, "protocol")]
    assert text(run, 2) == "1"


def test_outputs_that_no_notebook_may_hold_are_left_out():
    run = run_notebook(notebook(cases.BAD_OUTPUTS), limits=SMALL)
    assert kinds(run) == [(0, "bad_output")]
    assert run.status == "ok"
    assert "half a ? character" in text(run, 0)
    assert run.notebook.cells[0].execution_count == 1
    json.dumps(run.notebook, ensure_ascii=False).encode()


def test_what_a_notebook_leaves_running_ends_with_it():
    token = f"vitlab-daemon-{secrets.token_hex(8)}"
    run = run_notebook(notebook(cases.DAEMON.format(token=token), "1"), limits=SMALL)
    assert run.status == "ok"
    assert not [line for line in commands().values() if token in line]


def test_two_runs_at_once_do_not_meet_and_nothing_is_left_over():
    before = (set(Path("/tmp").glob("vl-*")), len(os.listdir("/proc/self/fd")), threading.active_count())
    source = (
        "import os, time\nopen('/tmp/mine', 'x').close(); time.sleep(1)\n"
        "print(os.getuid(), sum(name.isdigit() for name in os.listdir('/proc')))"
    )
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run_notebook(notebook(source), limits=SMALL), range(2)))
    users, counts = zip(*(map(int, text(run, 0).split()) for run in runs), strict=True)
    assert counts == (2, 2)
    assert len(set(users)) == (2 if os.geteuid() == 0 else 1)
    assert (set(Path("/tmp").glob("vl-*")), len(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert not [line for line in commands().values() if "ipykernel_launcher" in line and "/tmp/.kernel" in line]


def test_the_sandbox_ends_when_its_owner_is_killed(tmp_path):
    token = f"vitlab-orphan-{secrets.token_hex(8)}"
    source = cases.DAEMON.format(token=token) + "\nimport time; time.sleep(60)"
    job = {"sources": [source], "limits": {}, "env": {}, "read_only": {}}
    owner = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(COURSE)}, text=True
    )
    owner.stdin.write(json.dumps(job))
    owner.stdin.close()

    def running() -> list[str]:
        return [pid for pid, line in commands().items() if token in line and "import json, sys" not in line]

    assert wait_until(running, 30)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert wait_until(lambda: not running())


def test_cells_are_chosen_and_errors_do_not_stop_the_run():
    nb = notebook("print(1)", "1/0", "print(3)", "print(4)")
    nb.cells.insert(0, new_markdown_cell("# title"))
    run = run_notebook(nb, limits=SMALL, should_run=lambda cell: "4" not in cell.source)
    assert (text(run, 1), text(run, 3), run.notebook.cells[4].outputs) == ("1", "3", [])
    assert kinds(run) == [(2, "error")]
    assert "ZeroDivisionError: division by zero" in run.events[0].message
    assert run.status == "ok"
    assert set(run.seconds) == {"kernel_start", "cells", "shutdown"}
    assert pickle.loads(pickle.dumps(run)).events == run.events


def test_it_can_be_called_from_inside_an_event_loop():
    async def handler() -> Run:
        return run_notebook(notebook("print(1)"), limits=SMALL)

    assert text(asyncio.run(handler()), 0) == "1"


def test_without_a_sandbox_time_limits_still_hold(tmp_path):
    run = run_notebook(
        notebook("import os; print(os.getcwd())", cases.ENDLESS, "print(2)", cases.STUBBORN, "import helpers; print(3)"),
        limits=Limits(cell_seconds=1.5, total_seconds=20),
        sandbox="none",
    )
    assert (text(run, 2), text(run, 4)) == ("2", "3")
    assert kinds(run) == [(1, "timeout"), (3, "timeout")]
    assert not Path(text(run, 0)).exists()


# --- what is told to the instructor -------------------------------------------------------------------------------


@pytest.fixture
def forget_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_works", False)


@pytest.mark.usefixtures("forget_probe")
def test_a_missing_bubblewrap_is_refused_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match=r"not found on PATH.*apt install bubblewrap.*--sandbox=none"):
        run_notebook(notebook("1"))


@pytest.mark.usefixtures("forget_probe")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("bwrap: setting up uid map: Permission denied", "AppArmor"),
        ("bwrap: No permissions to create new namespace", "make namespaces"),
        ("bwrap: Unknown option --size", "too old"),
    ],
)
def test_a_bubblewrap_that_does_not_work_is_explained(monkeypatch, tmp_path, said, told):
    fake = tmp_path / "bwrap"
    fake.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnavailable, match=told) as refusal:
        run_notebook(notebook("1"))
    assert said in str(refusal.value)
    assert "--sandbox=none" in str(refusal.value)


def test_a_course_inside_the_python_environment_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(COURSE))
    with pytest.raises(SandboxUnavailable, match="lies inside"):
        bubblewrap.bwrap_command(["true"], limits=SMALL)


def test_a_kernel_that_cannot_start_says_so():
    with pytest.raises(KernelStartError, match="ended while starting"):
        run_notebook(notebook("1"), limits=Limits(memory_mb=24))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"memory_mb": 0}, ValueError), ({"cell_seconds": float("nan")}, ValueError), ({"processes": 1.5}, TypeError),
        ({"output_mb": "16"}, TypeError), ({"disk_mb": True}, TypeError), ({"total_seconds": -1}, ValueError),
    ],
)  # fmt: skip
def test_a_wrong_limit_is_named(wrong, error):
    with pytest.raises(error, match=rf"limits\.{next(iter(wrong))} is .*above 0"):
        Limits(**wrong)


def test_an_unknown_sandbox_is_refused():
    with pytest.raises(ValueError, match='expected "bubblewrap" or "none"'):
        run_notebook(notebook("1"), sandbox="docker")
