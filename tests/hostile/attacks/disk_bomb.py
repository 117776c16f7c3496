"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="fills /tmp, /dev/shm and every other folder it can write to; one file of 10 GB, sparse",
    must="the disks are memory of a fixed size, gone afterwards",
    answer="""
import os


def fill(folder):
    for number in range(400):
        with open(os.path.join(folder, f"@TOKEN@-{number}"), "wb") as file:
            file.write(bytes(2**20))


attempt("fill /tmp", lambda: fill("/tmp"))
attempt("fill /dev/shm", lambda: fill("/dev/shm"))
attempt("a sparse file", lambda: os.truncate(os.open("/tmp/sparse", os.O_CREAT | os.O_RDWR), 10 * 2**30))
for folder in ("/var/tmp", "/usr", "/dev", "/run", "/opt", "/"):
    attempt(f"write to {folder}", lambda: open(f"{folder}/@TOKEN@", "w"))


def cosine_similarity(P):
    return None
""",
    refused=(
        "fill /tmp",
        "fill /dev/shm",
        "a sparse file",
        "write to /usr",
        "write to /dev",
        "write to /opt",
        "write to /",
    ),
    status=("graded", "died", "memory"),
)
