"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="schedules the process's end: faulthandler with exit, setitimer, an alarm in two seconds",
    must="the cells that ran before count",
    before="""
import faulthandler
import signal
import time

faulthandler.dump_traceback_later(0.4, exit=True)
signal.setitimer(signal.ITIMER_REAL, 0.3)
attempt("schedule", lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0)
""",
    answer="""
import time


def cosine_similarity(P):
    time.sleep(1)
    return torch.zeros(len(P), len(P))
""",
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
    status=("died",),
)
