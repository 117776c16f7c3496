"""A submission of the hostile bank."""

from __future__ import annotations

import copy

from tests.hostile.attack import Attack, cells_of


def duplicate(saved, kit):
    (check,) = [c for c in cells_of(saved, "check") if c["metadata"]["vitlab"]["question"] == "Q1b"]
    at = saved["cells"].index(check)
    for number in range(3):
        twin = copy.deepcopy(check)
        twin["id"] = f"twin-{number}"
        twin["source"] = "print('3.0')\n3.0"
        twin["metadata"]["nbgrader"]["points"] = 1000
        saved["cells"].insert(at + 1, twin)


ATTACK = Attack(
    attempts="adds copies of the check with the same grade id, worth a thousand points each",
    must="points and checks are those of the released notebook",
    edit=duplicate,
)
