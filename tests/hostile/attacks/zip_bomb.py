"""A submission of the hostile bank."""

from __future__ import annotations

import zipfile

from tests.hostile.attack import LESSON, Attack


def write(folder, kit, names):
    with zipfile.ZipFile(folder / "work.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{LESSON}.ipynb", b" " * (150 * 2**20))


ATTACK = Attack(
    attempts="hands in a zip of 150 kB that unpacks to 150 MB",
    must="no more than what a notebook may have is unpacked",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("unreadable",),
    reason="larger than",
)
