"""One line of the doctor's table, and the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """What one look at the machine gave.

    Attributes:
        what: what was looked for.
        state: "missing" when grading needs it; "note" for what is worth knowing and stops nothing.
        found: what is there, in words.
        get: the command or the step that mends it; "" where nothing has to be done.
    """

    what: str
    state: State
    found: str
    get: str = ""


def print_findings(findings: Sequence[Finding], *, as_json: bool = False) -> None:
    """Print the table, or a JSON list of objects with the attributes of `Finding`."""
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=1))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    signs = {"ok": "[green]✓[/green]", "note": "[yellow]·[/yellow]", "missing": "[red]✗[/red]"}
    table = Table(show_lines=False)
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("to do", overflow="fold")
    for one in findings:
        table.add_row(signs[one.state], escape(one.what), escape(one.found), escape(one.get))
    console = Console()
    console.print(table)
    missing = [one.what for one in findings if one.state == "missing"]
    console.print(
        f"Missing for grading: {', '.join(missing)}." if missing else "Everything that grading needs is here."
    )
