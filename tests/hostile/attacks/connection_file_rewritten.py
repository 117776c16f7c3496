"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="rewrites the connection file, swaps the kernel's sockets and its work folder for links to the outside",
    must="the grader is connected already and follows no path again",
    answer="""
import json
import os
from pathlib import Path

folder = Path("/tmp/.kernel")
connection = json.loads((folder / "connection.json").read_text())
(folder / "connection.json").write_text(json.dumps({**connection, "ip": "@DOOR@", "key": ""}))
for name in os.listdir(folder):
    if name.startswith("k-"):
        os.unlink(folder / name)
        os.symlink("@DOOR@", folder / name)
attempt("swap", lambda: sorted(os.listdir(folder)))
os.rename("/tmp/work", "/tmp/elsewhere")
os.symlink("/", "/tmp/work")


def cosine_similarity(P):
    return None
""",
    done=("swap",),
)
