"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import COLD, WARM, Attack

ATTACK = Attack(
    attempts="mounts, remounts, changes root, joins and makes namespaces, makes devices",
    must="each is refused",
    answer="""
import ctypes
import os
import stat

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


attempt("mount", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None))
attempt("bind", lambda: call("mount", b"/", b"/tmp", None, 4096, None))
attempt("remount", lambda: call("mount", None, b"/", None, 32 | 4096, None))
attempt("unmount", lambda: call("umount2", b"/tmp", 2))
attempt("new mount api", lambda: call("syscall", 428, -100, b"/", 1))
attempt("fsopen", lambda: call("syscall", 430, b"tmpfs", 0))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("pivot_root", lambda: call("syscall", 155, b"/tmp", b"/tmp"))
for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("net", 0x40000000)):
    attempt(f"new {name} namespace", lambda: call("unshare", flag))
attempt("clone3", lambda: call("syscall", 435, 0, 0))
attempt("clone", lambda: call("syscall", 56, 0x10000000 | 17, 0, 0, 0, 0))
attempt("join", lambda: call("setns", os.open("/proc/self/ns/user", os.O_RDONLY), 0))
attempt("device", lambda: os.mknod("/tmp/memory", stat.S_IFCHR | 0o666, os.makedev(1, 1)))
attempt("disk", lambda: open("/dev/vda", "rb"))
attempt("physical memory", lambda: open("/dev/mem", "rb"))
attempt("open by handle", lambda: call("open_by_handle_at", 3, ctypes.create_string_buffer(64), 0))


def cosine_similarity(P):
    return None
""",
    refused=(
        "mount",
        "bind",
        "remount",
        "unmount",
        "new mount api",
        "fsopen",
        "chroot",
        "pivot_root",
        "new user namespace",
        "new mount namespace",
        "new pid namespace",
        "new net namespace",
        "clone3",
        "clone",
        "join",
        "device",
        "disk",
        "physical memory",
        "open by handle",
    ),
    starts=(WARM, COLD),
)
