"""The system calls a notebook never needs, refused by a small filter (seccomp BPF).

It closes what namespaces and resource limits leave open: further namespaces (each a door to kernel code that
only root met before, and a way to mount memory disks without a size), memory that no limit counts (memfd,
System V), the limits of process 1, and socket families that no network namespace holds back (vsock reaches the
hypervisor).
Everything else is allowed; the calls fail with an error, they do not kill.
"""

from __future__ import annotations

import errno
import platform
import socket
import struct

# From linux/audit.h and the kernel's system call tables; clone's flags are the first argument on both.
_CALLS = {
    "x86_64": {
        "arch": 0xC000003E, "clone": 56, "socket": 41, "clone3": 435, "unshare": 272, "setns": 308,
        "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "perf_event_open": 298,
        "userfaultfd": 323, "prlimit64": 302, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "memfd_create": 319, "memfd_secret": 447, "shmget": 29, "mq_open": 240,
    },
    "aarch64": {
        "arch": 0xC00000B7, "clone": 220, "socket": 198, "clone3": 435, "unshare": 97, "setns": 268,
        "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280, "perf_event_open": 241,
        "userfaultfd": 282, "prlimit64": 261, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "mq_open": 180,
    },
}  # fmt: skip

_NEW_NAMESPACE = 0x7E020000 | 0x80  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWTIME
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_NETLINK", 16))

_LOAD, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0 = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(error: int) -> bytes:
    return _op(_RETURN, _ERRNO | error)


def seccomp_filter(machine: str | None = None) -> bytes | None:
    """The compiled filter for `bwrap --seccomp`, or None on a processor it has no table for."""
    calls = dict(_CALLS.get(machine or platform.machine(), {}))
    if not calls:
        return None
    program = [
        _op(_LOAD, _ARCH),
        _op(_EQUAL, calls.pop("arch"), 1, 0),
        _op(_RETURN, _KILL),  # another ABI (32 bit) would have other numbers
        _op(_LOAD, _NR),
        _op(_GREATER_EQUAL, 0x40000000, 0, 1),  # so would x32
        _refuse(errno.ENOSYS),
        _op(_EQUAL, calls.pop("clone"), 0, 4),
        _op(_LOAD, _ARG0),
        _op(_ANY_BIT, _NEW_NAMESPACE, 0, 1),
        _refuse(errno.EPERM),
        _op(_RETURN, _ALLOW),
        _op(_EQUAL, calls.pop("prlimit64"), 0, 4),
        _op(_LOAD, _ARG0),
        _op(_EQUAL, 0, 1, 0),  # one's own limits alone, not those of process 1
        _refuse(errno.EPERM),
        _op(_RETURN, _ALLOW),
        _op(_EQUAL, calls.pop("socket"), 0, len(_FAMILIES) + 3),
        _op(_LOAD, _ARG0),
    ]
    for left, family in zip(range(len(_FAMILIES), 0, -1), _FAMILIES, strict=True):
        program.append(_op(_EQUAL, int(family), left, 0))
    program += [_refuse(errno.EAFNOSUPPORT), _op(_RETURN, _ALLOW)]
    for name, number in calls.items():
        # "not implemented" where libraries have a second way (glibc falls back from clone3 to clone)
        error = errno.ENOSYS if name in {"clone3", "memfd_create", "memfd_secret"} else errno.EPERM
        program += [_op(_EQUAL, number, 0, 1), _refuse(error)]
    return b"".join([*program, _op(_RETURN, _ALLOW)])
