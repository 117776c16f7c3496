"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="forks until it is refused, each child forking on (bounded: three generations, two seconds)",
    must="the number of processes is bounded; none is left",
    answer="""
import os
import time

TOP = os.getpid()
made = refused = 0
for generation in range(3):
    for _ in range(60):
        try:
            if os.fork() == 0:
                made = 0
                time.sleep(0.05 if generation < 2 else 2)
                break
            made += 1
        except OSError:
            refused += 1
            time.sleep(0.01)
if os.getpid() != TOP:
    time.sleep(2)
try:
    while True:  # none may outlive the cell, or another cell would bear what they do
        os.wait()
except ChildProcessError:
    pass
if os.getpid() != TOP:
    os._exit(0)
print("refused some:", refused > 0, flush=True)


def cosine_similarity(P):
    return None
""",
    status=("graded", "processes", "memory", "timeout", "died"),
)
