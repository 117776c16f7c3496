"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="takes memory as private pages, then shared pages, then in four children at once",
    must="all of it is counted; the other answers count",
    answer="""
import mmap
import os
import signal
import time

attempt("4 GB private", lambda: bytearray(4 * 2**30))
attempt("1 GB private", lambda: [bytearray(2**28) for _ in range(8)])
children = []
try:
    for _ in range(4):
        child = os.fork()
        if child == 0:
            held = mmap.mmap(-1, 700 * 2**20)
            for _ in range(700):
                held.write(b"x" * 2**20)
            time.sleep(60)
            os._exit(0)
        children.append(child)
    time.sleep(60)
finally:  # where the machine is too slow to fill it in the cell's time
    for child in children:
        os.kill(child, signal.SIGKILL)


def cosine_similarity(P):
    return None
""",
    refused=(),
    status=("memory", "timeout"),
)
