"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="starts threads until it is refused, each with a stack as large as it may be",
    must="threads are counted as processes are",
    answer="""
import threading
import time

threading.stack_size(8 * 2**20)
done = threading.Event()


def fill():
    for _ in range(2000):
        threading.Thread(target=done.wait, args=(3,), daemon=True).start()


attempt("2000 threads", fill)
done.set()


def cosine_similarity(P):
    return None
""",
    status=("graded", "processes", "memory", "died"),
)
