"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="returns objects whose __len__, __iter__, __repr__ and __getattr__ never end",
    must="the cell is stopped; the others count",
    answer="""
class Endless:
    def __getattr__(self, name):
        return self

    def __call__(self, *a, **k):
        return self

    def __iter__(self):
        while True:
            yield 0.0

    def __len__(self):
        while True:
            pass

    def __repr__(self):
        while True:
            pass


def cosine_similarity(P):
    return Endless()
""",
    status=("timeout", "graded"),
)
