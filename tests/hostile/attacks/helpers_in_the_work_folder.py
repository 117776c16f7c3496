"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="writes a helpers package into the work folder, puts that folder first and has everything imported anew",
    must="a check that recorded nothing is zero",
    before="""
import pathlib
import sys

package = pathlib.Path("helpers")
(package / "checks").mkdir(parents=True)
fake = '''
class Full(float):
    score = points = 3.0

def check(question, answer):
    return Full(3.0)

def own(name):
    return check

def named(look_up):
    return look_up

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return check
'''
for name in ("__init__", "judge", "checks/__init__", "checks/check", "checks/undefined_names"):
    (package / f"{name}.py").write_text(fake)
sys.path.insert(0, str(pathlib.Path.cwd()))
for name in [name for name in sys.modules if name.split(".")[0] == "helpers"]:
    del sys.modules[name]
attempt("import", lambda: __import__("helpers").__file__.startswith(str(pathlib.Path.cwd())))
attempt("check", lambda: __import__("helpers").check("Q1b", None))
names = "helpers.checks.undefined_names"
attempt("look up", lambda: __import__(names, fromlist=["own"]).own("check")("Q1b", None))
from helpers import check
""",
    done=("import", "check", "look up"),
    prints=("[import] done: True",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": 0.0},
    suspicious="recorded nothing",
)
