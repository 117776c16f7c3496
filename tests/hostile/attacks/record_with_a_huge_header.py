"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="hands in a record that names fourteen thousand failures and cases",
    must="what is not asked for is passed over",
    forge=True,
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]

plain = machinery.encode
failure = {"kind": "E", "message": "m", "line": 1e308, "source": "", "cell": "", "note": ""}
failures = {f"public/{i}": failure for i in range(7_000)}
meta = {"version": 2, "question": "Q1b", "failures": failures, "dtypes": {f"x/{i}": {} for i in range(7_000)}}
many = raw_safetensors({"__metadata__": {"answer": json.dumps(meta)}})
machinery.encode = lambda answer: many if answer.question == "Q1b" else plain(answer)
attempt("fill", lambda: len(many) < 2**20 or 1 / 0)
""",
    done=("fill",),
)
