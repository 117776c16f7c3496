"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="leaves threads running that keep patching the machinery and displaying forged records into later cells",
    must="the public key is worth nothing",
    forge=True,
    before="""
import threading
import time

import sys

machinery = sys.modules["helpers.checks.check"]


def later():
    for _ in range(200):
        machinery.judge_answer = lambda *a, **k: 3.0
        time.sleep(0.01)
        display(Record(public_record()))


threads = [threading.Thread(target=later, daemon=number == 0) for number in range(2)]
for thread in threads:
    thread.start()
attempt("start threads", lambda: threading.active_count() > 2)
""",
    done=("start threads",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
    suspicious="",
)
