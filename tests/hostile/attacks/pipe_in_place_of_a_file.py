"""A submission of the hostile bank."""

from __future__ import annotations

import os

from tests.hostile.attack import LESSON, Attack


def write(folder, kit, names):
    os.mkfifo(folder / f"{LESSON}.ipynb")


ATTACK = Attack(
    attempts="hands in a named pipe, which blocks whoever opens it",
    must="it is no file, which is said",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("unreadable",),
)
