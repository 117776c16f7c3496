"""`vitlab export --tidy`: one table of everything, a row for each question of each hand-in, for one's own analysis."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from grading.engine.journal import write_whole
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome

COLUMNS = (
    "student", "name", "lesson", "question", "criterion", "points", "max_points", "status", "hint", "known_mistake",
    "extra_credit", "by_hand", "author", "comment", "measure", "attempt", "attempts", "time", "handed_in", "penalty",
    "excused",
)  # fmt: skip
Attempts = Mapping[tuple[str, str], Sequence[SubmissionOutcome]]


def tidy_rows(
    attempts: Attempts, current: Sequence[SubmissionOutcome], names: Mapping[str, str] | None = None
) -> Iterator[list[str]]:
    """Rows under `COLUMNS`, the oldest attempt of each student and lesson first.

    Args:
        attempts: what the judge found in each file that was handed in, the latest one last.
        current: the latest ones as they count now; only these have scores by hand, comments and penalties.
        names: students' names by id.
    """
    counts = {(o.student, o.lesson): o for o in current}
    for key, outcomes in sorted(attempts.items()):
        latest = counts.get(key)
        shown = [*outcomes[:-1], outcomes[-1] if latest is None else latest]
        for number, outcome in enumerate(shown, start=1):
            for question in outcome.questions:
                yield _row(outcome, question, number, len(shown), (names or {}).get(outcome.student, ""))


def write_tidy(rows: Iterator[list[str]], target: Path, safe: Callable[[str], str]) -> int:
    """Write the table; returns how many rows it has.

    safe: makes a text harmless for spreadsheets.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        writer.writerow([safe(value) for value in row])
        count += 1
    write_whole(target, out.getvalue())
    return count


def _row(outcome: SubmissionOutcome, q: QuestionOutcome, attempt: int, attempts: int, name: str) -> list[str]:
    return [
        outcome.student, name, outcome.lesson, q.question, q.title, "" if q.score is None else _number(q.score),
        _number(q.max), q.status, q.hint, _yes(q.known_mistake), _number(q.extra), _yes(q.by_hand), q.author,
        q.comment, "" if q.measure is None else _number(q.measure), str(attempt), str(attempts), outcome.judged_at,
        outcome.handed_in, _number(outcome.penalty), _yes(outcome.excused),
    ]  # fmt: skip


def _number(value: float) -> str:
    return f"{round(value, 4):g}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
