"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack, cells_of


def delete(saved, kit):
    gone = [c for c in cells_of(saved, "check") if c["metadata"]["vitlab"]["question"] == "Q1b"]
    saved["cells"] = [cell for cell in saved["cells"] if cell not in gone]


ATTACK = Attack(
    attempts="deletes the check of a wrong answer, so that nothing finds it",
    must="checks are those of the released notebook",
    edit=delete,
)
