"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="returns a tensor subclass that answers every torch function and every comparison with yes",
    must="what is recorded are numbers",
    answer="""
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") in ("allclose", "equal", "isclose", "eq", "__eq__"):
            return True
        return super().__torch_function__(function, types, args, kwargs or {})

    def __eq__(self, other):
        return True

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return AlwaysRight((4, 4))


import numpy as np


class AlwaysRight(np.ndarray):
    def __array_ufunc__(self, *args, **options):
        return True

    def __array_function__(self, *args, **options):
        return True


def cosine_similarity(P):
    return torch.zeros(len(P), len(P)).as_subclass(Liar)
""",
)
