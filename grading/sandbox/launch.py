"""The first program inside the sandbox: gives up every privilege, sets the limits, starts the kernel.

It stays as the sandbox's process 1. Bubblewrap has one of its own, but that runs without the system call
filter and could be rewritten from inside. `zygote.py` and `nested.py` use its parts for warm starts.

Run as `python -I -S launch.py` with one line of JSON on standard input (see `sandboxed.py`).
Standard library only: nothing of the course is visible here, and start-up time counts.
"""

import binascii
import ctypes
import json
import os
import resource
import select
import signal
import sys

MB = 1024 * 1024
# Address space holds much that is never touched: libraries, thread stacks, arenas of the allocator. Python
# with torch and matplotlib maps 1.3 GiB before a student's first line (CPU build; CUDA takes several times
# that). Memory proper is RLIMIT_DATA's; this one bounds what is mapped as shared.
ADDRESS_SPACE_ALLOWANCE_MB = 8192

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 4, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


def set_limits(limits):
    """Sets soft and hard limit alike, so that the notebook cannot raise them again."""
    wanted = {
        resource.RLIMIT_DATA: limits["memory_mb"] * MB,
        resource.RLIMIT_AS: (limits["memory_mb"] + ADDRESS_SPACE_ALLOWANCE_MB) * MB,
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_FSIZE: limits["disk_mb"] * MB,
        resource.RLIMIT_STACK: 8 * MB,  # each thread's stack is as large as this, and counts as memory
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if limits.get("gpu_share") is not None:
        del wanted[resource.RLIMIT_AS]  # CUDA reserves address space by the terabyte; RLIMIT_DATA stays
    if limits["processes"] is not None:
        wanted[resource.RLIMIT_NPROC] = limits["processes"]
    for name, value in wanted.items():
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))


def drop_bounding_set():
    """No program started from here on can gain a capability; needs CAP_SETPCAP."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last capability this kernel knows


def drop_privileges(uid):
    """Becomes `uid` (None: we are an ordinary user already) and keeps no capability of any kind."""
    libc = ctypes.CDLL(None, use_errno=True)
    if uid is not None:
        drop_bounding_set()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "could not drop capabilities")
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "could not set no_new_privs")
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # the notebook, same user, cannot trace or rewrite this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.geteuid() == 0:
        raise RuntimeError("refusing to run a notebook as root")


def end_with_parent():
    """To be called after the change of user, which clears what bubblewrap had asked for."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def lay_out(spec):
    """Makes the folders, files and links a kernel finds on its memory disk."""
    for folder in spec["folders"]:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    for path, text in spec["files"].items():
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    for path, data in spec.get("data", {}).items():
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(binascii.a2b_base64(data))
    for link, target_folder in spec["links"].items():
        for name in os.listdir(target_folder) if os.path.isdir(target_folder) else ():
            os.symlink(os.path.join(target_folder, name), os.path.join(link, name))


def stay_as_init(kernel, lifeline):
    """Reaps what the notebook leaves behind; returns the kernel's exit status, or ends with our owner.

    When the caller ends in turn, so does everything in the namespace.

    Bubblewrap's own --die-with-parent does not reach a process of another user, which we are under root.
    """
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while True:
        pid, status = 1, 0
        while pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == kernel:
                return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        if lifeline in select.select([lifeline, woken], [], [])[0]:
            os._exit(128 + signal.SIGKILL)
        os.read(woken, 4096)


def main():
    spec = json.loads(sys.stdin.readline())
    lifeline = os.dup(0)  # our owner keeps the other end open as long as it lives
    drop_privileges(spec["uid"])
    end_with_parent()
    lay_out(spec)
    os.chdir(spec["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    set_limits(spec["limits"])
    kernel = os.fork()
    if kernel:
        os._exit(stay_as_init(kernel, lifeline))
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.execve(spec["argv"][0], spec["argv"], spec["env"])


if __name__ == "__main__":
    main()
