"""No points without the answer: records made of all that ships to students earn nothing, for any question.

A student's cell can replace `probe` and everything else in the kernel, so a record may hold any arrays. It knows the
inputs, the shipped expectations of the public cases, every helper, torch, torchvision and timm. It does not know the
solution. What the kernel reports about itself (flags, counts, shapes, dtypes) is taken for granted here: each forgery
claims what the solution would report.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from torch import nn

import helpers.checks
import helpers.questions
from helpers.built import stand_ins
from helpers.checks import check
from helpers.checks.card import as_text
from helpers.checks.check import EXAM_SEED
from helpers.checks.probing import probe_all
from helpers.checks.question import Case, Expected, Question, public_rng
from helpers.checks.verdict import Verdict, judge_answer
from helpers.checks.wire_format import MIME, Answer, Arrays, Failure, collect, decode
from helpers.questions import find
from tests.test_banks import lesson_reference, questions

ALL = frozenset({"Q5d", "Q19", "Q27"})
SAMPLE = 4  # shipped parts and library modules that are tried as the answer to each question, of about twenty


@dataclass
class Forger:
    """What a forger has of one question; `secret` holds the solution's arrays for their shapes and claims alone."""

    question: Question
    public: tuple[list[Case], Expected]
    secret: tuple[list[Case], Expected]

    @cached_property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(7)

    def of(self, part: str) -> tuple[list[Case], Expected]:
        return self.public if part == "public" else self.secret

    def noise(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind in "iub" and array.size > 1:
            low, high = int(array.min()), int(array.max())
            return self.rng.integers(low, high + 2, array.shape).astype(array.dtype)
        return self.rng.standard_normal(array.shape).astype(np.float32)

    def claim(self, array: np.ndarray, known: np.ndarray | None) -> np.ndarray | None:
        """Facts about the answer itself: single whole numbers and flags, and shipped ones of the same shape."""
        if array.dtype.kind in "iub" and array.size == 1:
            return array
        if known is not None and array.dtype.kind in "iub" and known.shape == array.shape:
            return known
        return None

    def record(self, make: Callable[[str, np.ndarray, Case, Mapping[str, np.ndarray]], np.ndarray]) -> Answer:
        """`make` gives each array of values; claims are true."""
        cases: dict[str, Arrays | Failure] = {}
        for part in ("public", "secret"):
            for i, (case, wanted) in enumerate(zip(self.of(part)[0], self.of(part)[1].arrays, strict=True)):
                shipped = self.public[1].arrays[i] if i < len(self.public[1].arrays) else {}
                arrays = {}
                for name, array in wanted.items():
                    claimed = self.claim(array, shipped.get(name))
                    arrays[name] = make(name, array, case, shipped) if claimed is None else claimed
                cases[f"{part}/{i}"] = Arrays(arrays)
        return Answer(self.question.id, cases)

    def judged(self, answer: Answer) -> Verdict:
        verdict = judge_answer(self.question, answer, public=self.public, secret=self.secret)
        assert not verdict.faults, verdict.faults
        return verdict


def resized(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.resize(array, shape).astype(np.float32) if array.size else np.zeros(shape, np.float32)


def constants(forger: Forger) -> Iterator[Answer]:
    for value in (0.0, 1.0, 0.5, -1.0):
        yield forger.record(lambda name, array, *_, value=value: np.full(array.shape, value, np.float32))


def noise(forger: Forger) -> Iterator[Answer]:
    yield forger.record(lambda name, array, *_: forger.noise(array))
    yield forger.record(lambda name, array, *_: np.abs(forger.noise(array)))
    yield forger.record(lambda name, array, *_: 1e-3 * forger.noise(array))


def public_arrays(forger: Forger) -> Iterator[Answer]:
    """As they are, cut and repeated to the shapes of the secret cases, and perturbed."""
    for change in (1.0, 1.01, 1.3):

        def make(name, array, case, shipped, change=change):
            return resized(change * np.asarray(shipped.get(name, np.zeros(0)), np.float64), array.shape)

        yield forger.record(make)


def one_case_spoilt(forger: Forger) -> Iterator[Answer]:
    """The replayed public arrays, with one case spoilt on purpose; and in another order."""
    shipped = [Arrays(row) for row in forger.public[1].arrays]
    count = len(forger.secret[0])
    for spoilt in range(min(count, 4)):
        cases: dict[str, Arrays | Failure] = {f"public/{i}": row for i, row in enumerate(shipped)}
        cases |= {f"secret/{i}": shipped[i % len(shipped)] for i in range(count)}
        yield Answer(forger.question.id, cases | {f"secret/{spoilt}": Failure("ValueError", "spoilt on purpose")})
        broken = {name: forger.noise(a) for name, a in shipped[spoilt % len(shipped)].items()}
        yield Answer(forger.question.id, cases | {f"secret/{spoilt}": Arrays(broken)})


def inputs(forger: Forger) -> Iterator[Answer]:
    """The case's own inputs in the place of results: the first that fits, else the largest, cut and repeated."""

    def make(name, array, case, shipped):
        arrays = [np.asarray(v) for v in case.values() if np.asarray(v).dtype.kind in "iuf"]
        fitting = [a for a in arrays if a.shape == array.shape] or sorted(arrays, key=lambda a: -a.size)
        return resized(fitting[0], array.shape) if fitting else forger.noise(array)

    yield forger.record(make)


def what_helpers_hand_out(forger: Forger) -> Iterator[Answer]:
    """Every shipped function of one case that gives arrays (drawn weights, tables, aims), put where it fits."""
    handed_out = {id(case): _handed_out(case) for part in ("public", "secret") for case in forger.of(part)[0]}
    for reduce in (None, 0, (0, 1)):

        def make(name, array, case, shipped, reduce=reduce):
            for found in handed_out[id(case)]:
                value = found if reduce is None or found.ndim < 3 else found.sum(reduce)
                if value.shape == (64, 64) and len(array.shape) > 1:
                    value = value[: array.shape[-2], : array.shape[-1]]
                for form in (value, value[None], value[:, None] if value.ndim else value):
                    try:
                        return np.broadcast_to(form, array.shape).astype(np.float32)
                    except ValueError:
                        continue
            return forger.noise(array)

        yield forger.record(make)


def stand_ins_and_libraries(forger: Forger) -> Iterator[Answer]:
    """Shipped parts and library modules as the answer; alone, and with what they lack filled up by noise.

    One that passes is left out: `nn.LayerNorm` is a right answer to the question for a layer norm. Each question gets
    a few of them, others than its neighbour; with VITLAB_ALL_FORGERIES=1 it gets all.
    """
    for answer in _some(_answers(), forger.question.id):
        records = {part: probe_all(forger.question, answer, forger.of(part)[0]) for part in ("public", "secret")}
        own = Answer(forger.question.id, {f"{p}/{i}": r for p, rows in records.items() for i, r in enumerate(rows)})
        if forger.judged(own).passed:
            continue
        yield own
        if all(isinstance(r, Failure) for rows in records.values() for r in rows):
            continue
        by_case = {id(c): r for p, rows in records.items() for c, r in zip(forger.of(p)[0], rows, strict=True)}

        def make(name, array, case, shipped, by_case=by_case):
            got = by_case[id(case)]
            own = None if isinstance(got, Failure) else got.get(name)
            return own if own is not None and own.shape == array.shape else forger.noise(array)

        yield forger.record(make)


FORGERIES = (
    constants, noise, public_arrays, one_case_spoilt, inputs, what_helpers_hand_out, stand_ins_and_libraries,
)  # fmt: skip


@lru_cache(maxsize=1)
def _of_one_case() -> tuple[Callable[[Case], Any], ...]:
    """All functions of the shipped checks and questions that need nothing but a case."""
    found = []
    for package in (helpers.checks, helpers.questions):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for function in vars(module).values():
                if inspect.isfunction(function) and function.__module__ == module.__name__:
                    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
                    if needed and needed[0].name == "case" and len(needed) in (1, 3):
                        found.append(function)
    return tuple(found)


def _more(function: Callable[..., Any]) -> tuple[int, ...]:
    """Sizes for functions that take two of them, such as the rows and columns of a table: far too large, to be cut."""
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return (64, 64)[: len(needed) - 1]


def _handed_out(case: Case) -> list[np.ndarray]:
    found = []
    for function in _of_one_case():
        try:
            given = function(case, *_more(function))
            arrays = given if isinstance(given, Mapping) else {"": given}
            found += [a for a in collect(arrays).values() if a.dtype.kind == "f" and a.size > 1]
        except Exception:
            continue
    return found


def _some(answers: tuple[Any, ...], qid: str) -> list[Any]:
    """The same few for a question each time; probing each of them in all cases is what takes long.

    A question whose weights are the answer's own, or which a library's module nearly answers, gets all of them.
    """
    if qid in ALL or os.environ.get("VITLAB_ALL_FORGERIES") == "1":
        return list(answers)
    start = crc32(qid.encode())
    return [answers[(start + k * len(answers) // SAMPLE) % len(answers)] for k in range(SAMPLE)]


@lru_cache(maxsize=1)
def _answers() -> tuple[Any, ...]:
    from timm.layers import Mlp, PatchEmbed
    from timm.models.vision_transformer import Attention, Block

    def first(*args: Any, **kwargs: Any) -> Any:
        return next((a for a in (*args, *kwargs.values()) if hasattr(a, "shape")), None)

    class Whatever(nn.Module):
        """Takes any arguments, gives its input back."""

        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: Any, *_: Any, **__: Any) -> Any:
            return x * self.weight

    own = [part for part in vars(stand_ins).values() if getattr(part, "__module__", "") == stand_ins.__name__]
    return (first, Whatever, *own, nn.Identity, nn.LayerNorm, Mlp, PatchEmbed, Attention, Block)


@lru_cache(maxsize=64)
def forger_of(lesson: str, qid: str) -> Forger:
    _, expected, secrets = lesson_reference(lesson)
    question = find(qid)
    return Forger(question, (list(question.cases(public_rng(qid))), expected[qid]), secrets[qid][0])


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_a_forgery_earns_nothing(lesson: str, qid: str) -> None:
    forger = forger_of(lesson, qid)
    earned = [
        f"{forgery.__name__} {number}: {verdict.score:g} of {verdict.points:g}\n{as_text(verdict)}"
        for forgery in FORGERIES
        for number, answer in enumerate(forgery(forger))
        if (verdict := forger.judged(answer)).score > 0
    ]
    assert not earned, "\n".join([*earned[:3], f"{len(earned)} forgeries earned something"])


@pytest.mark.parametrize(("lesson", "qid"), [("04_class_token", "Q3"), ("03_patch_embedding", "Q2b")])
def test_a_probe_replaced_in_the_kernel_earns_nothing(monkeypatch: pytest.MonkeyPatch, lesson: str, qid: str) -> None:
    """The whole way: the cell replaces `probe`, `check` records, the judge reads."""
    forger, question = forger_of(lesson, qid), find(qid)

    def forged(self: Question, answer: Any, case: Case) -> dict[str, Any]:
        row = next(e for c, e in zip(*_rows(forger), strict=True) if c.name == case.name or len(c) == len(case))
        return {name: a if a.size == 1 else np.ones(a.shape, np.float32) for name, a in row.items()}

    monkeypatch.setattr(type(question), "probe", forged)
    monkeypatch.setenv(EXAM_SEED, "1")
    bundle = check(qid, lambda *_: None)._repr_mimebundle_()  # type: ignore[union-attr]
    answer = decode(base64.b64decode(bundle[MIME]), question=qid)
    assert forger.judged(answer).score == 0


def _rows(forger: Forger) -> tuple[list[Case], list[Mapping[str, np.ndarray]]]:
    return [*forger.public[0], *forger.secret[0]], [*forger.public[1].arrays, *forger.secret[1].arrays]
