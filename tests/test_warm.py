"""Warm starts alone: what one child does is not seen by the next, and a lost zygote loses nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from grading.sandbox import bubblewrap
from grading.sandbox.bubblewrap import bwrap_command
from grading.sandbox.run import WarmPool, run_notebook
from tests import hostile_kernel_cases as cases
from tests.sandbox_driver import SMALL, commands, kinds, notebook, text, wait_until

PATIENT = replace(SMALL, cell_seconds=200, total_seconds=240)  # of a kernel that waits for another
LOOK = """
import builtins, json, os, random, sys, tempfile
import numpy, torch, helpers.checks.check, matplotlib
from pathlib import Path
print(json.dumps({
    "builtin": hasattr(builtins, "planted"), "torch": hasattr(torch, "planted"), "allclose": torch.allclose.__module__,
    "helpers": hasattr(helpers.checks.check, "planted"), "rc": matplotlib.rcParams["lines.linewidth"],
    "module": "planted" in sys.modules, "path": "/planted" in sys.path, "env": os.environ.get("PLANTED"),
    "files": [str(p) for top in ("/tmp", "/dev/shm", "/dev/pts", "/var/tmp") for p in Path(top).rglob("planted*")],
    "terminals": sorted(os.listdir("/dev/pts")),
    "pids": [n for n in os.listdir("/proc") if n.isdigit()],
    "draws": [random.random(), float(numpy.random.rand()), float(torch.rand(1))],
    "seed": os.environ.get("VITLAB_EXAM_SEED"), "home": sorted(os.listdir(Path.home())),
}))
"""
PLANT = """
import builtins, os, random, sys, types
import numpy, torch, helpers.checks.check, matplotlib
builtins.planted = torch.planted = helpers.checks.check.planted = 1
torch.allclose = lambda *a, **k: True
matplotlib.rcParams["lines.linewidth"] = 77
sys.modules["planted"] = types.ModuleType("planted"); sys.path.append("/planted")
os.environ["PLANTED"] = "1"
random.seed(1); numpy.random.seed(1); torch.manual_seed(1)
for folder in ("/tmp", "/tmp/home", "/dev/shm", "."):
    open(os.path.join(folder, "planted"), "w").close()
os.openpty()
"""
REACH = r"""
import ctypes, json, os, resource, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action):
    try:
        return ["done", repr(action())[:80]]
    except BaseException as error:
        return [type(error).__name__, str(error)[:80]]
def ptrace(pid):
    if libc.ptrace(16, pid, 0, 0) != 0: raise OSError(ctypes.get_errno(), "ptrace")
found = {
    "trace": attempt(lambda: ptrace(1)), "memory": attempt(lambda: open("/proc/1/mem", "rb").read(1)),
    "root": attempt(lambda: os.listdir("/proc/1/root")), "files": attempt(lambda: os.listdir("/proc/1/fd")),
    "environ": attempt(lambda: open("/proc/1/environ").read()),
    "namespace": attempt(lambda: os.readlink("/proc/1/ns/user")),
    "descriptors": sorted({os.readlink(f"/proc/self/fd/{n}").split(":")[0] for n in os.listdir("/proc/self/fd")
                           if os.path.exists(f"/proc/self/fd/{n}") and int(n) < 3}),
    "limits": attempt(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE)),
    "parent": os.getppid(), "cwd": os.getcwd(),
}
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL, signal.SIGUSR1):
    for target in (1, -os.getppid() or -1):
        attempt(lambda: os.kill(target, number))
print(json.dumps(found))
"""
SWEEP = "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif not os.fork():\n    while True: pass\n"
SWEEP += "os.kill(-1, 9)\nprint('swept')"
TRAIN = """
import torch
_ = torch.manual_seed(0)
m = torch.nn.Linear(2, 1); o = torch.optim.Adam(m.parameters())
m(torch.ones(3, 2)).sum().backward(); o.step(); print(m.weight.tolist())
"""
STACK = """
import gc, json, sys
frame, seen = sys._getframe(), []
while frame:
    seen.append(sorted(map(str, frame.f_locals))); frame = frame.f_back
