"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import COLD, WARM, Attack

ATTACK = Attack(
    attempts="makes sixty thousand empty files: each takes a kilobyte of the machine's own memory",
    must="their number is bounded; the other answers count",
    answer="""
import os
import time

os.mkdir("many")
for number in range(60_000):
    os.close(os.open(f"many/{number}", os.O_CREAT))
time.sleep(8)


def cosine_similarity(P):
    return None
""",
    status=("files",),
    starts=(WARM, COLD),
)
