"""The table a grading run ends with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grading.engine.outcome import QuestionOutcome, SubmissionOutcome


def print_summary(outcomes: Sequence[SubmissionOutcome], out: Path, console: Console | None = None) -> None:
    """One table per lesson: students by questions, the sum, and what was out of the ordinary."""
    console = console or Console()
    for lesson in sorted({o.lesson for o in outcomes}):
        rows = [o for o in outcomes if o.lesson == lesson]
        questions = [q.question for q in rows[0].questions]
        table = Table(title=lesson, title_justify="left")
        table.add_column("student")
        for question in questions:
            table.add_column(question, justify="right")
        table.add_column("sum", justify="right")
        table.add_column("note", overflow="fold")
        for row in rows:
            by_id = {q.question: q for q in row.questions}
            marks = [mark(by_id[q]) if q in by_id else "" for q in questions]
            table.add_row(escape(row.student), *marks, f"{row.score:g}/{row.max:g}", escape(note(row)))
        console.print(table)
    console.print(f"{len(outcomes)} submissions. Feedback pages and autograded notebooks are under {out}.")


def mark(q: QuestionOutcome) -> str:
    """A question's score as a table shows it."""
    if q.score is None:
        return "by hand"
    text = f"{q.score:g}/{q.max:g}"
    return {"correct": f"[green]{text}[/green]", "partial": f"[yellow]{text}[/yellow]"}.get(q.status, text)


def note(outcome: SubmissionOutcome) -> str:
    """What a teacher should know about a submission, in a few words."""
    parts = [outcome.reason] if outcome.reason else []
    parts += [f"look twice: {reason}" for reason in outcome.suspicious[:1]]
    if outcome.notes and not parts:
        more = f" (+{len(outcome.notes) - 1} more)" if len(outcome.notes) > 1 else ""
        parts.append(outcome.notes[0] + more)
    return "; ".join(parts)
