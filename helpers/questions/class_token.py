"""Lesson 04: the class token, and a position for each token.

Layers, names and starting values are the student's own, so nothing is compared with the solution's tokens. The probe
puts drawn numbers into the class token and into the positions, pokes one patch after the other, and the judge asks who
hears of what: token 0 of the class token alone, token k of patch k - 1, each of its own position.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import NOTHING
from helpers.checks.token_probes import (
    build,
    code_rows,
    goes_along,
    known_code,
    patch_count,
    record_positions,
    record_tokens,
)
from helpers.pictures.class_token import hearing_picture, positions_picture

SIZES = "in_channels=3, patch_size=8, emb_size=64, img_size=32"
DEEP = ("shape", "first", "patches", "learns")


class Hearing:
    """Which token hears of what, from whatever arrays came."""

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
        """(1 + patches, tokens), 0 to 1: what each token hears of the class token (row 0) and of each patch."""
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
        """Token k hears of patch k - 1, and no token but the first of the class token."""
        heard = self.matrix()
        if heard.shape != (1 + self.count, 1 + self.count):
            return Finding(name, False, "it can't be told which token hears of which patch")
        silent = min(10 * self.tolerance, 2e-2)
        for k in sorted(self.case["pokes"].tolist()):
            row = heard[1 + k]
            if row.argmax() != 1 + k or row.max() <= 0:
                where = "no token moves" if row.max() <= 0 else f"token {row.argmax()} moves most"
                return Finding(name, False, f"when patch {k} changes, {where}; it should be token {k + 1}")
            if row[0] > silent:
                return Finding(name, False, f"token 0 moves when patch {k} changes")
        if heard[0].max() <= 0 or (heard[0, 1:] > silent).any():
            return Finding(name, False, "the class token is heard by other tokens than the first, or by none")
        return Finding(name, True)

    def learns(self, name: str, values: str = "gradient") -> Finding:
        found = same(name, self.expected[values], self.array(values), 10 * self.room)
        if found.ok:
            return found
        detail = "no gradient arrives" if not self.array(values).size else "it gets another gradient than it should"
        return Finding(name, False, detail)

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
        traits = [self.steady, self.learns("", "gradient").ok, self.array("gradient").size > 0]
        start = self.array("first")
        flat = start.ndim == 3 and start.size > 0 and bool(np.ptp(start, axis=(0, 2)).max() < 1e-6)
        traits += [bool(self.array("owned").any()), flat]
        if self.steady and np.shape(tokens) == self.expected["tokens"].shape:
            traits += [self.first("").ok, self.first("", "effect").ok]
        heard = self.matrix() if self.steady else np.zeros((0, 0))
        return {
            "shape": np.array(np.shape(tokens), np.float64),
            "traits": np.zeros([1 + int(on) for on in traits]),  # said by its shape, which is compared exactly
            "heard": (np.nan_to_num(heard) > 1e-3).astype(np.float64),
        }


SHAPE = Criterion(
    "shape",
    "one token more than there are patches",
    share=0,
    hint="Compare the two shapes above, axis by axis: b images, n + 1 tokens, d numbers. Along which axis did the "
    "class token join?",
)
ALL_SIZES = Criterion(
    "sizes",
    "one image alone, other channels, patches, widths and image sizes",
    hint="Right for one size, wrong for another. Look for a number in your code that should be a name.",
)
DEFAULTS = Criterion(
    "defaults",
    "without arguments: 3 channels, patches of 8, width 64, images of 32",
    hint="Called without arguments your class gives something else. Compare its first line with the question's.",
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
            hint="Numbers were put into `cls_token`, and they don't stand in token 0 of each image. What happens to "
            "your class token between `self.cls_token` and `return`?",
        ),
        Criterion(
            "patches",
            "behind it come the patches, in their order, untouched",
            share=2,
            hint="In the picture each row is one thing that was changed, each column a token; bright means: this token "
            "noticed. Start with the first row that differs from the target.",
        ),
        Criterion(
            "learns",
            "the class token is a parameter, one for all images: a gradient reaches it from each",
            hint="An optimiser asks `model.parameters()`; is the class token among what it gets, and is it the very "
            "thing that `forward` uses?",
        ),
        ALL_SIZES,
        DEFAULTS,
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        side, width = int(rng.integers(2, 4)), int(rng.integers(6, 10))
        yield _case(rng, DEEP, b=3, c=3, patch=4, side=side, width=width)
        yield _case(rng, ("sizes",), b=1, c=int(rng.choice([1, 4])), patch=int(rng.integers(3, 6)), side=2, width=5)
        yield _case(rng, ("sizes",), b=4, c=2, patch=3, side=2, width=int(rng.integers(10, 14)))
        yield _case(rng, ("sizes",), b=3, c=1, patch=int(rng.integers(5, 8)), side=1, width=4)
        yield _case(rng, ("defaults",), b=2, c=3, patch=8, side=4, width=64)

    def probe(self, answer, case):
        return record_tokens(build(answer, case), case)

    def judge(self, case, expected, got):
        heard = Hearing(case, expected, got)
        asked = {"first": heard.first, "patches": heard.patches, "learns": heard.learns}
        yield heard.shape()
        for name, ask in asked.items():
            yield ask(name)
        for name in ("sizes", "defaults"):
            if case.covers(name):
                yield next((f for f in (heard.shape(name), *(a(name) for a in asked.values())) if not f.ok),
                           Finding(name, True))  # fmt: skip

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
            hint="This part is Q3's. With the positions taken away, the tokens should be those of your answer to Q3.",
        ),
        Criterion(
            "learnable",
            'positions="learnable": a parameter, one row added to each token, and it learns',
            share=2,
            hint="The picture shows what is added to the tokens of one image when the table holds drawn numbers, row "
            "by row. Where does a row of yours come from?",
        ),
        Criterion(
            "sinusoidal",
            'positions="sinusoidal": row k of getPositionEncoding added to token k',
            share=2,
            hint="The picture shows what is added to the tokens when all that learns is zero. Compare it with the "
            "target, row by row: which row of the code does token 0 get?",
        ),
        Criterion(
            "buffer",
            "the sinusoids stay as they are: no parameter, float32, and they move with the module",
            hint="The sinusoids should be carried along by `.to(...)` and left alone by the optimiser. Which of the "
            "three ways of keeping a tensor in a module does both?",
        ),
        ALL_SIZES,
        Criterion("defaults", DEFAULTS.says + ", learnable positions", hint=DEFAULTS.hint),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        side, width = int(rng.integers(2, 4)), int(rng.choice([6, 8, 10]))
        deep = ("shape", "tokens", "learnable")
        yield _case(rng, deep, mode="learnable", b=3, c=3, patch=4, side=side, width=width)
        fixed = ("shape", "tokens", "sinusoidal", "buffer")
        yield _case(rng, fixed, mode="sinusoidal", b=3, c=3, patch=4, side=side, width=width)
        few = int(rng.integers(3, 6))
        yield _case(rng, ("sizes",), mode="learnable", b=1, c=1, patch=few, side=3, width=int(rng.choice([4, 14])))
        yield _case(rng, ("sizes",), mode="sinusoidal", b=2, c=2, patch=3, side=1, width=int(rng.choice([4, 12])))
        yield _case(rng, ("defaults",), b=2, c=3, patch=8, side=4, width=64)

    def probe(self, answer, case):
        with known_code(answer, case):
            record = record_tokens(build(answer, case), case)
            record |= record_positions(build(answer, case), case)
            record["moves"] = goes_along(build(answer, case), tensor(case["images"]))
        return record

    def judge(self, case, expected, got):
        heard = Hearing(case, expected, got)
        learnable = case.get("mode", "learnable") == "learnable"
        tokens = [heard.first("tokens", "effect"), heard.patches("tokens"), heard.learns("tokens")]
        yield heard.shape()
        yield _first_bad("tokens", tokens)
        if learnable:
            kind = [_learnable(heard)]
            yield kind[0]
        else:
            kind = [_added(heard, "sinusoidal", "born"), _buffer(heard)]
            yield from kind
        for name in ("sizes", "defaults"):
            if case.covers(name):
                yield _first_bad(name, [heard.shape(), *tokens, *kind])

    def features(self, case, expected, got):
        heard = Hearing(case, expected, got)
        marks, still = heard.marks(), heard.array("still")
        found = bool(heard.array("found").any())
        code = code_rows(case, patch_count(case) + 1, int(case["width"]))
        traits = [found, heard.learns("", "slope").ok, heard.array("slope").size > 0]
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


def _case(rng: np.random.Generator, criteria: tuple[str, ...], *, b: int, c: int, patch: int, side: int, width: int,
          mode: str = "") -> Case:  # fmt: skip
    """Drawn images of `side` x `side` patches; in the largest ones only four patches are poked."""
    size = patch * side
    name = f"{b} image{'s' if b > 1 else ''} of {c} x {size} x {size}, patches of {patch}, width {width}"
    if "defaults" in criteria:
        name = "no arguments at all"
    kind = {"mode": mode} if mode else {}
    return Case(
        f"{name}, {mode}" if mode else name, criteria=criteria, patch=patch, width=width, seed=int(rng.integers(2**31)),
        images=rng.normal(0, 1, (b, c, size, size)).astype(np.float32), pokes=rng.permutation(side**2)[:9], **kind,
    )  # fmt: skip


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
    return heard.learns("learnable", "slope")


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
