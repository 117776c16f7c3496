"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="defines names that look like the asked one, in other alphabets, and a check that looks like ours",
    must="what is checked is what has the name",
    answer="""
def соsine_similarity(P):  # the first two letters are Cyrillic
    return P


def сheck(question, answer):
    return 3.0


print(сheck("Q1b", соsine_similarity))
""",
    prints=("3.0",),
)
