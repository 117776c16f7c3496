"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import COLD, WARM, Attack

ATTACK = Attack(
    attempts="uses keyrings, bpf, userfaultfd, io_uring, perf events and x32 numbers for system calls",
    must="each is refused by the system call filter",
    answer="""
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), str(number))


words = ctypes.create_string_buffer(256)
attempt("add_key", lambda: call(248, b"user", b"@TOKEN@", b"x", 1, -3))
attempt("request_key", lambda: call(249, b"user", b"@TOKEN@", None, -3))
attempt("keyctl session", lambda: call(250, 1, None))
attempt("keyctl search", lambda: call(250, 10, -5, b"user", b"x", 0))
attempt("bpf", lambda: call(321, 5, words, 64))
attempt("userfaultfd", lambda: call(323, 1))
attempt("io_uring", lambda: call(425, 8, words))
attempt("perf", lambda: call(298, words, 0, -1, -1, 0))
attempt("memfd_secret", lambda: call(447, 0))
attempt("x32", lambda: call(0x40000000 + 39))
attempt("kexec", lambda: call(246, 0, 0, None, 0))
attempt("swapon", lambda: call(167, b"/tmp/x", 0))
attempt("quotactl", lambda: call(179, 0, None, 0, None))


def cosine_similarity(P):
    return None
""",
    refused=(
        "add_key",
        "request_key",
        "keyctl session",
        "keyctl search",
        "bpf",
        "userfaultfd",
        "io_uring",
        "perf",
        "memfd_secret",
        "x32",
        "kexec",
        "swapon",
        "quotactl",
    ),
    starts=(WARM, COLD),
)
