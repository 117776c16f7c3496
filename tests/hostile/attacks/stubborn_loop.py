"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="loops for ever and swallows the interrupt, with signals blocked",
    must="the kernel is replaced, the other answers count",
    answer="""
import signal
import time


def cosine_similarity(P):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
""",
    status=("timeout",),
    reason="ignored the interrupt",
)
