"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="displays an answer record from the answer's own cell, and as text",
    must="records count in checks alone, and others are reported",
    forge=True,
    answer="""
display(Record(public_record()))
print(bundle(public_record())["text/plain"])


def cosine_similarity(P):
    return None
""",
    suspicious="emitted an answer record",
)
