"""Lesson 05, stretch: attention over blocks of keys with a running maximum, the idea of FlashAttention.

The largest tensor that the answer makes is recorded. It can only make a criterion fail: the values decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.gradients import PREFIX, input_gradients, same_gradients

_NOTHING = np.zeros(0)


class BlockwiseAttention(Question):
    id = "Q5e"
    title = "Attention in blocks"
    signature = "attention_in_blocks(q, k, v, block): (n, d), (m, d), (m, e) -> (n, e)"
    needs_gradients = True
    criteria = (
        Criterion("shape", "one row per query, as wide as a value", share=0, hint="The result has the shape (n, e)."),
        Criterion(
            "one",
            "right when one block holds all keys",
            hint="Here `block` is the number of keys, so the loop runs once.",
        ),
        Criterion(
            "several",
            "right for several blocks, the last of which may be shorter",
            share=2,
            hint="Here the largest score of a query often stands in a later block, so what was added before must be "
            "rescaled.",
        ),
        Criterion(
            "large",
            "large scores neither overflow nor vanish",
            hint="Here scores reach several hundred. `exp(89)` is already infinite in float32.",
        ),
        Criterion(
            "blocks",
            "no tensor holds the scores of all keys at once",
            counts_with=("several",),
            hint="The largest tensor that your function makes is measured. It must have fewer than n · m numbers.",
        ),
        Criterion(
            "gradient",
            "gradients reach queries, keys and values",
            counts_with=("several",),
            hint="The gradients with respect to q, k and v are compared with the target's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        m = int(rng.integers(5, 9))
        yield _case(rng, ("shape", "one"), n=int(rng.integers(3, 6)), m=m, block=m)
        m = 3 * int(rng.integers(4, 7))
        yield _case(rng, ("shape", "several", "blocks", "gradient"), n=int(rng.integers(5, 8)), m=m, block=3)
        m = 4 * int(rng.integers(5, 8)) + int(rng.integers(1, 4))
        yield _case(rng, ("several", "blocks", "gradient"), n=int(rng.integers(5, 8)), m=m, block=4)
        yield _case(rng, ("large",), n=int(rng.integers(4, 7)), m=int(rng.integers(9, 13)), block=2, scale=100.0)
        yield _case(
            rng, ("large",), n=int(rng.integers(3, 6)), m=int(rng.integers(6, 9)), block=2, scale=100.0, sign=-1
        )

    def probe(self, answer, case):
        q, k, v = (tensor(case[name]) for name in "qkv")
        with _Sizes() as sizes:
            record = {"out": answer(q, k, v, case["block"])}
        if case.covers("blocks"):
            record["largest"] = sizes.largest
        if case.covers("gradient"):
            inputs = {name: case[name] for name in "qkv"}
            record |= input_gradients(lambda q, k, v: answer(q, k, v, case["block"]), inputs)
        return record

    def judge(self, case, expected, got):
        wanted, given = expected["out"], got.get("out", _NOTHING)
        if case.covers("shape"):
            yield same_shape("shape", wanted, given)
        for criterion in ("one", "several", "large"):
            if case.covers(criterion):
                yield same(criterion, wanted, given, got.tolerance, what="numbers")
        if case.covers("blocks"):
            whole = len(case["q"]) * len(case["k"])
            sizes = np.nan_to_num(np.asarray(got.get("largest", _NOTHING), np.float64).reshape(-1), nan=np.inf)
            largest = float(sizes.max(initial=0)) if sizes.size else np.inf
            detail = f"a tensor of {largest:.0f} numbers was made; n · m is {whole}"
            yield Finding("blocks", largest < whole, "" if largest < whole else detail)
            yield same_gradients("gradient", expected, got, got.tolerance)

    def features(self, case, expected, got):
        marks = {"out": got["out"]} | {name: a for name, a in got.items() if name.startswith(PREFIX)}
        if "largest" in got:
            marks["whole"] = np.array(np.max(got["largest"], initial=0) >= len(case["q"]) * len(case["k"]))
        return marks


def _case(
    rng: np.random.Generator, criteria: tuple[str, ...], *, n: int, m: int, block: int, scale: float = 2.0,
    sign: int = 0,
) -> Case:  # fmt: skip
    """Normal queries and keys; with `sign` -1 all scores are negative."""
    q, k = scale**0.5 * rng.normal(size=(n, 4)), scale**0.5 * rng.normal(size=(m, 4))
    if sign:
        q, k = np.abs(q) + 8, sign * (np.abs(k) + 8)
    v = rng.normal(size=(m, 2))
    arrays = {name: a.astype(np.float32) for name, a in (("q", q), ("k", k), ("v", v))}
    large = ", all scores negative" if sign else ", large scores" if scale > 2 else ""
    return Case(f"{n} queries, {m} keys, blocks of {block}{large}", criteria=criteria, block=block, **arrays)


class _Sizes:
    """Keeps the number of elements of the largest floating-point tensor made inside it as `largest`.

    Raises:
        TypeError: inside, when torch's own fused attention is called.
    """

    def __init__(self) -> None:
        self.largest = 0

    def __enter__(self) -> _Sizes:
        import torch
        from torch.overrides import TorchFunctionMode
        from torch.utils._python_dispatch import TorchDispatchMode

        sizes = self

        class Made(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                out = function(*args, **(kwargs or {}))
                for one in out if isinstance(out, tuple | list) else (out,):
                    if isinstance(one, torch.Tensor) and one.is_floating_point():
                        sizes.largest = max(sizes.largest, one.numel())
                return out

        class Called(TorchFunctionMode):
            def __torch_function__(self, function, types, args=(), kwargs=None):
                if function is torch.nn.functional.scaled_dot_product_attention:
                    raise TypeError(
                        "F.scaled_dot_product_attention is the answer itself: write the loop over the blocks"
                    )
                return function(*args, **(kwargs or {}))

        self._modes = ExitStack()
        self._modes.enter_context(Made())
        self._modes.enter_context(Called())
        return self

    def __exit__(self, *error: object) -> None:
        self._modes.close()


QUESTIONS = (BlockwiseAttention(),)
