"""Lesson 04: the class token, and a position for each token.

Names and starting values are the student's own. What the tokens owe to the images is compared with the solution's,
where the answer uses the projection that the check gives; an answer with a projection of its own must be one affine map
of the patches, in their order. Drawn numbers go into the class token and into the positions, and an optimiser takes a
step: that shows where they end up, and that they learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape
from helpers.checks.given_parts import given_parts
from helpers.checks.module_probes import NOTHING
from helpers.checks.token_probes import (
    build,
    code_rows,
    drawn,
    known_code,
    known_projection,
    patch_count,
    record_positions,
    record_tokens,
)
from helpers.pictures.class_token import hearing_picture, positions_picture

SIZES = "in_channels=3, patch_size=8, emb_size=64, img_size=32"
DEEP = ("shape", "first", "patches", "learns")


class Hearing:
    """Which token depends on what, from whatever arrays were recorded."""

    def __init__(self, case: Case, expected, got) -> None:
        self.case, self.expected, self.got = case, expected, got
        self.tolerance = float(getattr(got, "tolerance", 1e-4))
        self.count = patch_count(case)

    def array(self, name: str) -> np.ndarray:
        value = self.got.get(name)
        array = NOTHING if value is None else np.asarray(value, np.float64)
        return array if np.isfinite(array).all() else NOTHING

    def shape(self, name: str = "shape") -> Finding:
        found = same_shape(name, self.expected["tokens"], self.got.get("tokens"))
        finite = found.ok and bool(np.isfinite(np.asarray(self.got["tokens"], np.float64)).all())
        return found if finite or not found.ok else Finding(name, False, "some tokens are nan or infinite")

    def matrix(self) -> np.ndarray:
        """(1 + patches, tokens), 0 to 1: how much each token depends on the class token (row 0) and on each patch."""
        effect, moved = self.array("effect"), self.array("moved")
        if effect.ndim != 3 or moved.ndim != 2 or len(moved) != len(self.case["pokes"]):
            return np.zeros((0, 0))
        loud = np.abs(effect).max(axis=(0, 2), initial=0)
        if loud.shape != moved.shape[1:]:
            return np.zeros((0, 0))
        rows = np.full((1 + self.count, len(loud)), np.nan)
        rows[0] = loud
        rows[1 + self.case["pokes"]] = moved
        most = np.nanmax(rows, axis=1, initial=0, keepdims=True)
        return rows / np.where(most > 1e-6, most, 1)

    def first(self, name: str, values: str = "first") -> Finding:
        """Token 0 of every image holds what was put into the class token."""
        given, wanted = self.array(values), self.expected[values]
        found = same(name, wanted[:, :1], given[:, :1] if given.ndim == 3 else NOTHING, self.room)
        return found if found.ok else Finding(name, False, "token 0 does not hold what stands in cls_token")

    def patches(self, name: str) -> Finding:
        """The tokens beside the class token, which is the first or, where that is wrong, the last: all patches, in
        their order, as the projection gave them."""
        told, wanted = self.array("told"), self.expected["told"]
        if told.shape != wanted.shape:
            return Finding(name, False, "it can't be told which token depends on which patch")
        rest = told[:, 1:] if np.abs(told[:, 0]).max(initial=0) <= np.abs(told[:, -1]).max(initial=0) else told[:, :-1]
        own = same(name, wanted[:, 1:], rest, self.room)
        if not own.ok and not self._one_map(rest):
            return Finding(name, False, self._stray() or "the patch tokens hold other values than the projection gave")
        alone, effect = self.array("alone"), self.array("effect")
        if not alone.size:
            return Finding(name, False, "a batch of images goes through, an image alone raises an error")
        if not same(name, np.asarray(self.got["tokens"])[:1], alone, self.room).ok:
            return Finding(name, False, "an image alone gives other tokens than the same image in a batch")
        loud = np.abs(effect).max(axis=(0, 2), initial=0) if effect.ndim == 3 else np.ones(2)
        if int((loud > 10 * self.room).sum()) > 1:
            return Finding(name, False, "patch tokens change when the class token changes")
        return Finding(name, True)

    def _one_map(self, told: np.ndarray) -> bool:
        """Whether one matrix, of as high a rank as can be, makes each token of its own patch's pixels."""
        images, where = np.asarray(self.case["images"], np.float64), np.asarray(self.expected["where"])
        pixels = images.reshape(len(images), -1)[:, where].reshape(-1, where.shape[1])
        tokens = told.reshape(len(pixels), -1) if told.size else np.zeros((len(pixels), 1))
        if len(pixels) <= pixels.shape[1]:
            return False
        matrix, _, _, _ = np.linalg.lstsq(pixels, tokens, rcond=None)
        size = float(np.abs(tokens).max(initial=0))
        left = float(np.abs(pixels @ matrix - tokens).max(initial=0))
        values = np.linalg.svd(matrix, compute_uv=False)
        rank = int((values > 1e-4 * values[0]).sum()) if size else 0
        return left <= 10 * self.room * max(size, 1e-6) and rank >= min(matrix.shape)

    def _stray(self) -> str:
        """The first patch that another token than its own depends on, in words."""
        heard = self.matrix()
        if heard.shape != (1 + self.count, 1 + self.count):
            return ""
        for k in sorted(self.case["pokes"].tolist()):
            row = heard[1 + k]
            if row.max() <= 0:
                return f"no token changes when patch {k} changes"
            if row.argmax() != 1 + k:
                return f"when patch {k} changes, token {row.argmax()} changes most; it should be token {k + 1}"
        return ""

    def learns(self, name: str) -> Finding:
        """A step of an optimiser moves the class token, by the same for all images; and it moves with the module."""
        step, aim = self.array("step"), drawn(self.case)["aim"]
        if step.shape != self.expected["step"].shape:
            return Finding(name, False, "it can't be told what a training step changes")
        wanted = -0.1 * aim[:, [0, -1]].sum(0)  # of the first token, and of the last where the class token is there
        if not any(
            same(name, np.broadcast_to(wanted[k], step[:, k].shape), step[:, k], 10 * self.room).ok for k in (0, 1)
        ):
            still = not np.abs(step[:, 0]).max(initial=0) > 0
            reached = self.array("gradient").size > 0
            detail = "a training step moves token 0 by other amounts than it should"
            if still:
                detail = "a training step leaves the class token as it was"
                detail += ", though a gradient reaches it: it is not among `parameters()`" * reached
            return Finding(name, False, detail)
        if not self.array("moves").any():
            return Finding(name, False, "the module was moved to another device, and a tensor of yours stayed behind")
        return Finding(name, True)

    def slope(self, name: str, values: str = "slope", what: str = "the table of positions") -> Finding:
        """The gradient at the table of positions, or at the class token."""
        given = self.array(values)
        found = same(name, self.expected[values], given, 10 * self.room)
        if found.ok:
            return found
        return Finding(name, False, f"{what} gets another gradient than it should" if given.size else
                       f"no gradient reaches {what}")  # fmt: skip

    @property
    def room(self) -> float:
        return max(self.tolerance, 1e-4)

    @property
    def steady(self) -> bool:
        again = self.array("again")
        return again.ndim > 1 and len(again) == 2 and bool(np.allclose(again[0], again[1], atol=1e-5))

    def marks(self) -> dict[str, np.ndarray]:
        """What tells one mistake from another, whatever the weights are."""
        tokens = self.got.get("tokens", NOTHING)
        traits = [self.steady, self.learns("").ok, self.array("gradient").size > 0, self.array("moves").any()]
        traits += [self.array("alone").size > 0]
        step = self.array("step")
        traits += [step.ndim == 3 and bool(np.abs(step[:, 0]).max(initial=0) > 0)]
        start = self.array("first")
        flat = start.ndim == 3 and start.size > 0 and bool(np.ptp(start, axis=(0, 2)).max() < 1e-6)
        traits += [bool(self.array("owned").any()), flat]
        if self.steady and np.shape(tokens) == self.expected["tokens"].shape:
            traits += [self.first("").ok, self.first("", "effect").ok]
        heard = self.matrix() if self.steady else np.zeros((0, 0))
        return {
            "shape": np.array(np.shape(tokens), np.float64),
            "traits": np.zeros([1 + int(bool(on)) for on in traits]),  # said by its shape, which is compared exactly
            "heard": (np.nan_to_num(heard) > 1e-3).astype(np.float64),
        }


