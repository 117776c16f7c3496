"""Which user the student's code runs as.

An ordinary user makes a user namespace: inside it the code is uid 1000, outside it is that same user, and
the kernel counts the namespace's processes apart (Linux 5.14 and newer). Real root does without the
namespace and gives each running sandbox a host uid of its own, because RLIMIT_NPROC counts per uid and does
not bind root.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

# systemd's table of uids leaves 60578-61183 unused (https://systemd.io/UIDS-GIDS/).
FIRST_UID, LAST_UID = 60578, 61183


@dataclass
class Identity:
    """`uid` is the host uid to change to inside the sandbox, None where a user namespace is made."""

    uid: int | None = None
    _lease: socket.socket | None = field(default=None, repr=False)

    def release(self) -> None:
        """Lets another sandbox have the uid."""
        if self._lease is not None:
            self._lease.close()
            self._lease = None


def is_real_root() -> bool:
    """True where this process is root and can become each of the sandbox uids.

    Root inside a container without those uids (`unshare -r`, rootless podman) is an ordinary user here.
    """
    if os.geteuid() != 0:
        return False
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, count = map(int, line.split())
        if inside <= FIRST_UID and inside + count > LAST_UID:
            return True
    return False


def take_identity() -> Identity:
    """Takes a uid no other running sandbox has; release it after the sandbox is gone.

    The lease is a bound abstract socket: exclusive on this machine, gone with the process that holds it.
    """
    if not is_real_root():
        return Identity()
    for uid in range(FIRST_UID, LAST_UID + 1):
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lease.bind(f"\0vitlab-sandbox-uid-{uid}")
        except OSError:
            lease.close()
            continue
        return Identity(uid, lease)
    raise RuntimeError(
        f"all {LAST_UID - FIRST_UID + 1} sandbox uids ({FIRST_UID}-{LAST_UID}) are in use on this machine; "
        "run fewer notebooks at once"
    )
