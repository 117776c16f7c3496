"""Grades the whole bank as one class: three attacks, then an honest submission in the same warm pool."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import nbformat

from grading.course import Course
from grading.demo.lesson_kit import make_kit
from grading.engine.executors import Threads
from grading.engine.grade import grade
from grading.engine.outcome import SubmissionOutcome
from grading.engine.progress import Silent
from grading.judging.cells_to_run import role_of
from grading.sandbox import session as kernel_session
from grading.sandbox.warm import close_shared_pool, shared_pool
from tests.hostile.attack import COLD, HONEST, LESSON, WARM, Attack, bank
from tests.hostile.canaries import Canaries, built
from tests.sandbox_driver import commands, wait_until

LIMITS = {
    "cell_seconds": 10, "total_seconds": 60, "memory_mb": 1536, "processes": 64, "open_files": 256, "disk_mb": 32,
    "output_mb": 4, "answer_mb": 1,
}  # fmt: skip
JOBS = 2
GROUP = 3  # attacks, then an honest submission
COLD_SECONDS = 60  # a cold start imports torch in its first cell; no attack that waits for the limit starts cold

HEAD = """# The hostile bank

Written by `python -m tests.hostile`; the claims are checked by `tests/hostile/test_bank.py`. Each submission
attacks one question of lesson 02 (Q1b) and answers Q1 and Q1c honestly; the score column is what it earned of Q1, Q1b
and Q1c. After every third one an honest submission is graded in the same pool and earns everything.

