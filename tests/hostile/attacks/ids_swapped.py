"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack, cells_of


def swap(saved, kit):
    cells = {c["metadata"]["vitlab"]["question"]: c for c in cells_of(saved, "check")}
    one, other = cells["Q1"], cells["Q1b"]
    for key in ("id", "source", "metadata"):
        one[key], other[key] = other[key], one[key]


ATTACK = Attack(
    attempts="swaps ids, metadata and text of two checks, so that the right answer is checked twice",
    must="each check asks its own question",
    edit=swap,
)
