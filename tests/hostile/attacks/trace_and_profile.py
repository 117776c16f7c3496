"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="uses sys.settrace and sys.setprofile to rewrite the locals of the machinery while it runs",
    must="no score is made in the kernel",
    before="""
import ctypes
import sys


def tracer(frame, event, argument):
    if "helpers/checks" in frame.f_code.co_filename:
        for name in ("score", "points", "tolerance", "ok"):
            if name in frame.f_locals:
                frame.f_locals[name] = 3.0
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
    return tracer


sys.settrace(tracer)
sys.setprofile(lambda *a: None)
attempt("trace", lambda: sys.getprofile() is not None)
""",
    done=("trace",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
)
