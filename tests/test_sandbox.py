"""What a notebook sees and can do inside the sandbox, as root and as an ordinary user; and what is refused.

Bombs are bounded, the only listener is our own, and a machine without bubblewrap fails these tests.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grading.sandbox import bubblewrap
from grading.sandbox.limits import Limits
from grading.sandbox.run import KernelStartError, SandboxUnavailable, run_notebook
from tests import hostile_kernel_cases as cases
from tests.ordinary_user import UID, ordinary_user_command
from tests.sandbox_driver import COURSE, DRIVER, SMALL, notebook

# --- what is seen and can be done from inside, as root and as an ordinary user --------------------


USERS = ["root", "ordinary user"] if os.geteuid() == 0 else ["ordinary user"]


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder whose parents others may pass: each start of pytest closes the one that holds its `tmp_path`s."""
    with tempfile.TemporaryDirectory(prefix="vitlab-probes-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module", params=[f"{user}, {start}" for user in USERS for start in ("cold", "warm")])
def probes(request, open_folder) -> dict:
    """The answers of all probes, run once in one sandbox."""
    user, start = request.param.split(", ")
    data, canary, home = (open_folder / user / start / name for name in ("set", "canary", "home"))
    for folder in (data, canary, home):
        folder.mkdir(parents=True)
    (data / "numbers.txt").write_text("1 2 3")
    (canary / "secret.txt").write_text("canary")
    abstract = f"vitlab-test-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0{abstract}")
        unix.listen()
        job = {
            "sources": [cases.PRELUDE, *cases.PROBES.values()],
            "limits": {"memory_mb": 1536, "processes": 64, "open_files": 256, "disk_mb": 32},
            "env": {
                "VITLAB_EXAM_SEED": "7",
                "PORT": str(tcp.getsockname()[1]),
                "ABSTRACT": abstract,
                "COURSE": str(COURSE),
                "CANARY": str(canary),
            },
            "read_only": {"/data/set": str(data)},
            "warm": start == "warm",
        }
        command = [sys.executable, "-c", DRIVER]
        for folder in (data, canary, home):
            folder.chmod(0o755)  # what hides them must be the sandbox
        if os.geteuid() == 0 and user == "ordinary user":
            os.chown(home, UID, UID)
            command = ordinary_user_command(command, also=(data, canary, home))
        environment = {
            **os.environ,
            "PYTHONPATH": str(COURSE),
            "VITLAB_TEST_SECRET": "canary",
            "HOME": str(home),
        }
        environment.pop("XDG_CACHE_HOME", None)
        done = subprocess.run(
            command,
            input=json.dumps(job),
            env=environment,
            cwd=COURSE,
            capture_output=True,
            text=True,
            timeout=600,  # for a hang; it takes seconds
        )
    assert done.returncode == 0, done.stderr
    cells, events, status, notes = json.loads(done.stdout)
    assert (status, notes) == ("ok", []), events
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


# --- what is told to the instructor ---------------------------------------------------------------


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


def test_an_installed_course_is_covered(monkeypatch, tmp_path):
    (tmp_path / "grading").mkdir()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    command = bubblewrap.bwrap_command(["true"], limits=SMALL)
    assert command[command.index(str(tmp_path / "grading")) - 1] == "--tmpfs"


def test_a_kernel_that_cannot_start_says_so():
    with pytest.raises(KernelStartError, match="ended while starting"):
        run_notebook(notebook("1"), limits=Limits(memory_mb=24))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"memory_mb": 0}, ValueError),
        ({"total_seconds": -1}, ValueError),
        ({"cell_seconds": float("nan")}, ValueError),
        ({"processes": 1.5}, TypeError),
        ({"output_mb": "16"}, TypeError),
        ({"disk_mb": True}, TypeError),
    ],
)
def test_a_wrong_limit_is_named(wrong, error):
    with pytest.raises(error, match=rf"limits\.{next(iter(wrong))} is .*above 0"):
        Limits(**wrong)


def test_an_unknown_sandbox_is_refused():
    with pytest.raises(ValueError, match='expected "bubblewrap" or "none"'):
        run_notebook(notebook("1"), sandbox="docker")