SHAPE = Criterion(
    "shape",
    "one token more than there are patches",
    share=0,
    hint="For b images of n patches the tokens have the shape (b, n + 1, emb_size).",
)
ALL_SIZES = Criterion(
    "sizes",
    "one image alone, other channels, patches, widths and image sizes",
    hint="The same is asked with other arguments of `__init__`. Only what fails at these sizes alone is counted here.",
)
DEFAULTS = Criterion(
    "defaults",
    "without arguments: 3 channels, patches of 8, width 64, images of 32",
    hint="The class is called as `PatchEmbedding()` and gets images of 3 x 32 x 32.",
)


class ClassTokenQuestion(Question):
    id = "Q3"
    title = "The class token"
    signature = f"PatchEmbedding({SIZES}): (b, c, h, w) -> (b, patches + 1, emb_size), cls_token (1, 1, emb_size)"
    needs_gradients = True
    criteria = (
        SHAPE,
        Criterion(
            "first",
            "token 0 of every image is the class token, the same numbers for all",
            share=2,
            counts_with=("patches",),
            hint="Drawn numbers were put into `cls_token`; they should come back as token 0 of each image.",
        ),
        Criterion(
            "patches",
            "the tokens of all patches, in their order, untouched",
            share=2,
            hint="In the picture each row is one thing that was changed and each column a token; a bright cell says "
            "that this token changed. The first row that differs from the target shows where to look.",
        ),
        Criterion(
            "learns",
            "the class token is a parameter of the module: a training step moves it, for all images alike",
            share=2,
            counts_with=("patches",),
            hint="An SGD optimiser got `model.parameters()` and took one step. Token 0 before and after are compared.",
        ),
        ALL_SIZES,
        DEFAULTS,
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        side, width = int(rng.integers(2, 4)), int(rng.integers(6, 10))
        yield _case(rng, DEEP, c=3, patch=4, side=side, width=width)
        yield _case(rng, ("sizes",), c=int(rng.choice([1, 4])), patch=int(rng.integers(3, 6)), side=2, width=5)
        yield _case(rng, ("sizes",), c=2, patch=3, side=2, width=int(rng.integers(10, 14)))
        yield _case(rng, ("sizes",), c=1, patch=int(rng.integers(5, 8)), side=1, width=4)
        yield _case(rng, ("defaults",), c=3, patch=8, side=4, width=64)

    def probe(self, answer, case):
        with given_parts(answer, {"PatchProjection": known_projection(case)}):
            return record_tokens(lambda: build(answer, case), case)

    def judge(self, case, expected, got):
        heard = Hearing(case, expected, got)
        asked = {"first": heard.first, "patches": heard.patches, "learns": heard.learns}
        yield heard.shape()
        for name, ask in asked.items():
            yield ask(name)
        yield from _again(case, heard, [ask(name) for name, ask in asked.items()])

    def features(self, case, expected, got):
        return Hearing(case, expected, got).marks()

    def picture(self, case, expected, got):
        return _heard(case, expected, got)


class PositionsQuestion(Question):
    id = "Q4"
    title = "A position for every token"
    signature = f'PatchEmbedding({SIZES}, positions="learnable"): (b, c, h, w) -> (b, patches + 1, emb_size)'
    needs_gradients = True
    criteria = (
        SHAPE,
        Criterion(
            "tokens",
            "below the positions: the class token first, then the patches",
            hint="This part is Q3's: with the positions taken away, the tokens are those that Q3 asks for.",
        ),
        Criterion(
            "learnable",
            'positions="learnable": a parameter, one row added to each token, and it learns',
            share=2,
            counts_with=("tokens",),
            hint="Drawn numbers were put into the table; the picture shows what is added to the tokens of one "
            "image, row by row.",
        ),
        Criterion(
            "sinusoidal",
            'positions="sinusoidal": row k of getPositionEncoding added to token k',
            share=2,
            counts_with=("tokens",),
            hint="All that learns was set to zero; the picture shows what is added to the tokens, row by row.",
        ),
        Criterion(
            "buffer",
            "the sinusoids stay as they are: no parameter, float32, and they move with the module",
            counts_with=("tokens",),
            hint="All that learns was set to zero, and the module was moved; the sinusoids should be there unchanged.",
        ),
        ALL_SIZES,
        Criterion("defaults", DEFAULTS.says + ", learnable positions", hint=DEFAULTS.hint),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        side, width = int(rng.integers(2, 4)), int(rng.choice([6, 8, 10]))
        deep = ("shape", "tokens", "learnable")
        yield _case(rng, deep, mode="learnable", c=3, patch=4, side=side, width=width)
        fixed = ("shape", "tokens", "sinusoidal", "buffer")
        yield _case(rng, fixed, mode="sinusoidal", c=3, patch=4, side=side, width=width)
        few = int(rng.integers(3, 6))
        yield _case(rng, ("sizes",), mode="learnable", c=1, patch=few, side=3, width=int(rng.choice([4, 14])))
        yield _case(rng, ("sizes",), mode="sinusoidal", c=2, patch=3, side=1, width=int(rng.choice([4, 12])))
        yield _case(rng, ("defaults",), c=3, patch=8, side=4, width=64)

    def probe(self, answer, case):
        try:
            return self._record(answer, case, as_numpy=False)
        except TypeError as error:
            if "expected np.ndarray" not in str(error):
                raise
            return self._record(answer, case, as_numpy=True)  # the lecture's code gives a numpy array

    def _record(self, answer, case, *, as_numpy: bool):
        parts = given_parts(answer, {"PatchProjection": known_projection(case)})
        with parts, known_code(answer, case, as_numpy=as_numpy):
            record = record_tokens(lambda: build(answer, case), case)
            return record | record_positions(build(answer, case), case)

    def judge(self, case, expected, got):
        heard = Hearing(case, expected, got)
        learnable = case.get("mode", "learnable") == "learnable"
        tokens = [
            heard.first("tokens", "effect"),
            heard.patches("tokens"),
            heard.slope("tokens", "gradient", "the class token"),
        ]
        yield heard.shape()
        yield _first_bad("tokens", tokens)
        if learnable:
            kind = [_learnable(heard)]
            yield kind[0]
        else:
            kind = [_added(heard, "sinusoidal", "born"), _buffer(heard)]
            yield from kind
        yield from _again(case, heard, [_first_bad("tokens", tokens), *kind])

    def features(self, case, expected, got):
        heard = Hearing(case, expected, got)
        marks, still = heard.marks(), heard.array("still")
        found = bool(heard.array("found").any())
        code = code_rows(case, patch_count(case) + 1, int(case["width"]))
        traits = [found, heard.slope("").ok, heard.array("slope").size > 0]
        traits += [bool(heard.array("moves").any()), bool(still.any())]
        traits += [np.asarray(got.get("still", NOTHING)).dtype == np.float64]
        traits += [still.shape[1:] == code.shape and np.allclose(still, code, atol=1e-3)]
        marks["added"] = np.zeros([1 + int(bool(on)) for on in traits])
        if heard.steady and (found or case.get("mode") == "sinusoidal"):
            marks |= {name: heard.array(name) for name in ("still", "placed")}
        return marks

    def picture(self, case, expected, got):
        heard = Hearing(case, expected, got or {})
        name = "born" if case.get("mode") == "sinusoidal" else "placed"
        below = (heard.shape, lambda: heard.patches(""), lambda: heard.first("", "effect"))
        if got is not None and heard.shape().ok and not all(ask().ok for ask in below):
            return _heard(case, expected, got)
        return positions_picture(expected[name][0], None if got is None else heard.array(name))


QUESTIONS = (ClassTokenQuestion(), PositionsQuestion())


def _case(
    rng: np.random.Generator, criteria: tuple[str, ...], *, c: int, patch: int, side: int, width: int, mode: str = ""
) -> Case:
    """Drawn images of `side` x `side` patches, enough to tell one map of a patch from any other."""
    size = patch * side
    b = 1 + int(1.25 * c * patch**2) // side**2
    name = f"images of {c} x {size} x {size}, patches of {patch}, width {width}"
    if "defaults" in criteria:
        name = "no arguments at all"
    kind = {"mode": mode} if mode else {}
    return Case(
        f"{name}, {mode}" if mode else name, criteria=criteria, patch=patch, width=width, seed=int(rng.integers(2**31)),
        images=rng.normal(0, 1, (b, c, size, size)).astype(np.float32), pokes=rng.permutation(side**2)[:9], **kind,
    )  # fmt: skip


def _again(case: Case, heard: Hearing, findings: list[Finding]) -> Iterator[Finding]:
    """What is asked of other sizes and of the defaults: the same again, each aspect under its criterion's name."""
    for name in ("sizes", "defaults"):
        if case.covers(name):
            for found in (heard.shape(), *findings):
                yield Finding(name, found.ok, found.detail, of=found.criterion)


def _first_bad(name: str, findings: list[Finding]) -> Finding:
    bad = next((f for f in findings if not f.ok), None)
    return Finding(name, True) if bad is None else Finding(name, False, bad.detail)


def _learnable(heard: Hearing) -> Finding:
    if not heard.array("found").any():
        return Finding("learnable", False, "no parameter was found that could hold the positions")
    for values in ("placed", "still"):
        found = same("learnable", heard.expected[values], heard.got.get(values), heard.room)
        if not found.ok:
            return found
    return heard.slope("learnable")


def _added(heard: Hearing, name: str, values: str) -> Finding:
    """Met by rows of the code that the notebook has under `getPositionEncoding`, and by those of the real one."""
    given = heard.got.get(values)
    found = same(name, heard.expected[values], given, heard.room)
    real = np.broadcast_to(heard.expected["sinusoids"], heard.expected[values].shape)
    return found if found.ok else Finding(name, same(name, real, given, heard.room).ok, found.detail)


def _buffer(heard: Hearing) -> Finding:
    found = _added(heard, "buffer", "still")
    if not found.ok:
        return Finding("buffer", False, "with all that learns set to zero, other numbers are added than the code's")
    if np.asarray(heard.got["still"]).dtype == np.float64:
        return Finding("buffer", False, "they are float64, and make float64 of every token")
    if not heard.array("moves").any():
        return Finding("buffer", False, "the module was moved, and something it adds stayed behind")
    return found


def _heard(case: Case, expected, got):
    wanted = Hearing(case, expected, expected).matrix()
    return hearing_picture(wanted, None if got is None else Hearing(case, expected, got).matrix())
