"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="puts pickles that create a file into the record: as its body, in its metadata, as a tensor's name",
    must="nothing is unpickled",
    forge=True,
    answer="""
import os
import pickle


class Bomb:
    def __reduce__(self):
        return os.system, ("touch @PWNED@",)


PICKLE = pickle.dumps(Bomb())


def cosine_similarity(P):
    return None


import sys

machinery = sys.modules["helpers.checks.check"]
plain = machinery.encode


def encode_pickles(answer):
    if answer.question != "Q1b":
        return plain(answer)
    text = PICKLE.decode("latin-1")
    header = {"__metadata__": {"answer": text}, text: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
    display(bundle(PICKLE), raw=True)
    return raw_safetensors(header)


machinery.encode = encode_pickles
attempt("pickle", lambda: len(PICKLE))
""",
    done=("pickle",),
    reason="can.t be read|could not be read",
)
