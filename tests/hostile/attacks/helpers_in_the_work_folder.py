"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="writes a helpers package into the work folder, puts it first on the path and imports it anew",
    must="a check that recorded nothing is zero",
    before="""
import os
import sys

os.makedirs("helpers/checks", exist_ok=True)
for path in ("helpers/__init__.py", "helpers/checks/__init__.py"):
    with open(path, "w") as file:
        file.write("def check(question, answer): return 3.0\\ndef ready(question): return True\\n")
for name in [name for name in sys.modules if name.split(".")[0] == "helpers"]:
    del sys.modules[name]
sys.path.insert(0, os.getcwd())
import helpers.checks

check = helpers.checks.check
attempt("shadow", lambda: check("Q1b", None))
attempt("overwrite the real one", lambda: open("/opt/vitlab/helpers/checks/check.py", "a"))
""",
    done=("shadow",),
    refused=("overwrite the real one",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": 0.0},
    suspicious="recorded nothing",
)
