"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import LESSON, Attack


def write(folder, kit, names):
    (folder / f"{LESSON}.ipynb").write_bytes(b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")


ATTACK = Attack(
    attempts="hands in a notebook that nests two hundred thousand lists",
    must="it can't be read, which is said",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("unreadable",),
    reason="nest",
)
