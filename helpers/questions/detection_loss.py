"""Lesson 11: the loss of a detector (Q23c), and writing a caption word by word (Q24b).

A loss is one number, so the gradients for all scores and boxes are compared as well. `match` and `generalized_iou` are
either the notebook's own or known ones: an answer is right when it agrees with the solution under either, so an error
in an earlier question costs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, tensor
from helpers.checks.given_parts import given_parts
from helpers.checks.module_probes import NOTHING, as_single

_WAYS = ("own", "given")
_LATER = "can be compared once the other parts are right"


class DetectionLoss(Question):
    id = "Q23c"
    title = "The loss of a detector"
    signature = "detection_loss(class_logits, boxes, targets, no_object=0.1) -> a number"
    needs_gradients = True
    criteria = (
        Criterion(
            "classes",
            "matched queries learn the class of their object, all others “no object”, with its small weight",
            share=3,
            hint="The check compares the gradient of the loss with respect to class_logits.",
        ),
        Criterion(
            "boxes",
            "boxes of matched pairs: 5 times the mean ℓ₁ distance and 2 times the mean of 1 - GIoU",
            share=3,
            hint="The check compares the gradient of the loss with respect to the boxes.",
        ),
        Criterion(
            "value",
            "the number itself",
            counts_with=("classes", "boxes"),
            hint="The gradients can be right without the number: a constant such as the 1 of 1 - GIoU has none.",
        ),
        Criterion(
            "empty",
            "an image without objects takes part with its classes alone",
            hint="In this batch one image has no object. All its queries have the target “no object”.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, criteria: tuple[str, ...], counts: tuple[int, ...], q: int, c: int, **more: Any) -> Case:
            b, total = len(counts), sum(counts)
            logits = as_single(rng.normal(0, 1.5, (b, q, c + 1)))
            classes = rng.integers(0, c, total).astype(np.int64)
            given = {"logits": logits, "boxes": _boxes(rng, b * q).reshape(b, q, 4), "classes": classes}
            given |= {"true": _boxes(rng, total), "counts": np.array(counts), **more}
            return Case(f"{name}: {b} images with {counts} objects, {q} queries", criteria=criteria, **given)

        c = int(rng.integers(3, 5))
        main = ("classes", "boxes", "value")
        yield case("two images", main, (2, 3), 5, c)
        yield case("another weight", ("classes", "value"), (3, 1, 2), 6, c, no_object=0.4)
        yield case("one image", main, (2,), int(rng.integers(4, 7)), 2)
        yield case("an empty image", ("empty",), (2, 0, 1), 4, 3)

    def probe(self, answer, case):
        record: dict[str, Any] = {}
        trouble: Exception | None = None
        for way, parts in (("own", {}), ("given", {"match": in_reverse, "generalized_iou": closeness})):
            try:
                with given_parts(answer, parts):
                    record |= {f"{name} {way}": value for name, value in self._asked(answer, case).items()}
            except Exception as error:
                trouble = trouble or error
        if not record and trouble is not None:
            raise trouble
        return record

    def _asked(self, answer: Any, case: Case) -> dict[str, Any]:
        import torch

        logits, boxes = tensor(case["logits"]).requires_grad_(), tensor(case["boxes"]).requires_grad_()
        sizes = case["counts"].tolist()
        classes, true = (tensor(case[name]).split(sizes) for name in ("classes", "true"))
        more = {"no_object": case["no_object"]} if "no_object" in case else {}
        loss = answer(logits, boxes, list(zip(classes, true, strict=True)), **more)
        found = {"value": loss.reshape(-1)[:1] if hasattr(loss, "reshape") else loss}
        if getattr(loss, "requires_grad", False) and loss.numel() == 1:
            slopes = torch.autograd.grad(loss.sum(), [logits, boxes], allow_unused=True)
            for name, leaf, slope in zip(("classes", "boxes"), (logits, boxes), slopes, strict=True):
                found[name] = torch.zeros_like(leaf) if slope is None else slope
        return found

    def judge(self, case, expected, got):
        room = max(got.tolerance, 1e-4)
        found = {way: {n: _found(n, way, expected, got, room) for n in ("classes", "boxes", "value")} for way in _WAYS}
        way = max(_WAYS, key=lambda w: sum(f.ok for f in found[w].values()))
        for name in ("classes", "boxes", "value"):
            if case.covers(name):
                yield found[way][name]
        if case.covers("empty"):
            bad = next((f for f in found[way].values() if not f.ok), None)
            if bad is None:
                yield Finding("empty", True)
            else:
                yield Finding("empty", False, bad.detail, of=bad.criterion)


class WriteCaption(Question):
    id = "Q24b"
    title = "Writing a caption"
    signature = "write_caption(model, patches, start, end, max_words=12) -> word numbers"
    criteria = (
        Criterion(
            "mask",
            "the model gets a mask in which words attend to all patches and to earlier words, patches to patches",
            share=2,
            hint="The masks of the first steps were recorded. Rows are queries, columns keys, patches before words.",
        ),
        Criterion(
            "words",
            "in each step the word with the highest score after the last word",
            share=2,
            hint="The model's scores have a row for each word so far. Which row scores the next word?",
        ),
        Criterion(
            "stop",
            "the caption stops at `end`, or after max_words words, and holds neither `start` nor `end`",
            share=2,
            counts_with=("words",),
            hint="In one of these cases the model says `end`, in the other it never does.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, criteria: tuple[str, ...], most: int, ends: bool) -> Case:
            n, d, vocabulary = int(rng.integers(3, 6)), 6, int(rng.integers(9, 14))
            drawn = {"patches": as_single(rng.normal(0, 1.5, (n, d)))}
            drawn["table"] = as_single(rng.normal(0, 1.5, (vocabulary, d)))
            drawn["read"] = as_single(rng.normal(0, 1.5, (d, vocabulary)))
            length = int(rng.integers(3, most)) if ends else -1
            start, end = (int(k) for k in rng.permutation(vocabulary)[:2])
            return Case(f"{n} patches, {vocabulary} words, {name}", criteria=criteria, **drawn, start=start, end=end,
                        max_words=most, length=length)  # fmt: skip

        yield case("ends by itself", ("mask", "words"), 9, True)
        yield case("ends by itself", ("words", "stop"), 10, True)
        yield case("never ends", ("mask", "words", "stop"), int(rng.integers(5, 8)), False)

    def probe(self, answer, case):
        model = KnownCaptioner(case)
        given = answer(model, tensor(case["patches"]), case["start"], case["end"], max_words=case["max_words"])
        words = np.asarray(given.tolist() if hasattr(given, "tolist") else list(given), np.float64).reshape(-1)
        masks = [np.asarray(m, np.float64).reshape(-1) for m in model.masks[:4]]
        return {"words": words, "masks": np.concatenate(masks) if masks else NOTHING, "calls": len(model.masks)}

    def judge(self, case, expected, got):
        if case.covers("mask"):
            wanted, given = expected["masks"], np.asarray(got.get("masks", NOTHING))
            if given.shape != wanted.shape:
                yield Finding("mask", False, "the masks have other shapes, or the model was called less often")
            else:
                off = int((given != wanted).sum())
                yield Finding("mask", not off, f"{off} of {wanted.size} entries differ" if off else "")
        wanted, given = expected["words"], np.asarray(got.get("words", NOTHING), np.float64).reshape(-1)
        first = min(len(wanted), len(given), 3)
        if case.covers("words"):
            alike = first > 0 and bool((wanted[:first] == given[:first]).all())
            both = min(len(wanted), len(given))
            alike = alike and bool((wanted[:both] == given[:both]).all())
            yield Finding("words", alike, "" if alike else f"expected {_listed(wanted)}, got {_listed(given)}")
        if case.covers("stop"):
            same_words = np.array_equal(wanted, given)
            yield Finding("stop", same_words, "" if same_words else f"expected {_listed(wanted)}, got {_listed(given)}")


QUESTIONS = (DetectionLoss(), WriteCaption())


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    return as_single(np.concatenate([rng.uniform(0.3, 0.7, (count, 2)), rng.uniform(0.1, 0.5, (count, 2))], -1))


def _found(name: str, way: str, expected: Any, got: Any, room: float) -> Finding:
    given = got.get(f"{name} {way}", NOTHING)
    if np.asarray(given).size == 0:
        return Finding(name, False, "no gradient arrives" if name != "value" else "no number came back")
    return same(name, expected[f"{name} {way}"], given, room, what="slopes" if name != "value" else "numbers")


def _listed(words: np.ndarray) -> str:
    return "[" + ", ".join(f"{word:g}" for word in words[:12]) + "]"


def in_reverse(class_logits: Any, boxes: Any, target_classes: Any, target_boxes: Any) -> tuple[Any, Any]:
    """In the place of `match`: the last prediction gets the last object, and so on backwards. No answer to Q23b."""
    import torch

    steps = torch.arange(len(target_boxes), device=boxes.device)
    return len(boxes) - 1 - steps, len(target_boxes) - 1 - steps


def closeness(boxes_a: Any, boxes_b: Any) -> Any:
    """In the place of `generalized_iou`: 1 / (1 + squared distance) of all pairs, (n, m). No answer to Q23a."""
    return 1 / (1 + (boxes_a[:, None] - boxes_b[None]).square().sum(-1))


class KnownCaptioner:
    """A captioner with drawn weights that records its masks: one head of attention over patches and words.

    It says `end` after `length` words, or never where `length` is negative.
    """

    def __init__(self, case: Case) -> None:
        self.case, self.masks = case, list[Any]()

    def __call__(self, patches, words, mask):
        import torch

        case, n, k = self.case, len(patches), len(words)
        if tuple(mask.shape) != (n + k, n + k):
            raise ValueError(f"a mask of shape ({n + k}, {n + k}) was expected, and got {tuple(mask.shape)}")
        if mask.dtype != torch.bool:
            raise ValueError(f"a boolean mask was expected, and got {mask.dtype}")
        self.masks.append(mask.detach().cpu().numpy().copy())
        table, read = tensor(case["table"]), tensor(case["read"])
        place = torch.arange(k, device=table.device)[:, None] * torch.linspace(0.3, 1.7, table.shape[1]).to(table)
        tokens = torch.cat([patches, table[words] + 2 * place.sin()])
        attended = (tokens @ tokens.mT).masked_fill(mask.logical_not(), -1e9).softmax(-1) @ tokens
        scores = torch.tanh(tokens + attended)[n:] @ read
        low = scores.min().detach() - 1
        scores[:, case["start"]] = low
        scores[:, case["end"]] = low
        if case["length"] >= 0:
            scores[case["length"] :, case["end"]] = scores.max() + 1
        return scores
