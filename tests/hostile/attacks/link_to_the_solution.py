"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import LESSON, Attack


def write(folder, kit, names):
    (folder / f"{LESSON}.ipynb").symlink_to(f"{names['COURSE']}/solutions/{LESSON}/{LESSON}.ipynb")
    (folder / "secret.ipynb").symlink_to(names["CANARY"])
    (folder / "timestamp.txt").symlink_to(names["CANARY"])


ATTACK = Attack(
    attempts="hands in links to the solution and to a secret",
    must="links are not followed",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("unreadable",),
    reason="link",
)
