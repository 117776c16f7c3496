"""Lesson 10, first third: a convolutional stem, judged by which pixels its tokens depend on, and how.

Widths, kernels, norms and activations are the student's own, and so are the weights. What is recorded must fit the
images of the case: gradients and differences along a drawn direction are compared. Points need one trait that parts
which ship do not have, a normalisation or an activation between two convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same_shape, tensor
from helpers.checks.module_probes import as_single, number_of, prepared
from helpers.checks.placed_weights import learned
from helpers.checks.receptive_field import by_patch, inner_tokens, slopes, still_norms, windows
from helpers.checks.token_probes import goes_along
from helpers.pictures.hybrid_checks import sight_picture

NEAR = 4  # patches: further than any small stem looks
_LOUD = 10.0
_STEP = 5e-4  # of a finite difference: so small that hardly any token passes a kink of its activations
_DIRECTIONS = 40  # into which gradients are projected; more than main cases are wide
_SAMPLES = 5  # tokens whose gradients are kept whole
_OWN = ("bends", "norm")


class ConvStemQuestion(Question):
    id = "Q19"
    title = "A convolutional stem"
    signature = "ConvStem(in_channels=3, emb_size=64, patch_size=8): (b, c, h, w) -> (b, (h/p)(w/p), emb_size)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "one token per patch, as wide as emb_size",
            share=0,
            hint="(b, c, h, w) becomes (b, (h/p)(w/p), emb_size). Each stage halves height and width.",
        ),
        Criterion(
            "order",
            "token k looks at place k, row by row",
            share=2,
            counts_with=_OWN,
            hint="The picture shows on which pixels one token depends. It should be brightest at the token's own "
            "patch.",
        ),
        Criterion(
            "beyond",
            "every token depends on pixels beyond its patch, and every pixel is used",
            share=2,
            counts_with=_OWN,
            hint="The check measures which share of a token's gradient lies inside its own patch, and how many pixels "
            "have a gradient at all.",
        ),
        Criterion(
            "local",
            "a token depends on nothing far away, which is left to attention",
            counts_with=_OWN,
            hint="The check measures which share of a token's gradient lies more than four patches away.",
        ),
        Criterion(
            "bends",
            "not a linear map: there is an activation between the convolutions",
            share=2,
            hint="For a linear map f(a) + f(b) = f(a + b) + f(0) holds for any two images. If one convolution alone "
            "looks at the pixels, the gradients of a token at different images span few dimensions.",
        ),
        Criterion(
            "norm",
            "normalised: ten times the contrast does not make tokens ten times as large",
            hint="The same images were passed in training mode with ten times the contrast.",
        ),
        Criterion(
            "open",
            "no activation after the last layer: tokens may be negative as well as positive",
            counts_with=_OWN,
            hint="The check compares the smallest and the largest number in the tokens.",
        ),
        Criterion(
            "sizes",
            "other patch sizes, other numbers of channels, images that are not square",
            share=2,
            counts_with=_OWN,
            hint="The arguments were `patch_size`, `in_channels` and `emb_size` of other sizes, or the defaults.",
        ),
        Criterion(
            "learns",
            "all weights belong to the module and get a gradient",
            counts_with=_OWN,
            hint="`list(stem.parameters())` shows the weights that the module knows.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def stem(criteria: tuple[str, ...], grid: tuple[int, int], c: int, p: int, d: int, said: bool = True) -> Case:
            h, w = (p * side for side in grid)
            images = as_single(rng.normal(0, 1, (2, c, h, w)))
            name = f"{h} x {w} pixels, {c} channel{'s' * (c > 1)}, patches of {p}"
            seed = int(rng.integers(2**31))
            return Case(name, criteria=criteria, images=images, patch=p, width=d, seed=seed, said=said)

        main = ("shape", "order", "beyond", "local", "bends", "norm", "open", "learns")
        yield stem(main, (11, int(rng.integers(5, 8))), 3, 4, 16)
        yield stem(("sizes",), (int(rng.integers(5, 7)), int(rng.integers(7, 9))), 1, 2, 16)
        yield stem(("sizes",), (int(rng.integers(6, 8)), 5), int(rng.choice([2, 4])), 8, 24)
        yield stem(("sizes",), (4, 4), 3, 8, 64, said=False)

    def probe(self, answer, case):
        import torch

        c = int(case["images"].shape[1])
        named = {"in_channels": c, "emb_size": case["width"], "patch_size": case["patch"]}
        model = prepared(answer(**(named if case["said"] else {})))
        images = tensor(case["images"])
        tokens = model(images)
        record: dict[str, Any] = {"tokens": tokens}
        patches = images.shape[2] * images.shape[3] // case["patch"] ** 2
        if getattr(tokens, "ndim", 0) != 3 or tuple(tokens.shape[1:]) != (patches, case["width"]):
            return record  # nothing is measured on tokens of another number: there may be 64 times as many
        record["learned"] = learned(model, tokens)
        if hasattr(model, "eval"):
            with torch.no_grad():
                record["loud"] = model(_LOUD * images)
            model.eval()
        with still_norms(model):
            aim = as_single(np.random.default_rng(case["seed"]).normal(0, 1, case["width"]))
            signed = slopes(model, images[0], aim).detach()
            pixels = signed.abs().sum(1)
            record["sight"] = by_patch(pixels, case["patch"])
            if case.covers("bends"):
                record |= _along(model, images, aim, signed, case)
            record["seen"] = (pixels.sum(0) > 0).float().mean()
            a, b = images
            with torch.no_grad():
                record["sums"] = torch.stack([model(one[None])[0] for one in (a, b, a + b, 0 * a)])
                record["again"] = model(a[None])[0]
        record["moves"] = goes_along(model, images)
        return record

    def judge(self, case, expected, got):
        yield same_shape("shape", expected["tokens"], got.get("tokens"))
        read = StemReading(case, expected, got)
        for name in ("order", "beyond", "local", "bends", "norm", "open", "learns"):
            reason = getattr(read, name)
            yield Finding(name, not reason, reason)
        for name in ("order", "beyond", "bends"):
            reason = getattr(read, name)
            yield Finding("sizes", not reason, reason, of=name)

    def features(self, case, expected, got):
        return StemReading(case, expected, got).marks()

    def picture(self, case, expected, got):
        rows, columns = np.asarray(expected["sight"]).shape[1:]
        number = (rows // 2) * columns + columns // 2
        given = None if got is None else np.asarray(got.get("sight", np.zeros(0)))
        return sight_picture(np.asarray(expected["sight"]), given, number)


def drawn_direction(case: Case) -> np.ndarray:
    """A direction in which the case's images are changed, (c, h, w)."""
    return as_single(np.random.default_rng([int(case["seed"]), 3]).normal(0, 1, case["images"].shape[1:]))


