"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import ZEROS, Attack

ATTACK = Attack(
    attempts="rewrites interpreter constants and module memory by ctypes",
    must="another process judges",
    answer=ZEROS,
    before="""
import ctypes
import sys

tolerance = 1e-4
ctypes.c_double.from_address(id(tolerance) + 16).value = 1e9
attempt("rewrite a float", lambda: tolerance > 1 or 1 / 0)
attempt("write a null page", lambda: ctypes.CDLL(None).mprotect(0, 4096, 3) and 1 / 0)
""",
    done=("rewrite a float",),
    refused=("write a null page",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
)
