"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import COLD, WARM, Attack

ATTACK = Attack(
    attempts="leaves a daemon: double fork, own session, signals ignored, a socket and files of its own",
    must="it ends with its submission",
    answer="""
import os
import subprocess
import sys

CODE = '''
import os, signal, socket, time
for number in (1, 2, 3, 15): signal.signal(number, signal.SIG_IGN)
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
door = socket.socket(socket.AF_UNIX); door.bind("\\\\0@TOKEN@-daemon"); door.listen()
open("/dev/shm/@TOKEN@-daemon", "w").close()
time.sleep(300)
'''
attempt("start", lambda: subprocess.run([sys.executable, "-c", CODE, "@TOKEN@"]).returncode)


def cosine_similarity(P):
    return None
""",
    done=("start",),
    starts=(WARM, COLD),
)
