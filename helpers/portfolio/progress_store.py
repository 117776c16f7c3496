"""The record of checks: one small JSON file per question, so that notebooks open side by side can't undo each other."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.portfolio.folder import write


@dataclass(frozen=True)
class Entry:
    """The best that a question's check has seen so far, and how often it was asked."""

    question: str
    score: float
    points: float
    tries: int
    when: str

    @property
    def passed(self) -> bool:
        return self.score >= self.points


def read(folder: Path | None) -> dict[str, Entry]:
    """Question id to entry. A file that can't be read counts as not there."""
    found = {}
    for path in sorted(folder.glob("progress/*.json")) if folder is not None else ():
        entry = _read(path)
        if entry is not None:
            found[entry.question] = entry
    return found


def add(folder: Path, question: str, score: float, points: float) -> Entry:
    """Count one more try; the score stays the best one.

    Raises:
        OSError: the folder can't be written.
    """
    path = folder / "progress" / f"{question}.json"
    old = _read(path)
    best = max(score, old.score) if old is not None and old.points == points else score
    entry = Entry(question, best, points, (old.tries if old else 0) + 1, time.strftime("%Y-%m-%d %H:%M"))
    write(path, json.dumps(asdict(entry)) + "\n")
    return entry


def _read(path: Path) -> Entry | None:
    try:
        raw = json.loads(path.read_text("utf-8"))
        return Entry(str(raw["question"]), float(raw["score"]), float(raw["points"]), int(raw["tries"]), raw["when"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
