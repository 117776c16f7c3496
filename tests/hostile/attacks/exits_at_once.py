"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="ends the process with os._exit(0) inside the answer, having displayed a forged record",
    must="the kernel is replaced, the other answers count",
    forge=True,
    answer="""
import os
import time


def cosine_similarity(P):
    display(Record(public_record()))
    time.sleep(0.3)
    os._exit(0)
""",
    status=("died",),
    reason="ended the Python process itself",
)
