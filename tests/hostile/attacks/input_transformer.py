"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="registers an input transformer that turns the check's text into the display of a forged record",
    must="the public key is no answer to the secret cases",
    forge=True,
    before="""
def swap(lines):
    return ["Record(public_record())"] if any('check("Q1b"' in line for line in lines) else lines


get_ipython().input_transformers_cleanup.append(swap)
attempt("transform", lambda: get_ipython().input_transformers_cleanup[-1] is swap)
""",
    done=("transform",),
)
