"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="signals its parent, process 1, process groups, the grader's and a bystander's pids, and everybody",
    must="nobody outside is reached; process 1 ignores it; the next submission is not touched",
    answer="""
import os
import signal

for name, pid in (("bystander", int("@PID@")), ("grader", int("@GRADER@"))):
    attempt(f"signal the {name}", lambda: os.kill(pid, signal.SIGTERM))
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL, signal.SIGUSR1):
    os.kill(1, number)
attempt("process 1 lives", lambda: os.kill(1, 0))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    os.kill(-1, signal.SIGTERM)
except ProcessLookupError:
    pass
attempt("everybody", lambda: "sent")


def cosine_similarity(P):
    return None
""",
    refused=("signal the bystander", "signal the grader"),
    done=("process 1 lives", "everybody"),
)
