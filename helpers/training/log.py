"""A log of experiments: what was run, with which seed, and what came out; one line per recipe when looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from statistics import mean, stdev
from typing import Any


class ExperimentLog:
    """Runs in the order in which they were made.

    log = ExperimentLog("validation", "train")
    log.add("plain", seed=0, validation=0.71, train=0.96)
    log                                        # a table: mean ± standard deviation over the seeds

    Args:
        columns: the numbers that the table shows; all that were added when none is named.
        about: where the runs come from: command, date, machine.
    """

    def __init__(self, *columns: str, about: dict[str, Any] | None = None) -> None:
        self.columns, self.about = columns, dict(about or {})
        self.runs: list[dict[str, Any]] = []

    def add(self, name: str, *, seed: int, **numbers: float) -> None:
        """Write down one run."""
        self.runs.append({"name": name, "seed": seed, **numbers})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def names(self) -> list[str]:
        """The recipes, in the order in which they first came."""
        return list(dict.fromkeys(run["name"] for run in self.runs))

    def values(self, name: str, column: str) -> list[float]:
        """One number of every run of a recipe.

        Raises:
            KeyError: there is no such recipe; the message lists those there are.
        """
        if name not in self.names:
            raise KeyError(f"no run is called {name!r}; there are {', '.join(self.names) or 'none yet'}")
        return [run[column] for run in self.runs if run["name"] == name and column in run]

    def by_name(self, column: str, scale: float = 1.0) -> dict[str, list[float]]:
        """{recipe: the values of one column, over its seeds}, times `scale`."""
        return {name: [scale * value for value in self.values(name, column)] for name in self.names}

    def best(self, column: str) -> str:
        """The recipe with the highest mean."""
        return max(self.names, key=lambda name: mean(self.values(name, column)))

    def table(self) -> list[list[str]]:
        """Header and rows as text."""
        columns = list(self.columns) or [
            k for k in dict.fromkeys(k for r in self.runs for k in r) if k not in ("name", "seed")
        ]
        rows = [["recipe", "runs", *columns]]
        for name in self.names:
            cells = [_spread(self.values(name, column)) for column in columns]
            rows.append([name, str(sum(run["name"] == name for run in self.runs)), *cells])
        return rows

    def __repr__(self) -> str:
        rows = self.table()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )

    def _repr_html_(self) -> str:
        head, *rows = self.table()
        left, right = 'style="text-align:left"', 'style="text-align:right;font-variant-numeric:tabular-nums"'

        def line(tag: str, cells: list[str]) -> str:
            inside = [f"<{tag} {left if i == 0 else right}>{escape(cell)}</{tag}>" for i, cell in enumerate(cells)]
            return f"<tr>{''.join(inside)}</tr>"

        return f"<table><thead>{line('th', head)}</thead><tbody>{''.join(line('td', r) for r in rows)}</tbody></table>"

    def save(self, path: str | Path) -> None:
        """Write the log as JSON, a run per line."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        runs = ",\n  ".join(json.dumps(run) for run in self.runs)
        head = f'"columns": {json.dumps(self.columns)},\n "about": {json.dumps(self.about)}'
        path.write_text(f'{{{head},\n "runs": [\n  {runs}\n ]}}\n', "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> ExperimentLog:
        """Read a log that was saved.

        Raises:
            ValueError: the file holds no log.
        """
        try:
            content = json.loads(Path(path).read_text("utf-8"))
            log = cls(*content["columns"], about=content["about"])
            log.runs = [dict(run) for run in content["runs"]]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no experiment log ({type(error).__name__}: {error}).") from error
        return log


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    digits = 1 if abs(mean(values)) >= 10 else 3
    middle = f"{mean(values):.{digits}f}"
    return f"{middle} ± {stdev(values):.{digits}f}" if len(values) > 1 else middle
