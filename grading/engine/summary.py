"""The table a grading run ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grading.engine.outcome import QuestionOutcome, SubmissionOutcome

WIDEST = 10_000  # characters, more than any table takes


def print_summary(
    outcomes: Sequence[SubmissionOutcome],
    out: Path,
    console: Console | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """One table per lesson: students by questions, the sum, and what was out of the ordinary.

    names: students' names by id, as the roster has them.
    """
    console = console or Console()
    for lesson in sorted({o.lesson for o in outcomes}):
        rows = [o for o in outcomes if o.lesson == lesson]
        table = _by_question(lesson, rows, names or {})
        if console.measure(table, options=console.options.update(width=WIDEST)).maximum > console.width:
            table = _by_student(lesson, rows, names or {})
        console.print(table)
        for row in rows:
            if text := note(row):  # below the table: in a column it would be twelve characters wide
                console.print(escape(f"{_who(row.student, names or {})}: {text}"), soft_wrap=True)
    if any(q.by_hand for o in outcomes for q in o.questions):
        console.print("* given by a person")
    if any(q.worth != "points" for o in outcomes for q in o.questions):
        console.print("( ) optional: no part of the points that the sum is out of")
    console.print(f"{len(outcomes)} submissions. Feedback pages and autograded notebooks are under {out}.")


def _by_question(lesson: str, rows: Sequence[SubmissionOutcome], names: Mapping[str, str]) -> Table:
    """A column for each question."""
    questions = [q.question for q in rows[0].questions]
    table = _table(lesson)
    for question in questions:
        table.add_column(question, justify="right", no_wrap=True)
    table.add_column("sum", justify="right", no_wrap=True)
    for row in rows:
        by_id = {q.question: q for q in row.questions}
        marks = [mark(by_id[q]) if q in by_id else "" for q in questions]
        table.add_row(escape(_who(row.student, names)), *marks, total(row))
    return table


def _by_student(lesson: str, rows: Sequence[SubmissionOutcome], names: Mapping[str, str]) -> Table:
    """For terminals that are too narrow for a column each: the sum, and the questions that lost points."""
    table = _table(lesson)
    table.add_column("sum", justify="right", no_wrap=True)
    table.add_column("below full points, or by hand")
    for row in rows:
        rest = ", ".join(f"{q.question} {mark(q)}" for q in row.questions if _worth_a_look(q))
        table.add_row(escape(_who(row.student, names)), total(row), rest)
    return table


def _worth_a_look(q: QuestionOutcome) -> bool:
    return q.score is not None and (q.score < q.max or q.by_hand or q.read_again)


def _table(lesson: str) -> Table:
    table = Table(title=lesson, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("student")
    return table


def _who(student: str, names: Mapping[str, str]) -> str:
    name = names.get(student, student)
    return student if name == student else f"{name} ({student})"


def mark(q: QuestionOutcome) -> str:
    """A question's score as a table shows it; an asterisk says that a person gave it."""
    if q.score is None:
        return "by hand"
    text = f"{number(q.score)}/{number(q.max)}"
    if q.worth != "points":
        text = f"({text})"
    text += ("*" if q.by_hand else "") + (" ?" if q.read_again else "")
    return {"correct": f"[green]{text}[/green]", "partial": f"[yellow]{text}[/yellow]"}.get(q.status, text)


def total(outcome: SubmissionOutcome) -> str:
    """The score that counts, with its points; what waits for a person is no zero."""
    if outcome.excused:
        return "excused"
    scored = outcome.max - outcome.max_waiting
    waits = f" +{number(outcome.max_waiting)} wait" if outcome.max_waiting else ""
    return f"{number(outcome.score)}/{number(scored)}{waits}"


def number(value: float) -> str:
    """At most two decimals, no trailing zeros."""
    return f"{round(value, 2):g}"


def above(outcome: SubmissionOutcome) -> list[str]:
    """What a person gave more for than it is worth, extra credit aside, such as "W1a has 9 of 2 points"."""
    return [
        too_much(q.question, q.score, q.max)
        for q in outcome.questions
        if q.by_hand and q.score is not None and q.score - q.extra > q.max > 0
    ]


def too_much(question: str, score: float, points: float) -> str:
    """A score above what its question is worth, in words."""
    return f"{question} has {number(score)} of {number(points)} points"


def note(outcome: SubmissionOutcome) -> str:
    """What a teacher should know about a submission, in a few words."""
    parts = [outcome.reason] if outcome.reason else []
    parts += [f"{text}, more than it is worth" for text in above(outcome)]
    parts += [f"late: -{number(outcome.penalty)}"] if outcome.penalty else []
    again = [q.question for q in outcome.questions if q.read_again]
    parts += [f"a new answer to {', '.join(again)}: read it again"] if again else []
    parts += [
        f"a new answer to {q.question}, whose earlier one had {number(q.earlier)}"
        for q in outcome.questions
        if q.earlier is not None and not q.read_again
    ]
    parts += [f"look twice: {reason}" for reason in outcome.suspicious[:1]]
    if outcome.notes and not parts:
        more = f" (+{len(outcome.notes) - 1} more)" if len(outcome.notes) > 1 else ""
        parts.append(outcome.notes[0] + more)
    return "; ".join(parts)
