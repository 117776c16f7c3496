"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import LESSON, Attack


def write(folder, kit, names):
    with (folder / f"{LESSON}.ipynb").open("wb") as file:
        file.truncate(2 * 2**30)


ATTACK = Attack(
    attempts="hands in a sparse file of 2 GB",
    must="it is refused unread",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("unreadable",),
    reason="2048 MB",
)
