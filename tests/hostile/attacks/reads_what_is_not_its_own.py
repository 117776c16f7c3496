"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import COLD, WARM, Attack

ATTACK = Attack(
    attempts="reads solutions, the gradebook, other submissions, a planted secret; searches the disk for them",
    must="none of it is there",
    answer="""
import os

PATHS = {
    "secret": "@CANARY@", "solutions": "@COURSE@/solutions", "notebooks": "@COURSE@/notebooks",
    "gradebook": "@OUT@/out/gradebook.db", "submissions": "@SUBMISSIONS@", "course": "@COURSE@/course.toml",
    "passwords": "/etc/shadow", "users": "/etc/passwd", "home": "/home", "grading": "/opt/vitlab/grading",
}
for name, path in PATHS.items():
    attempt(name, lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())
found = []
for top in ("/", "/proc/1/root", "/proc/self/root", "/proc/self/cwd/../.."):
    for folder, folders, files in os.walk(top):
        if folder == "/":
            folders[:] = [name for name in folders if name not in ("proc", "usr")]
        if top == "/" and ("site-packages" in folder or folder.count("/") > 8):
            folders.clear()
        found += [f for f in files if f in ("gradebook.db", "mistakes.py", "secret.txt", "course.toml")]
        if top != "/":
            break
attempt("import solutions", lambda: __import__("solutions"))
attempt("import grading", lambda: __import__("grading.judging"))
print("found:", found)


def cosine_similarity(P):
    return None
""",
    refused=(
        "secret",
        "solutions",
        "notebooks",
        "gradebook",
        "submissions",
        "course",
        "passwords",
        "users",
        "home",
        "grading",
        "import solutions",
        "import grading",
    ),
    prints=("found: []",),
    starts=(WARM, COLD),
)
