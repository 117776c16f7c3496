"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="looks for others in /dev/shm and System V memory, and makes memory that no limit counts",
    must="none of it is shared or can be made",
    answer="""
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


attempt("the secret in shared memory", lambda: open("@SHARED@").read())
print("shared:", os.listdir("/dev/shm"), "segments:", len(open("/proc/sysvipc/shm").readlines()) - 1)
attempt("System V", lambda: call("shmget", 0, 4096, 0o1600))
attempt("memfd", lambda: os.memfd_create("x"))
attempt("message queue", lambda: call("mq_open", b"/x", 0o100 | 2, 0o600, None))


def cosine_similarity(P):
    return None
""",
    refused=("the secret in shared memory", "System V", "memfd", "message queue"),
    prints=("shared: [] segments: 0",),
)
