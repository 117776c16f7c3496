"""Longer runs than a lesson has time for, measured once by scripts in benchmarks/ and kept as experiment logs."""

from __future__ import annotations

from pathlib import Path

from helpers.training.log import ExperimentLog


def measured(name: str) -> ExperimentLog:
    """The log with this name; its `about` says by which command it was made, when, and on what machine.

    Raises:
        FileNotFoundError: there is none; the message lists those there are.
    """
    path = Path(__file__).with_name(f"{name}.json")
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.json")))
        raise FileNotFoundError(f"nothing called {name!r} was measured; there is {there}")
    return ExperimentLog.load(path)