strings = [s for o in gc.get_objects() if isinstance(o, (dict, list, tuple)) for s in
           (o.values() if isinstance(o, dict) else o) if isinstance(s, str)]
print(any(WORD[::-1] in s for s in strings if len(s) < 10_000))
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    with WarmPool() as pool:
        yield pool


@pytest.fixture(autouse=True)
def one_zygote(request, pool: WarmPool) -> Iterator[None]:
    """Whatever a test's notebook did, the zygote is the same afterwards and has no child left."""
    yield
    if "own_pool" in request.keywords or pool._zygote is None:
        return
    assert pool.problem == ""
    assert pool._made == 1
    root = Path(f"/proc/{pool._zygote.pid}/root/proc")
    assert wait_until(lambda: [p.name for p in root.iterdir() if p.name.isdigit()] == ["1"])


def look(pool: WarmPool | None, *before: str, seed: str = "7") -> dict:
    run = run_notebook(notebook(*before, LOOK), limits=SMALL, warm=pool, env={"VITLAB_EXAM_SEED": seed})
    assert run.notes == []
    return json.loads(text(run, len(before)))


def test_what_one_child_changes_the_next_does_not_see(pool):
    first, planted, after = look(pool), look(pool, PLANT), look(pool, seed="8")
    assert planted["builtin"]
    assert planted["rc"] == 77
    assert planted["files"]
    for key in set(first) - {"draws", "seed"}:
        assert after[key] == first[key], key
    assert (first["seed"], after["seed"]) == ("7", "8")
    assert after["files"] == []
    assert after["env"] is None


def test_random_state_is_a_fresh_processes(pool):
    seen = [look(pool) for _ in range(2)]
    for one, other in zip(seen[0]["draws"], seen[1]["draws"], strict=True):
        assert one != other


def folder_of(word: str) -> Path | None:
    """The /tmp of the child that made a file of this name in it, as seen from outside; None until it has."""
    for pid in kernels():
        folder = Path(f"/proc/{pid}/root/tmp")
        try:
            if (folder / word).exists():
                return folder
        except OSError:  # another pool's child, or one that has just ended
            continue
    return None


@contextmanager
def held_up(pool: WarmPool, source: str = "") -> Iterator[Future]:
    """A notebook that runs `source`, stays in the middle of its cell while the test goes on, and then says "here"."""
    word = f"v{secrets.token_hex(8)}"
    source += f"\nimport os, time\nopen('/tmp/{word}', 'w').close()\n"
    source += f"while os.path.exists('/tmp/{word}'): time.sleep(0.02)\nprint('here')"
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(run_notebook, notebook(source), limits=PATIENT, warm=pool)
        assert wait_until(lambda: folder_of(word) is not None, 180)
        try:
            yield run
        finally:
            if folder := folder_of(word):
                (folder / word).unlink()  # who is outside can take a file away, and can make none


def test_siblings_do_not_see_each_other(pool):
    word = f"v{secrets.token_hex(8)}"
    source = (
        f"import os, socket\nopen('/tmp/{word}', 'w').close(); open('/dev/shm/{word}', 'w').close()\n"
        "os.openpty()\nserver = socket.create_server(('127.0.0.1', 4321)); hidden = socket.socket(socket.AF_UNIX)\n"
        f"hidden.bind('\\0{word}'); hidden.listen()"
    )
    spy = (
        "import glob, json, os, socket\ndef dial(*a):\n"
        "    try:\n        s = socket.socket(*a[:1]); s.settimeout(2); s.connect(a[1]); return 'connected'\n"
        "    except OSError as error: return type(error).__name__\n"
        f"print(json.dumps([glob.glob('/*/{word}') + glob.glob('/dev/shm/{word}'), os.listdir('/dev/pts'),\n"
        "  [n for n in os.listdir('/proc') if n.isdigit()], dial(socket.AF_INET, ('127.0.0.1', 4321)),\n"
        f"  dial(socket.AF_UNIX, '\\0{word}')]))"
    )
    with held_up(pool, source) as sibling:
        seen = run_notebook(notebook(spy), limits=SMALL, warm=pool)
        assert not sibling.done()
    assert text(sibling.result(), 0) == "here", sibling.result().events
    assert json.loads(text(seen, 0)) == [[], ["ptmx"], ["1", "2"], *["ConnectionRefusedError"] * 2]