def _along(model: Any, images: Any, aim: np.ndarray, signed: Any, case: Case) -> dict[str, Any]:
    """Gradients of a few tokens, how much these tokens change along a drawn direction, and the gradients of all inner
    tokens around their patches, in drawn directions, by whose rank stages are told from a single convolution."""
    import torch

    p, (h, w) = int(case["patch"]), images.shape[2:]
    inner = inner_tokens(h // p, w // p)
    few = [len(signed) * (1 + k) // (1 + _SAMPLES) for k in range(_SAMPLES)]
    v = tensor(drawn_direction(case)).to(images)
    weight = tensor(aim)
    with torch.no_grad():
        up, down = (model((images[0] + s * _STEP * v)[None])[0] for s in (1, -1))
    change = ((up - down).to(weight) @ weight) / (2 * _STEP)
    wide = torch.cat([windows(signed, p, inner), windows(slopes(model, images[1], aim).detach(), p, inner)]).flatten(1)
    drawn = np.random.default_rng([int(case["seed"]), 4]).normal(0, 1, (wide.shape[1], _DIRECTIONS))
    return {
        "gradients": signed[few],
        "rise": change[few],
        "turns": wide @ tensor(as_single(drawn / wide.shape[1] ** 0.5)).to(wide),
    }


_LATER = "can be seen once the shape is right"


@dataclass(frozen=True)
class StemReading:
    """What a stem's arrays tell: each property is "" where all is well, else says what is not. Any arrays may come."""

    case: Case
    expected: Mapping[str, np.ndarray]
    got: Mapping[str, np.ndarray]

    def array(self, name: str) -> np.ndarray:
        """The array, if its shape is the solution's and every number is finite; else an empty one."""
        value, wanted = np.asarray(self.got.get(name, np.zeros(0)), np.float64), np.asarray(self.expected[name])
        return value if value.shape == wanted.shape and np.isfinite(value).all() else np.zeros(0)

    @cached_property
    def dead(self) -> str:
        """Why nothing can be read from the tokens."""
        tokens, sums, again = self.array("tokens"), self.array("sums"), self.array("again")
        if not (tokens.size and sums.size and again.size and self.array("sight").size):
            return _LATER
        size = np.abs(sums).max()
        if not size or np.abs(sums[0] - again).max() > 0.02 * size:
            return "the same image gave other tokens the second time" if size else "all tokens are zero"
        if np.ptp(tokens, axis=1).max() < 1e-4 * np.abs(tokens).max():
            return "all tokens of an image are the same"
        if self.case.covers("bends") and not self._fits():
            return "the gradients do not say how the tokens change when the image changes a little"
        return ""

    def _fits(self) -> bool:
        """Whether gradients and finite differences along the drawn direction agree: both belong to these images."""
        rise, gradients = self.array("rise"), self.array("gradients")
        if not rise.size or not gradients.size:
            return False
        steep = (gradients * drawn_direction(self.case)).sum((1, 2, 3))
        size = float(np.abs(steep).max())
        return size > 1e-9 and float(np.median(np.abs(rise - steep))) < 0.1 * size

    @cached_property
    def spread(self) -> float:
        """The share of the gradients that more than `width` directions are needed for: 0 behind one convolution."""
        found = self.array("turns")
        if not found.size:
            return 0.0
        energy = np.linalg.svd(found, compute_uv=False) ** 2
        return float(energy[int(self.case["width"]) :].sum() / max(energy.sum(), 1e-30))

    @cached_property
    def sight(self) -> np.ndarray:
        """(n, rows, columns): shares of what a token depends on."""
        sight = np.abs(self.array("sight"))
        return sight / np.maximum(sight.sum((1, 2), keepdims=True), 1e-12)

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """(2, n) twice: row and column of each token, and the middle of what it sees."""
        rows, columns = np.indices(self.sight.shape[1:]).reshape(2, -1)
        flat = self.sight.reshape(len(self.sight), -1)
        return np.stack([rows, columns]), np.stack([flat @ rows, flat @ columns])

    @cached_property
    def order(self) -> str:
        if self.dead:
            return self.dead
        if self.sight.sum((1, 2)).min() < 0.5:
            return "some tokens depend on no pixel at all"
        own, seen = self.places
        step = np.median(seen - own, axis=1, keepdims=True)
        off = np.abs(seen - own - step).max(0)
        if np.abs(step).max() < 1.1 and off.max() < 1.3 and self._along(own, seen):
            return ""
        k = int(off.argmax())
        row, column = (int(v) for v in own[:, k])
        looks = f"row {seen[0, k]:.1f}, column {seen[1, k]:.1f}"
        return f"token {k} belongs to row {row}, column {column}; the middle of what it sees is {looks}"

    @staticmethod
    def _along(own: np.ndarray, seen: np.ndarray) -> bool:
        """Whether what is seen moves along with the places, down and across."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return all(np.corrcoef(a, b)[0, 1] > 0.9 for a, b in zip(own, seen, strict=True))

    @cached_property
    def own_share(self) -> float:
        """How much of what a token depends on lies in its own patch, on average."""
        flat = self.sight.reshape(len(self.sight), -1)
        return float(np.diagonal(flat).mean()) if flat.shape[0] == flat.shape[1] else 1.0

    @property
    def all_seen(self) -> bool:
        return number_of(self.got, "seen") > 0.9

    @cached_property
    def beyond(self) -> str:
        if self.dead:
            return self.dead
        if self.own_share > 0.95:
            return f"{100 * self.own_share:.0f} % of what a token depends on lies inside its own patch"
        return (
            ""
            if self.all_seen
            else f"{100 * (1 - number_of(self.got, 'seen')):.0f} % of the pixels are used by no token"
        )

    @cached_property
    def local(self) -> str:
        if self.dead:
            return self.dead
        (rows, columns), _ = self.places
        far = np.maximum(abs(rows[:, None] - rows), abs(columns[:, None] - columns)) > NEAR
        share = float((self.sight.reshape(far.shape) * far).sum(1).mean())
        found = share < 0.01 and self.sight.sum((1, 2)).min() > 0.5
        return "" if found else f"{100 * share:.0f} % of what a token depends on is further than {NEAR} patches away"

    @cached_property
    def bends(self) -> str:
        if self.dead:
            return self.dead
        a, b, both, none = self.array("sums")
        rest, size = np.abs(a + b - both - none).max(), np.abs(a - none).max()
        if not rest > 0.01 * size > 0:
            return "f(a) + f(b) is f(a + b) + f(0) for any two images"
        if self.case.covers("bends") and not self.order and self.spread < 1e-3:
            return "no activation stands between two convolutions: one convolution alone looks at the pixels"
        return ""

    @cached_property
    def norm(self) -> str:
        tokens, loud = self.array("tokens"), np.asarray(self.got.get("loud", np.zeros(0)), np.float64)
        if self.dead or loud.shape != tokens.shape or not np.isfinite(loud).all():
            return self.dead or _LATER
        spread = [a.std(axis=(0, 1)).mean() for a in (tokens, loud)]
        factor = spread[1] / max(spread[0], 1e-9)
        return "" if factor < 3 else f"at {_LOUD:.0f} times the contrast, tokens are {factor:.1f} times as spread"

    @cached_property
    def open(self) -> str:
        if self.dead:
            return self.dead
        low, high = self.array("tokens").min(), self.array("tokens").max()
        return "" if low < -0.3 * high else f"tokens lie between {low:.2f} and {high:.2f}"

    @cached_property
    def learns(self) -> str:
        if self.dead:
            return self.dead
        if number_of(self.got, "learned") < 9 * self.case["width"]:
            return f"a gradient reaches {max(0, int(number_of(self.got, 'learned')))} numbers of the module"
        return "" if number_of(self.got, "moves") == 1 else "something stays behind when the module moves"

    def marks(self) -> dict[str, np.ndarray]:
        """What tells one mistake from another, whatever the weights are."""
        tokens = np.asarray(self.got["tokens"], np.float64)
        marks = {"shape": np.array(tokens.shape, np.float64)}
        if self.case.covers("sizes"):
            return marks
        traits = [not self.dead]
        if not self.dead:
            own, seen = self.places
            turned = np.stack(np.divmod(np.arange(own.shape[1]), self.sight.shape[1]))[::-1]
            even = tokens.std(axis=(0, 1))
            checks = (self.order, self.bends, self.norm, self.open, self.learns)
            traits += [not reason for reason in checks]
            traits += [self.own_share > 0.95, self.all_seen, self._along(turned, seen)]
            traits += [bool(even.std() < 0.2 * even.mean()), number_of(self.got, "moves") == 1]
        else:
            traits += [self.dead != _LATER, bool(self.array("gradients").any())]
        marks["traits"] = np.zeros([1 + int(on) for on in traits])  # said by its shape, which is compared exactly
        return marks


QUESTIONS = (ConvStemQuestion(),)
