"""Times the report page of a large class: `python benchmarks/report.py [--students 500] [--lessons 12] [--keep DIR]`.

Outcomes and answers are made up, without grading anybody. The page is then opened in Chromium, if that is on the path:
the time is the browser's own, from the start of loading until everything is loaded and laid out.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from grading.course import load_course
from grading.engine.journal import Journal
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.report import report_of

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
OPENED = 5  # times, each in a browser of its own
STATUSES = ("correct", "correct", "correct", "partial", "wrong", "not started")


def outcome(rng: random.Random, student: str, lesson: str, attempt: int, is_open: bool) -> SubmissionOutcome:
    questions = []
    for n in range(4):
        status = rng.choice(STATUSES)
        score = {"correct": 4.0, "partial": rng.choice([1.0, 2.5])}.get(status, 0.0)
        hint = f"Hint {rng.randrange(9)}: each row has its own angle, and yours has that of the row before." * (
            score < 4
        )
        questions.append(QuestionOutcome(f"Q{n}", f"Question number {n}", score, 4.0, status, hint, rng.random() < 0.7))
    questions.append(QuestionOutcome("W1", "Written", None, 2.0, "needs grading"))
    if is_open:
        accuracy = round(rng.betavariate(8, 3), 3)
        questions.append(QuestionOutcome("QL", "Open task", 3.0, 5.0, "partial", measure=accuracy))
    stopped = rng.random() < 0.02
    return SubmissionOutcome(
        student, lesson, "timeout" if stopped else "graded", "stopped after 30 s" * stopped, tuple(questions),
        ("the metadata was gone; cells were placed by their text",) * (rng.random() < 0.05),
        ("cell 21 names 'helpers.checks', which no answer needs",) * (rng.random() < 0.01),
        {"queue": rng.random() * 60, "intake": 0.1, "kernel_start": 0.2, "cells": rng.expovariate(1), "judge": 0.05},
        f"feedback/{student}/{lesson}/{lesson}.html", key=f"{attempt}", content=f"{student}{attempt}",
        handed_in=f"2027-01-{10 + attempt:02d}T10:00:00+00:00",
    )  # fmt: skip


def answer(rng: random.Random, number: int) -> str:
    """Some hundred ways to write four lines, and one in fifty students has a neighbour's odd one."""
    if number % 50 < 2:
        i, pair = "xy"[number % 50], number // 50
        odd = f"b = [a[{i}] ** {pair}.5 for {i} in range({pair + 7})]", f"return max(b) - math.prod(b[::{pair + 3}])"
        return "def f(a):\n    {}\n    {}\n".format(*odd)
    lines = [rng.choice(["x = a * {}", "x = {} * a", "x = torch.mul(a, {})"]).format(rng.choice([1, 2, 0.5, 3]))]
    lines.append(rng.choice(["y = x.sum(-1)", "y = torch.sum(x, dim=-1)", "y = x.sum(dim=1)", "y = sum(x.T)"]))
    lines.append(rng.choice(["z = y.sqrt()", "z = y ** 0.5", "z = torch.sqrt(y)", "z = math.sqrt(1) * y.sqrt()"]))
    lines.append(rng.choice(["return z", "return z.float()", "return z / 1", "return z.clone()"]))
    return "def f(a):\n" + "".join(f"    {line}\n" for line in lines)


def make_class(out: Path, students: int, lessons: list[str], seed: int = 0) -> int:
    rng = random.Random(seed)
    journal, lines, count = Journal(out), [], 0
    for n in range(students):
        student = f"student{n:03d}"
        for lesson in lessons:
            attempts = rng.choices([1, 2, 3], [75, 20, 5])[0]
            for attempt in range(attempts):
                lines.append(outcome(rng, student, lesson, attempt, lesson == lessons[-1]).to_json())
                count += 1
            path = out / "autograded" / student / lesson / f"{lesson}.ipynb"
            path.parent.mkdir(parents=True)
            cells = [
                {
                    "cell_type": "code",
                    "source": answer(rng, n),
                    "metadata": {"vitlab": {"role": "answer", "question": f"Q{q}"}},
                }
                for q in range(4)
            ]
            path.write_text(json.dumps({"cells": [*cells, {"cell_type": "markdown", "source": "x" * 60_000}]}))
    journal._path.write_text("\n".join(lines) + "\n", "utf-8")
    return count


def seconds_to_open(page: Path) -> dict[str, float] | None:
    """What the browser measured: from the start until parsed, loaded, and laid out."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return None
    probe = (
        "<script>addEventListener('load', () => { const loaded = performance.now(); document.body.offsetHeight;"
        "const parsed = performance.getEntriesByType('navigation')[0].domInteractive, laid_out = performance.now();"
        "document.title = JSON.stringify({parsed, loaded, 'laid out': laid_out}); })</script>"
    )
    copy = page.with_name("measured.html")
    text = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page.read_text("utf-8"), count=1)
    copy.write_text(text.replace("</head>", probe + "</head>", 1), "utf-8")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", copy.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
        )
    copy.unlink()
    found = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    return {name: ms / 1000 for name, ms in json.loads(html.unescape(found[1])).items()} if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=500)
    parser.add_argument("--lessons", type=int, default=12)
    parser.add_argument(
        "--keep", type=Path, help="leave the class and its page in this folder, which must not exist yet"
    )
    options = parser.parse_args()
    course = load_course(Path(__file__).resolve().parent.parent)
    names = [lesson.id for lesson in course.lessons]
    lessons = (names + [f"{n:02d}_made_up" for n in range(len(names), 99)])[: options.lessons]
    with tempfile.TemporaryDirectory() as scratch:
        out = options.keep or Path(scratch)
        out.mkdir(parents=True, exist_ok=options.keep is None)
        count = make_class(out, options.students, lessons)
        begin, used = time.perf_counter(), time.process_time()
        page = report_of(out, course, title="A large class")
        wall, used = time.perf_counter() - begin, time.process_time() - used
        print(f"{options.students} students, {len(lessons)} lessons, {count} hand-ins, load {load()}")
        print(f"made in {wall:.1f} s ({used:.1f} s of processor), {page.stat().st_size / 1e6:.2f} MB")
        opened = [one for _ in range(OPENED) if (one := seconds_to_open(page)) is not None]
        if not opened:
            print("not opened: no Chromium on the path, or it said nothing")
        for name in opened[0] if opened else ():
            times = sorted(one[name] for one in opened)
            print(f"{name} after {times[len(times) // 2]:.2f} s, at best {times[0]:.2f} s, of {len(times)}")


def load() -> str:
    try:
        return Path("/proc/loadavg").read_text().split()[0]
    except OSError:
        return "unknown"


if __name__ == "__main__":
    main()