def test_what_a_child_reaches_for_is_out_of_reach(pool):
    run = run_notebook(notebook(REACH, "print(1)"), limits=SMALL, warm=pool)
    found = json.loads(text(run, 0))
    for name in ("trace", "memory", "root", "files", "environ", "namespace", "limits"):
        assert found[name][0] in {"PermissionError", "OSError"}, (name, found[name])
    assert (found["parent"], found["cwd"]) == (1, "/tmp/work")
    assert text(run, 1) == "1"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SWEEP, []),
        (cases.EXIT, [(0, "died")]),
        (cases.KILLED, [(0, "died")]),
        (cases.SEGFAULT, [(0, "died")]),
        (cases.MEMORY_BY_MANY, [(0, "memory")]),
        (cases.PRELUDE + cases.PROBES["forks"], []),
        (cases.PRELUDE + cases.PROBES["disk"], []),
        ("import sys; sys.exit(0)", [(0, "error")]),
    ],
)
def test_a_child_that_misbehaves_leaves_its_sibling_and_the_zygote_working(pool, source, expected):
    with held_up(pool, "import torch; torch.ones(4).sum()") as calm:
        bad = run_notebook(notebook(source), limits=SMALL, warm=pool)
    good = calm.result()
    assert (kinds(bad), bad.notes) == (expected, [])
    assert (text(good, 0), good.events, good.notes) == ("here", [], [])
    assert look(pool)["pids"] == ["1", "2"]


def test_a_child_finds_nothing_of_an_earlier_one(pool):
    word = secrets.token_hex(16)
    run_notebook(notebook(f"secret = {word!r}"), limits=SMALL, warm=pool, env={"VITLAB_EXAM_SEED": word})
    run = run_notebook(notebook(f"WORD = {word[::-1]!r}\n{STACK}"), limits=SMALL, warm=pool)
    assert text(run, 0) == "False", run.notebook.cells[0].outputs
    assert word not in Path(f"/proc/{pool._zygote.pid}/environ").read_text()


def test_figures_and_training_work_as_in_a_cold_start(pool):
    sources = [
        "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])",
        "import os; print(sorted((k, v) for k, v in os.environ.items() if not k.startswith('PYDEVD')))",
        TRAIN,
        "from torch.utils.data import DataLoader as L\nprint(sorted(map(int, L(range(6), None, num_workers=2))))",
        "import helpers",
        "def f():\n    return ___\nf()",
        "import sys; print(sys.argv[1:], [p for p in sys.path if 'lib/python' not in p], '__file__' in globals())",
    ]
    runs = [run_notebook(notebook(*sources), limits=SMALL, warm=w) for w in (pool, None)]
    assert "image/png" in runs[0].notebook.cells[0].outputs[0].data
    assert runs[0].events[-1].message.startswith("StillBlank")
    shown = [[(o.output_type, o.get("data"), o.get("text")) for c in r.notebook.cells for o in c.outputs] for r in runs]
    assert shown[0] == shown[1]


# --- losing the zygote ----------------------------------------------------------------------------


@pytest.mark.own_pool
def test_a_zygote_killed_in_the_middle_costs_no_submission():
    with WarmPool() as pool, ThreadPoolExecutor(2) as threads:
        words = [f"v{secrets.token_hex(8)}" for _ in range(2)]
        stay = "if 'zygote.py' in open('/proc/self/cmdline').read(): threading.Event().wait()\nprint('done')"
        sources = [f"import threading\nopen('/tmp/{word}', 'w').close()\n{stay}" for word in words]
        waiting = [threads.submit(run_notebook, notebook("a = 1", s), limits=PATIENT, warm=pool) for s in sources]
        assert wait_until(lambda: all(map(folder_of, words)), 180)
        os.kill(pool._zygote.pid, signal.SIGKILL)
        runs = [future.result() for future in waiting]
        assert [(text(run, 1), run.events) for run in runs] == [("done", [])] * 2
        assert all("run again with a cold start" in run.notes[0] for run in runs)
        again = run_notebook(notebook("print(1)"), limits=SMALL, warm=pool)
        assert (text(again, 0), again.notes, pool._made) == ("1", [], 2)


