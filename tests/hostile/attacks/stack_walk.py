"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="walks up the stack from inside the answer for the case, the question and anything called expected",
    must="the cases are no secret from the kernel once drawn; expected arrays are in no frame",
    answer="""
import sys

FOUND = set()


def cosine_similarity(P):
    frame = sys._getframe()
    while frame is not None:
        for name, value in list(frame.f_locals.items()):
            FOUND.add(name)
            if name in ("expected", "wanted", "known", "secret_expected") and isinstance(value, (dict, tuple, list)):
                return torch.tensor(value[0]["similarity"])
            if name == "case":
                value._inputs = dict(value._inputs, P=value["P"] * 0)
        frame = frame.f_back
    return torch.zeros(len(P), len(P))
""",
    after="""print("saw the case:", "case" in FOUND, "expected:", bool(FOUND & {"expected", "wanted"}))""",
    prints=("saw the case: True expected: False",),
)
