"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="registers atexit, excepthook, threading and unraisable hooks that display forged records",
    must="what comes after the last cell counts for nothing",
    forge=True,
    before="""
import atexit
import sys
import threading


def last(*_):
    display(Record(public_record()))


atexit.register(last)
sys.excepthook = sys.unraisablehook = threading.excepthook = last
get_ipython().set_custom_exc((Exception,), lambda self, *a, **k: last())
attempt("register", lambda: sys.excepthook is last)
""",
    done=("register",),
    suspicious="",
)