| attack | start | attempts | what happened | score |
|---|---|---|---|---|"""


@dataclass
class Graded:
    """What came of one attack.

    Attributes:
        after: the outcome of the next honest submission.
        printed: what its cells printed.
        page: the feedback page.
    """

    name: str
    start: str
    attack: Attack
    outcome: SubmissionOutcome
    after: SubmissionOutcome
    printed: str
    page: str

    @property
    def shares(self) -> dict[str, float]:
        return {q.question: (q.score or 0.0) / q.max for q in self.outcome.questions if q.question in HONEST}


@dataclass
class Batch:
    """What came of everything, and what was found afterwards."""

    graded: list[Graded] = field(default_factory=list)
    canaries: Canaries | None = None
    expected: int = 0  # submissions
    outcomes: int = 0
    seconds: float = 0.0
    left: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)  # processes in the zygote's sandbox when all was done
    problem: str = ""
    zygotes: int = 0
    leaks: list[str] = field(default_factory=list)  # files that hold the planted secret
    pwned: bool = False
    bystander_lived: bool = False


def run(root: Path, course: Course, only: str = "", *, loud: bool = False) -> Batch:
    """Grade all attacks whose name matches `only` under `root`; `loud` says on standard error what is done."""
    course = course.model_copy(update={"limits": course.limits.model_copy(update=LIMITS)})
    kit = make_kit(course, LESSON)
    chosen = {name: attack for name, attack in bank().items() if re.search(only, name)}
    batch = Batch()
    before = _traces()
    begin = time.monotonic()
    with _short_grace(), built(root / "world", course, root / "warm", root / WARM / "in") as canaries:
        batch.canaries = canaries
        for start in (WARM, COLD):
            given, out = root / start / "in", root / start / "out"
            mine = {name: attack for name, attack in chosen.items() if start in attack.starts}
            if not mine:
                continue
            for number, (name, attack) in enumerate(mine.items()):
                attack.hand_in(given / f"s{number:03d}a_{name}" / LESSON, kit, canaries.names)
                if number in _honest(len(mine)):
                    honest = given / f"s{number:03d}b_honest" / LESSON
                    honest.mkdir(parents=True)
                    (honest / f"{LESSON}.ipynb").write_bytes(kit.hand_in(kit.solved()).data)
            batch.expected += len(mine) + len(_honest(len(mine)))
            seconds = {"cell_seconds": COLD_SECONDS, "total_seconds": 2 * COLD_SECONDS} if start == COLD else {}
            own = course.model_copy(update={"limits": course.limits.model_copy(update=seconds)})
            outcomes = grade(
                own,
                [LESSON],
                submissions=given,
                out=out,
                warm=start == WARM,
                progress=_Watcher() if loud else None,
                executor=Threads(JOBS, keep_zygote=True),
            )
            if start == WARM:
                _look_into_the_zygote(batch)
            batch.outcomes += len(outcomes)
            by_student = {outcome.student: outcome for outcome in outcomes}
            for number, (name, attack) in enumerate(mine.items()):
                student = f"s{number:03d}a_{name}"
                after = min(n for n in _honest(len(mine)) if n >= number)
                batch.graded.append(
                    Graded(name, start, attack, by_student[student], by_student[f"s{after:03d}b_honest"],
                           _printed(out, student), _page(out, student))
                )  # fmt: skip
            batch.leaks += [
                str(path.relative_to(root)) for path in _texts(out) if canaries.secret in path.read_text("utf-8")
            ]
        wait_until(lambda: not _running(canaries.token), 5)
        batch.left += _running(canaries.token)
        batch.pwned = canaries.pwned.exists()
        batch.bystander_lived = canaries.bystander.poll() is None
    gc.collect()
    wait_until(lambda: not _traces() - before, 5)
    batch.left += sorted(_traces() - before)
    batch.seconds = time.monotonic() - begin
    return batch


def _honest(count: int) -> set[int]:
    """Numbers of the attacks that an honest submission follows."""
    return {number for number in range(count) if number % GROUP == GROUP - 1 or number == count - 1}


class _Watcher(Silent):
    def advance(self, outcome: SubmissionOutcome) -> None:
        seconds = sum(spent for stage, spent in outcome.seconds.items() if stage != "queue")
        print(f"{outcome.student} {seconds:.1f} s {outcome.reason}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _short_grace() -> Iterator[None]:
    usual, kernel_session.INTERRUPT_GRACE_SECONDS = kernel_session.INTERRUPT_GRACE_SECONDS, 1
    try:
        yield
    finally:
        kernel_session.INTERRUPT_GRACE_SECONDS = usual


def _look_into_the_zygote(batch: Batch) -> None:
    pool = shared_pool()
    zygote = pool._zygote
    batch.problem, batch.zygotes = pool.problem, pool._made
    if zygote is not None:
        inside = Path(f"/proc/{zygote.pid}/root/proc")

        def others() -> list[str]:
            return [path.name for path in inside.iterdir() if path.name.isdigit() and path.name != "1"]

        wait_until(lambda: not others())
        batch.inside = others()
    close_shared_pool()


def _running(token: str) -> list[str]:
    return [f"process: {line[:120]}" for line in commands().values() if token in line and "bystander" not in line]


def _traces() -> set[str]:
    """Open files of this process, our temporary folders, files in shared memory, and sockets of the machine."""
    found = set(_descriptors())
    found |= {str(path) for path in Path("/tmp").glob(f"vl-{os.getpid()}-*")}
    found |= {str(path) for path in Path("/dev/shm").glob("vitlab*")} if Path("/dev/shm").is_dir() else set()
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        name = line.split(None, 7)[7:]
        if name and ("vitlab-hostile" in name[0] or f"vl-{os.getpid()}-" in name[0]):
            found.add(f"socket {name[0]}")
    return found


def _descriptors() -> Iterator[str]:
    """What this process has open, each with its place among those that look the same."""
    seen: Counter[str] = Counter()
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            kind = re.sub(r"\[\d+\]", "", str(path.readlink()))
            if kind.endswith(".ttf"):  # matplotlib keeps its fonts open
                continue
            seen[kind] += 1
            yield f"descriptor {kind} {seen[kind]}"


def _printed(out: Path, student: str) -> str:
    path = out / "autograded" / student / LESSON / f"{LESSON}.ipynb"
    if not path.exists():
        return ""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        if role_of(cell) in ("answer", "extra"):
            parts += [str(output.get("text", "")) for output in cell.get("outputs", [])]
    return "".join(parts)


def _page(out: Path, student: str) -> str:
    path = out / "feedback" / student / LESSON / f"{LESSON}.html"
    return path.read_text("utf-8") if path.exists() else ""


def _texts(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.suffix in (".ipynb", ".html", ".jsonl")]


def line(graded: Graded) -> str:
    """What happened, in a few words."""
    said = [] if graded.outcome.status == "graded" else [graded.outcome.reason or graded.outcome.status]
    refused = re.findall(r"\[([^\]]+)\] refused", graded.printed)
    said += [f"refused: {', '.join(dict.fromkeys(refused))}"] if refused else []
    hints = [q.hint for q in graded.outcome.questions if q.question == "Q1b" and q.score == 0]
    said += hints[:1] if not said else []
    said += ["look twice: " + graded.outcome.suspicious[0]] if graded.outcome.suspicious else []
    return _markdown("; ".join(said)[:300])


def _markdown(text: str) -> str:
    """Text in a table's cell, the same at every run."""
    text = re.sub(r"vitlab-hostile-\w+", "…", "".join(c if c.isprintable() else "?" for c in text))
    return re.sub(r"([_*|\[\]`])", r"\\\1", escape(text, quote=False))


def table(batch: Batch) -> str:
    """The page for docs/."""
    rows = [HEAD]
    for graded in batch.graded:
        shares = " ".join(f"{share:.2g}" for share in graded.shares.values())
        rows.append(
            f"| {graded.name} | {graded.start} | {_markdown(graded.attack.attempts)} | {line(graded)} | {shares} |"
        )
    after = {g.after.student + g.start: g.after for g in batch.graded}.values()
    honest = sum(all(q.score == q.max for q in outcome.questions if q.question in HONEST) for outcome in after)
    rows.append(
        f"\n{len(batch.graded)} attacks. Honest submissions after them with the full score: {honest} of {len(after)}. "
        f"Zygotes used: {batch.zygotes}. Left behind: {len(batch.left)}. Secrets found in outputs: {len(batch.leaks)}. "
        f"Connections that came through: {len(batch.canaries.reached) if batch.canaries else 0}."
    )
    return "\n".join(rows)
