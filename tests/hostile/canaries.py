"""What lies around the sandbox for a submission to reach for; all of it made by the test, and gone with it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grading.course import Course


@dataclass
class Canaries:
    """Secrets outside, and whoever came through to them.

    Attributes:
        secret: stands in a file, in the environment of this process and in shared memory; no output may hold it.
        token: stands in the command line of everything that an attack starts.
        names: what stands for `@NAME@` in a submission.
        reached: connections that came in.
        bystander: a process that no signal may reach.
    """

    secret: str
    token: str
    folder: Path
    names: dict[str, str]
    bystander: subprocess.Popen[bytes]
    reached: list[str] = field(default_factory=list)

    @property
    def pwned(self) -> Path:
        """What an attack creates where its code runs outside."""
        return Path(self.names["PWNED"])


@contextmanager
def built(folder: Path, course: Course, out: Path, submissions: Path) -> Iterator[Canaries]:
    """Canaries and listeners under `folder`; shown to everybody, so that what hides them is the sandbox."""
    secret, token = f"canary{secrets.token_hex(12)}", f"vitlab-hostile-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o755)
    (folder / "secret.txt").write_text(secret)
    (folder / "secret.txt").chmod(0o644)
    for parent in list(folder.parents)[:-1]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    shared = Path("/dev/shm", token)
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        path, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        path.bind(str(folder / "door"))
        (folder / "door").chmod(0o777)
        abstract.bind(f"\0{token}")
        bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(900)", f"bystander-{token[-8:]}"])
        stack.callback(bystander.wait)
        stack.callback(bystander.kill)
        if shared.parent.is_dir():
            shared.write_text(secret)
            stack.callback(shared.unlink)
        names = {
            "CANARY": str(folder / "secret.txt"), "DOOR": str(folder / "door"), "ABSTRACT": token,
            "PORT": str(tcp.getsockname()[1]), "SHARED": str(shared), "TOKEN": token, "PID": str(bystander.pid),
            "GRADER": str(os.getpid()), "PWNED": str(folder / "pwned"), "COURSE": str(course.root), "OUT": str(out),
            "SUBMISSIONS": str(submissions),
        }  # fmt: skip
        canaries = Canaries(secret, token, folder, names, bystander)
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        canaries.names["PWNED"] = str(folder / "open" / "pwned")
        for name, listener in (("tcp", tcp), ("unix", path), ("abstract", abstract)):
            listener.listen()
            threading.Thread(target=_welcome, args=(name, listener, canaries.reached), daemon=True).start()
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
        os.environ["VITLAB_HOSTILE_CANARY"] = secret
        stack.callback(os.environ.pop, "VITLAB_HOSTILE_CANARY")
        yield canaries


def _welcome(name: str, listener: socket.socket, reached: list[str]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        reached.append(name)
        connection.close()
