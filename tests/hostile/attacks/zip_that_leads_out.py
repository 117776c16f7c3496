"""A submission of the hostile bank."""

from __future__ import annotations

import zipfile

from tests.hostile.attack import Attack


def write(folder, kit, names):
    with zipfile.ZipFile(folder / "work.zip", "w") as archive:
        archive.writestr(f"../../../../../../../..{names['PWNED']}.ipynb", kit.hand_in(kit.solved()).data)
        archive.writestr(names["PWNED"], b"x")


ATTACK = Attack(
    attempts="hands in a zip whose paths lead out of the folder",
    must="nothing is unpacked; it is refused",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("unreadable",),
    reason="leads out",
)
