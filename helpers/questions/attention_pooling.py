"""Lesson 04, stretch: pooling by attention with one learned query, between a class token and a mean."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.gradients import PREFIX, gradients, one_tensor, same_gradients, with_gradient

_NOTHING = np.zeros(0)


class AttentionPooling(Question):
    id = "Q4b"
    title = "Pooling by attention"
    signature = "AttentionPooling(emb_size); forward(x): (b, n, emb_size) -> (b, emb_size)"
    needs_gradients = True
    criteria = (
        Criterion("shape", "one vector per image", share=0, hint="The result has the shape (b, emb_size)."),
        Criterion(
            "start",
            "an untrained module gives the mean of the tokens",
            counts_with=("values",),
            hint="Here the module is used as it is after `__init__`: its query is zero, so all weights are equal.",
        ),
        Criterion(
            "values",
            "a mean of the tokens with weights softmax(x · query / √d)",
            share=2,
            hint="Here the query is filled with drawn numbers. For each image, the weights of its tokens add up to 1.",
        ),
        Criterion(
            "gradient",
            "gradients reach the tokens and the query",
            hint="The gradients with respect to x and to the query are compared with the target's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        n, d = int(rng.integers(3, 6)), int(rng.integers(4, 8))
        yield _case(rng, f"{n} tokens of width {d}, untrained", ("shape", "start"), n, d)
        for _ in range(2):
            n, d = int(rng.integers(4, 9)), int(rng.integers(5, 12))
            name = f"{n} tokens of width {d}, with a query"
            yield _case(
                rng, name, ("shape", "values", "gradient"), n, d, query=rng.normal(0, 1.5, d).astype(np.float32)
            )

    def probe(self, answer, case):
        import torch

        from helpers.device import device

        model = answer(case["emb_size"])
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"an nn.Module was expected, and {type(model).__name__} came back")
        model.to(device()).eval()
        learned = [p for p in model.parameters() if p.requires_grad]
        count = sum(p.numel() for p in learned)
        if "query" in case and count == case["emb_size"]:
            with torch.no_grad():
                learned[0].copy_(tensor(case["query"]).reshape(learned[0].shape))
        leaf, x = with_gradient(case["x"])
        out = one_tensor(model(x), "(b, d)")
        record = {"out": out, "count": count}
        if case.covers("gradient"):
            wanted = {"x": leaf, "query": learned[0] if count == case["emb_size"] else None}
            record |= gradients(out, wanted)
            if "grad query" in record:
                record["grad query"] = record["grad query"].reshape(-1)
        return record

    def judge(self, case, expected, got):
        wanted, given = expected["out"], got.get("out", _NOTHING)
        if case.covers("shape"):
            yield same_shape("shape", wanted, given)
        if case.covers("start"):
            yield same("start", wanted, given, got.tolerance, what="numbers")
        if case.covers("values"):
            count = np.asarray(got.get("count", _NOTHING), np.float64).reshape(-1)
            if count.size != 1 or count[0] != case["emb_size"]:
                learns = f"{count[0]:g}" if count.size == 1 else "something else"
                detail = f"one learned query of {case['emb_size']} numbers was expected; the module learns {learns}"
                yield Finding("values", False, detail)
            else:
                yield same("values", wanted, given, got.tolerance, what="numbers")
            yield same_gradients("gradient", expected, got, got.tolerance)

    def features(self, case, expected, got):
        slopes = {name: a for name, a in got.items() if name.startswith(PREFIX)}
        return {"out": got["out"], "count": got.get("count", np.array(-1))} | slopes


def _case(rng: np.random.Generator, name: str, criteria: tuple[str, ...], n: int, d: int, **more) -> Case:
    x = rng.normal(size=(3, n, d)).astype(np.float32)
    return Case(name, criteria=criteria, x=x, emb_size=d, **more)


QUESTIONS = (AttentionPooling(),)
