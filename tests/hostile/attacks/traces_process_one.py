"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import COLD, WARM, Attack

ATTACK = Attack(
    attempts="traces process 1 (the zygote's child) by ptrace, process_vm_readv, pidfd_getfd and prlimit; dumps core",
    must="it is not dumpable and in another user namespace",
    answer="""
import ctypes
import os
import resource
import signal

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


buffer = ctypes.create_string_buffer(64)
here, there = Vector(ctypes.addressof(buffer), 64), Vector(0x400000, 64)
attempt("attach", lambda: call("ptrace", 16, 1, 0, 0))
attempt("seize", lambda: call("ptrace", 0x4206, 1, 0, 0))
attempt("read memory", lambda: call("process_vm_readv", 1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))
attempt("take a file", lambda: call("syscall", 438, os.pidfd_open(1), 0, 0))
attempt("lift its limits", lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (9, 9)))
attempt("lift its own limit", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
attempt("allow core dumps", lambda: resource.setrlimit(resource.RLIMIT_CORE, (2**20, 2**20)))
if os.fork() == 0:
    os.abort()
os.wait()
print("dumps:", [name for name in os.listdir(".") if "core" in name])


def cosine_similarity(P):
    return None
""",
    refused=(
        "attach",
        "seize",
        "read memory",
        "take a file",
        "lift its limits",
        "lift its own limit",
        "allow core dumps",
    ),
    prints=("dumps: []",),
    starts=(WARM, COLD),
)
