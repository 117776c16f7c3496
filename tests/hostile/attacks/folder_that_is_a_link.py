"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import LESSON, Attack


def write(folder, kit, names):
    folder.rmdir()
    folder.symlink_to(f"{names['COURSE']}/solutions/{LESSON}")


ATTACK = Attack(
    attempts="hands in a link to the solution's folder as its folder",
    must="links are not followed",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("unreadable",),
    reason="link",
)
