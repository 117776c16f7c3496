"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="displays JSON of a million empty objects, which take a hundred times their text in memory",
    must="what no one will look at is not kept",
    answer="""
from IPython.display import display

display({"application/json": [{}] * 900_000, "text/plain": "here"}, raw=True)


def cosine_similarity(P):
    return None
""",
)
