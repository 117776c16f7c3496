"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="hands in a record that claims a tensor of 2 GB, and one whose header claims to be 2**62 bytes long",
    must="claims are compared with what is there",
    forge=True,
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]

plain = machinery.encode
meta = {"answer": json.dumps({"version": 2, "question": "Q1b", "failures": {}, "dtypes": {"public/0": {}}})}
huge = {"dtype": "F32", "shape": [2**29], "data_offsets": [0, 2**31]}
claims = raw_safetensors({"__metadata__": meta, "public/0/similarity": huge})


def encode(answer):
    if answer.question != "Q1b":
        return plain(answer)
    display(bundle((2**62).to_bytes(8, "little") + b"{}"), raw=True)
    return claims


machinery.encode = encode
attempt("patch encode", lambda: machinery.encode is encode)
""",
    done=("patch encode",),
    suspicious="2 answer records",
    reason="can't be read",
)