def kernels() -> list[str]:
    """Host pids of zygotes' children: each is process 2 of a nested namespace."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
        except OSError:
            continue
        line = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if len(line) == 4 and line[3] == "2" and b"zygote.py\0serve" in (folder / "cmdline").read_bytes():
            found.append(folder.name)
    return found


@pytest.mark.own_pool
def test_a_zygote_that_cannot_start_is_told_and_costs_nothing(monkeypatch):
    def broken(argv, **options):
        return bwrap_command(["/usr/bin/false"] if options.get("zygote") else argv, **options)

    monkeypatch.setattr(bubblewrap, "bwrap_command", broken)
    with WarmPool() as pool:
        for _ in range(2):
            run = run_notebook(notebook("print(1)"), limits=SMALL, warm=pool)
            assert text(run, 0) == "1"
            assert "started cold" in run.notes[-1]
        assert pool._made == 1


@pytest.mark.own_pool
def test_an_environment_that_lies_under_tmp_is_there_in_warm_kernels_too(tmp_path, monkeypatch):
    """As where the course was cloned into /tmp, its .venv in it."""
    folder = Path("/tmp", f"vitlab-environment-{secrets.token_hex(8)}", "inner")
    folder.mkdir(parents=True)
    (folder / "there").write_text("yes")
    real = bubblewrap.python_folders()
    monkeypatch.setattr(bubblewrap, "python_folders", lambda: [*real, folder])
    try:
        with WarmPool() as pool:
            run = run_notebook(notebook(f"print(open({str(folder / 'there')!r}).read())"), limits=SMALL, warm=pool)
            assert (text(run, 0), run.notes, pool.problem) == ("yes", [], "")
    finally:
        shutil.rmtree(folder.parent)


@pytest.mark.own_pool
def test_other_folders_than_the_pools_start_cold(pool):
    with tempfile.TemporaryDirectory(prefix="vitlab-shown-") as folder:  # others may not pass tmp_path
        Path(folder).chmod(0o755)
        Path(folder, "numbers").write_text("1 2 3")
        source = "print(open('/data/numbers').read())"
        run = run_notebook(notebook(source), limits=SMALL, warm=pool, read_only={"/data": folder})
    assert (text(run, 0), run.notes) == ("1 2 3", [])


@pytest.mark.own_pool
def test_nothing_is_left_over_when_the_pool_is_closed():
    before = len(os.listdir("/proc/self/fd"))
    folders = set(Path("/tmp").glob("vl-*"))
    pool = WarmPool()
    token = f"vitlab-daemon-{secrets.token_hex(8)}"
    run_notebook(notebook(cases.DAEMON.format(token=token)), limits=SMALL, warm=pool)
    pid = pool._zygote.pid
    pool.close()
    del pool
    assert not Path(f"/proc/{pid}").exists()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not [line for line in commands().values() if token in line]
    mine = {f for f in set(Path("/tmp").glob("vl-*")) - folders if os.path.exists(f) and not list(f.iterdir())}
    assert len(mine) < 5  # other test processes may be at work


def _use_it(pool: WarmPool, pipe) -> None:
    with pool:
        run = run_notebook(notebook("print(1)"), limits=SMALL, warm=pool)
        pipe.send((text(run, 0), run.notes, pool._zygote.pid))


@pytest.mark.own_pool
def test_a_pool_can_be_sent_to_another_process(pool):
    assert pickle.loads(pickle.dumps(pool)).read_only == pool.read_only
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_use_it, args=(pool, theirs))
    worker.start()
    output, notes, pid = ours.recv()
    worker.join()
    assert (output, notes) == ("1", [])
    assert pid != pool._zygote.pid
