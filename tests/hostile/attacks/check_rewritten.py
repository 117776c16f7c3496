"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack, cells_of


def rewrite(saved, kit):
    for cell in cells_of(saved, "check"):
        if cell["metadata"]["vitlab"]["question"] == "Q1b":
            cell["source"] = "print('all tests passed')\n3.0"
            cell["metadata"]["editable"] = cell["metadata"]["deletable"] = True


ATTACK = Attack(
    attempts="unlocks the check's cell and makes it a constant",
    must="checks are those of the released notebook",
    edit=rewrite,
)
