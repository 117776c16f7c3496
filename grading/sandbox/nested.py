"""One submission's own sandbox inside the zygote's: namespaces, disks, identity, limits; runs inside.

What bubblewrap does for a cold start is done here by hand, without any privilege of the host: a user
namespace of its own gives the rights for the other namespaces, and they are dropped before the notebook
starts. A process in another user namespace can neither trace nor look into this one, whatever its user.

Standard library only.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct

import launch

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x02000000, 0x04000000, 0x08000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
MESSAGE = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


class Instructions(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def checked(result, what):
    """Raises what a libc call left in errno."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind, flags, data=None):
    """mount(2)."""
    arguments = [value.encode() if value is not None else None for value in (source, target, kind, data)]
    result = libc.mount(*arguments[:3], ctypes.c_ulong(flags), arguments[3])
    checked(result, f"mounting {kind or source} at {target}")


def set_dumpable(value):
    """0: no process but the host's root may trace this one or open its files under /proc."""
    checked(libc.prctl(launch.PR_SET_DUMPABLE, value, 0, 0, 0), "prctl")


def enter(uid_map):
    """Leaves all namespaces of the zygote; the pid namespace begins with the next fork.

    uid_map: the line for an ordinary user, who may write it himself; None where root does it from outside.
    """
    wanted = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC
    checked(libc.unshare(wanted), "unshare")
    libc.unshare(CLONE_NEWCGROUP)  # as bubblewrap's --unshare-cgroup-try
    set_dumpable(1)  # else the files of our own below belong to root; nobody else is in this namespace yet
    if uid_map is not None:
        for name, line in (("setgroups", "deny"), ("uid_map", uid_map), ("gid_map", uid_map)):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(line)


def mount_own_disks(spec):
    """Covers everything that a process before or beside this one could have written to."""
    if spec["uid"] is not None:  # nothing can be made on a disk by a user that this namespace doesn't know
        libc.setfsgid(spec["uid"])
        libc.setfsuid(spec["uid"])
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    kept = [(path, os.open(path, os.O_PATH)) for path in spec["kept"]]
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path, size in (("/dev/shm", spec["shared_memory_mb"]), ("/tmp", spec["limits"]["disk_mb"])):
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,size={size * launch.MB}")
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    for path, handle in kept:  # a Python environment that lies under /tmp
        os.makedirs(path, mode=0o755, exist_ok=True)
        mount(f"/proc/self/fd/{handle}", path, None, MS_BIND | MS_REC)
        os.close(handle)


def bring_loopback_up():
    """A new network namespace has its loopback down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def refuse_calls(program):
    """The system call filter, for this process and all it starts; needs no_new_privs."""
    instructions = Instructions(len(program) // 8, program)
    result = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(instructions), 0, 0)
    checked(result, "seccomp")


def stand_by(channel, uid_map):
    """Forks process 1 of a new sandbox and hands its pidfd to our owner; returns in process 1 alone."""
    try:
        enter(uid_map)
        first = os.fork()
        if first == 0:
            return
        handle = os.pidfd_open(first)
        socket.send_fds(channel, [b"{}"], [handle])
    except BaseException as error:
        tell(channel, error=f"{type(error).__name__}: {error}")
    os._exit(0)


def tell(channel, **message):
    """One message to our owner, who may be gone."""
    with contextlib.suppress(OSError):
        channel.send(json.dumps(message).encode())


def furnish(channel):
    """In process 1: takes the brief, builds the sandbox, forks; returns the brief in the kernel's process."""
    count = channel.recv(MESSAGE)
    if not count:
        os._exit(0)
    try:
        spec = json.loads(b"".join(channel.recv(MESSAGE) for _ in range(int(count))))
        mount_own_disks(spec)
        bring_loopback_up()
        launch.drop_bounding_set()
        launch.drop_privileges(spec["uid"])
        refuse_calls(bytes.fromhex(spec["filter"]))
        launch.lay_out(spec)
        os.chdir(spec["cwd"])
    except BaseException as error:
        tell(channel, error=f"{type(error).__name__}: {error}")
        os._exit(1)
    kernel = os.fork()
    if kernel:
        tell(channel, status=launch.stay_as_init(kernel, channel.fileno()))
        os._exit(0)
    return spec


def become_kernel(spec):
    """In the kernel's process: nothing of process 1 or of the zygote stays open."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    set_dumpable(1)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")  # where the machine runs out of memory, a kernel goes before the zygote
    launch.set_limits(spec["limits"])
    os.environ.clear()
    os.environ.update(spec["env"])
