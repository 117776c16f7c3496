"""Lesson 07: what the class token looks at, in one layer and through all of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Question, same, same_shape, tensor
from helpers.checks.module_probes import as_single
from helpers.pictures.vision_transformer import map_panels, matrix_panels


def _attention(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Rows that sum to one, some of them sharp."""
    energy = rng.normal(0, 1.5, shape)
    weights = np.exp(energy - energy.max(-1, keepdims=True))
    return as_single(weights / weights.sum(-1, keepdims=True))


class ClassAttention(Question):
    id = "Q10"
    title = "What the class token attends to"
    signature = "class_attention(weights, grid): (heads, n + 1, n + 1), (h, w) -> (heads, h, w)"
    criteria = (
        Criterion(
            "shape",
            "one map per head, as high and wide as the grid of patches",
            share=0,
            hint="There are n + 1 tokens and n patches: the class token has no place on the grid.",
        ),
        Criterion(
            "row",
            "the class token's row, without the class token itself",
            share=2,
            hint="Rows are queries, columns are keys. Take the row of the class token, and of its columns those that "
            "are patches.",
        ),
        Criterion(
            "grid",
            "patch 0 top left, then along the row, also when the grid is not square",
            hint="Every weight is compared, place by place. Patches are numbered row by row; `grid` is (height, "
            "width).",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        side, heads = int(rng.choice([3, 4])), int(rng.choice([2, 3, 5]))
        weights = _attention(rng, heads, side**2 + 1, side**2 + 1)
        yield Case(f"{heads} heads, {side} x {side} patches", criteria=("shape", "row"), weights=weights,
                   grid=(side, side))  # fmt: skip
        h = int(rng.choice([2, 3]))
        w, heads = h + int(rng.integers(1, 4)), int(rng.choice([1, 2, 4]))
        weights = _attention(rng, heads, h * w + 1, h * w + 1)
        yield Case(f"{heads} heads, {h} x {w} patches", criteria=("shape", "grid"), weights=weights, grid=(h, w))

    def probe(self, answer, case):
        return {"maps": answer(tensor(case["weights"]), case["grid"])}

    def judge(self, case, expected, got):
        yield same_shape("shape", expected["maps"], got["maps"])
        for criterion in ("row", "grid"):
            yield same(criterion, expected["maps"], got["maps"], got.tolerance, what="weights")

    def picture(self, case, expected, got):
        return map_panels(case["weights"][0], expected["maps"][0], None if got is None else got["maps"])


class AttentionRollout(Question):
    id = "Q10b"
    title = "Attention rollout"
    signature = "attention_rollout(attentions): one (heads, n, n) per layer, first layer first -> (n, n)"
    criteria = (
        Criterion(
            "one",
            "one layer: heads averaged, the identity added, rows add up to 1",
            share=2,
            hint="With one layer there is nothing to multiply: the result is the mixing of one block. It has two "
            "paths, through attention and through the residual connection.",
        ),
        Criterion(
            "many",
            "several layers: each mixes the output of the one before",
            share=2,
            hint="One layer is right, several are not. Entry (i, j) is how much of input j is in output "
            "i; the matrix of the first layer acts first, so it stands on the right of the product.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        n, heads = int(rng.integers(4, 7)), int(rng.choice([2, 3]))
        yield Case(f"1 layer, {n} tokens", criteria=("one",), attentions=_attention(rng, 1, heads, n, n))
        n, heads, layers = int(rng.integers(4, 8)), int(rng.choice([2, 3])), int(rng.integers(3, 6))
        name = f"{layers} layers, {n} tokens"
        yield Case(name, criteria=("many",), attentions=_attention(rng, layers, heads, n, n))

    def probe(self, answer, case):
        return {"rollout": answer([tensor(layer) for layer in case["attentions"]])}

    def judge(self, case, expected, got):
        for criterion in ("one", "many"):
            yield same(criterion, expected["rollout"], got["rollout"], got.tolerance, what="entries")

    def picture(self, case, expected, got):
        return matrix_panels(case["attentions"], expected["rollout"], None if got is None else got["rollout"])


QUESTIONS = (ClassAttention(), AttentionRollout())
