"""What happens to a run: cells that don't end, kernels that die, output without end, things left behind."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from nbformat.v4 import new_markdown_cell, new_output

from grading.sandbox import client, session
from grading.sandbox.limits import Limits
from grading.sandbox.run import Run, WarmPool, run_notebook
from helpers.checks.wire_format import MIME
from tests import hostile_kernel_cases as cases
from tests.sandbox_driver import COURSE, DRIVER, SMALL, commands, kinds, notebook, text, wait_until

run = run_notebook  # with the start a test chooses itself


@pytest.fixture(scope="module", params=["cold", "warm"])
def warm(request) -> Iterator[WarmPool | None]:
    """The pool, or None; every test here runs with both."""
    if request.param == "cold":
        yield None
        return
    with WarmPool() as pool:
        assert run(notebook("1"), limits=SMALL, warm=pool).notes == []  # the zygote is up, and stays
        yield pool


@pytest.fixture(autouse=True)
def chosen_start(warm: WarmPool | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys.modules[__name__], "run_notebook", partial(run, warm=warm))
    yield
    assert warm is None or (not warm.problem and warm._zygote.alive())


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "INTERRUPT_GRACE_SECONDS", 1)


def test_a_cell_out_of_time_is_interrupted_and_the_kernel_goes_on():
    run = run_notebook(
        notebook("a = 1", cases.ENDLESS, "print(a + 1)"), limits=Limits(cell_seconds=1, total_seconds=20)
    )
    assert text(run, 2) == "2"
    assert kinds(run) == [(1, "timeout")]
    assert run.status == "timeout"
    assert run.stopped == {1: "stopped after 1 s"}
    assert [output.ename for output in run.notebook.cells[1].outputs] == ["KeyboardInterrupt", "Stopped"]


def test_a_lost_kernel_is_replaced_and_the_other_cells_count():
    run = run_notebook(
        notebook(
            "import os\nprint(os.getpid()); a = [1]",
            cases.STUBBORN,
            "a.append(2); print(a)",
            cases.EXIT,
            "print(a)",
        ),
        limits=Limits(cell_seconds=1.5, total_seconds=30),
    )
    assert (text(run, 2), text(run, 4)) == ("[1, 2]", "[1, 2]")
    assert kinds(run) == [(1, "timeout"), (3, "died")]
    assert "ignored the interrupt" in run.events[0].message
    assert "exit status 3" in run.events[1].message
    assert [cell.execution_count for cell in run.notebook.cells] == [1, None, 2, None, 3]


@pytest.mark.parametrize(
    ("source", "reason"), [(cases.SEGFAULT, "SIGSEGV"), (cases.KILLED, "out of memory, limit 1536 MB")]
)
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
    roomy = replace(SMALL, memory_mb=2048)  # else the kernel itself drops what it cannot pack
    run = run_notebook(notebook("a = 1", source, "print(a)"), limits=roomy)
    assert kinds(run) == [(1, "output_limit")]
    assert text(run, 2) == "1"
    assert len(json.dumps(run.notebook)) < 10_000
    assert memory("VmHWM") - before < 100 * 1024


def test_an_output_that_the_kernel_cannot_hold_itself_costs_its_cell_alone():
    """Text of 300 MB is several times that while it is packed: ipykernel then drops the message and goes on."""
    run = run_notebook(notebook("a = 1", cases.ONE_LARGE_OUTPUT, "print(a)"), limits=SMALL)
    assert kinds(run) in ([], [(1, "output_limit")])
    assert text(run, 2) == "1"


def test_no_output_is_lost_when_we_are_slow_to_read(monkeypatch):
    stock = client.CellRunner.process_message
    naps = iter([1.5])

    def slow(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream":
            time.sleep(next(naps, 0))  # holds up the whole loop, as other notebooks do
        return stock(self, msg, cell, cell_index)

    monkeypatch.setattr(client.CellRunner, "process_message", slow)
    run = run_notebook(notebook("for i in range(4000): print(i, flush=True)"), limits=SMALL)
    assert text(run, 0).split() == [str(i) for i in range(4000)]
    assert run.events == []


def memory(field: str) -> int:
    """KiB from /proc/self/status."""
    return int(next(line for line in open("/proc/self/status") if line.startswith(field)).split()[1])


def test_memory_of_several_processes_is_added_up():
    run = run_notebook(notebook(cases.MEMORY_BY_MANY), limits=Limits(memory_mb=1024))
    assert kinds(run) == [(0, "memory")]
    assert "limit 1024 MB" in run.events[0].message
    assert run.seconds["cells"] < 10


def test_the_number_of_files_is_bounded():
    run = run_notebook(notebook("a = 1", cases.MANY_FILES, "print(a)"), limits=SMALL)
    assert kinds(run) == [(1, "files")]
    assert text(run, 2) == "1"


def test_the_number_of_outputs_is_bounded_and_what_one_updates():
    run = run_notebook(notebook(cases.MANY_UPDATES + "print('last')"), limits=SMALL)
    assert kinds(run) == [(0, "bad_output")]
    assert len(run.notebook.cells[0].outputs) == client.MAX_OUTPUTS


def test_an_answer_record_has_room_behind_too_many_outputs():
    source = cases.MANY_UPDATES + f"from IPython.display import display\ndisplay({{{MIME!r}: 'AAAA'}}, raw=True)"
    run = run_notebook(notebook(source), limits=SMALL)
    assert run.notebook.cells[0].outputs[-1].data == {MIME: "AAAA"}


def test_of_a_display_only_text_is_kept():
    run = run_notebook(notebook(cases.JSON_BOMB), limits=SMALL)
    (output,) = run.notebook.cells[0].outputs
    assert (output.data, output.metadata) == ({"text/plain": "here"}, {})


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


def test_two_runs_at_once_do_not_meet_and_nothing_is_left_over(monkeypatch):
    folders = []

    def record(**options):
        folders.append(make(**options))
        return folders[-1]

    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", record)
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = (len(os.listdir("/proc/self/fd")), threading.active_count(), children.read_text())
    source = (
        "import os, time\nopen('/tmp/mine', 'x').close(); time.sleep(1)\n"
        "print(os.getuid(), sum(name.isdigit() for name in os.listdir('/proc')))"
    )
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run_notebook(notebook(source), limits=SMALL), range(2)))
    users, counts = zip(*(map(int, text(run, 0).split()) for run in runs), strict=True)
    assert counts == (2, 2)
    assert len(set(users)) == (2 if os.geteuid() == 0 else 1)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count(), children.read_text()) == before
    assert len(folders) == 2
    assert not [folder for folder in folders if os.path.exists(folder)]


def test_the_sandbox_ends_when_its_owner_is_killed(warm):
    token = f"vitlab-orphan-{secrets.token_hex(8)}"
    source = cases.DAEMON.format(token=token) + "\nimport time; time.sleep(60)"
    job = {"sources": [source], "limits": {}, "env": {}, "read_only": {}, "warm": warm is not None}
    owner = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(COURSE)},
        text=True,
    )
    owner.stdin.write(json.dumps(job))
    owner.stdin.close()

    def running() -> list[str]:
        return [pid for pid, line in commands().items() if token in line and "import json, sys" not in line]

    assert wait_until(running, 30)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert wait_until(lambda: not running())
    assert not list(Path("/tmp").glob(f"vl-{owner.pid}-*"))


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
        notebook(
            "import os; print(os.getcwd())",
            cases.ENDLESS,
            "print(2)",
            cases.STUBBORN,
            "import helpers; print(3)",
        ),
        limits=Limits(cell_seconds=1.5, total_seconds=20),
        sandbox="none",
    )
    assert (text(run, 2), text(run, 4)) == ("2", "3")
    assert kinds(run) == [(1, "timeout"), (3, "timeout")]
    assert not Path(text(run, 0)).exists()
