"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="reads its environment and, through /proc, every process's environment, memory, files and root",
    must="only its own processes are there, and process 1 is closed",
    answer="""
import os

print("planted:", "VITLAB_HOSTILE_CANARY" in os.environ)
for name in ("environ", "mem", "maps", "root", "cwd", "fd", "exe", "stack", "syscall", "pagemap", "ns/user"):
    path = f"/proc/1/{name}"
    attempt(f"1/{name}", lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(64))
pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
print("pids:", len(pids) < 5)
attempt("a process outside", lambda: open("/proc/@PID@/environ").read())
for name in ("kcore", "kmsg", "kallsyms", "keys"):
    attempt(name, lambda: any(open(f"/proc/{name}", "rb").read(4096).strip(b"0 ")) and 1)


def cosine_similarity(P):
    return None
""",
    refused=("1/environ", "1/mem", "1/root", "1/cwd", "1/fd", "1/ns/user", "a process outside", "kcore", "kmsg"),
    prints=("planted: False", "pids: True"),
)
