"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="becomes root: setuid, capabilities, setuid programs, no_new_privs off, writes to uid maps",
    must="each is refused",
    answer="""
import ctypes
import os
import subprocess

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def program(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=3)
    if done.returncode:
        raise PermissionError(done.returncode)


attempt("setuid", lambda: os.setuid(0))
attempt("setresuid", lambda: os.setresuid(-1, 0, 0))
attempt("setgid", lambda: os.setgid(0))
attempt("setgroups", lambda: os.setgroups([0]))
attempt("capabilities", lambda: call("capset", (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[1] * 6)))
attempt("ambient", lambda: call("prctl", 47, 2, 21, 0, 0))
attempt("no_new_privs off", lambda: call("prctl", 38, 0, 0, 0, 0))
attempt("uid map", lambda: os.write(os.open("/proc/self/uid_map", os.O_WRONLY), b"0 0 1"))
attempt("su", lambda: program("su", "-c", "true"))
attempt("mount program", lambda: program("mount", "-t", "tmpfs", "none", "/tmp"))
attempt("bwrap", lambda: program("bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "true"))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt("chown", lambda: os.chown(os.getcwd(), 0, 0))
attempt("host name", lambda: call("sethostname", b"x", 1))
attempt("clock", lambda: call("settimeofday", (ctypes.c_long * 2)(1, 1), None))
attempt("a kernel module", lambda: call("syscall", 175, b"", 0, b""))
print("who:", os.getuid() != 0, os.geteuid() != 0)


def cosine_similarity(P):
    return None
""",
    refused=(
        "setuid",
        "setresuid",
        "setgid",
        "setgroups",
        "capabilities",
        "ambient",
        "no_new_privs off",
        "uid map",
        "su",
        "mount program",
        "bwrap",
        "priority",
        "real time",
        "chown",
        "host name",
        "clock",
        "a kernel module",
    ),
    prints=("who: True True",),
)
