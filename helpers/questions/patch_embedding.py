"""Lesson 03: one linear map from patches to tokens, asked twice: in any form, and as a convolution.

The weights are the student's own, and so is the order of pixels inside a patch; a judge can't compare token values.
It asks for a property instead. The probe shows the answer an empty image, then images in which one single pixel is 1:
what changes is one column of the map. From these columns, from a few drawn images, and from a table that says which
pixels belong to which patch (it comes with the expected arrays), the judge reads all it needs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, tensor
from helpers.checks.linear_map import Reading
from helpers.checks.token_probes import goes_along
from helpers.pictures.patch_embedding import sight_picture

ARGUMENTS = ("in_channels", "patch_size", "emb_size", "img_size")
SIZES_AS_WRITTEN = "in_channels=3, patch_size=8, emb_size=64, img_size=32"
MAIN = ("shape", "order", "linear", "rank", "weights")

SHAPE = Criterion(
    "shape",
    "three axes: image, patch, emb_size",
    share=0,
    hint="For b images of n patches the tokens have the shape (b, n, emb_size).",
)
ORDER = Criterion(
    "order",
    "token k looks at patch k, in reading order, and at no pixel outside",
    hint="In the picture each panel shows the pixels that one token depends on.",
)
LINEAR = Criterion(
    "linear",
    "one affine map (a matrix and a bias) for every patch of every image",
    hint="Sums and multiples of images must give the same sums and multiples of tokens, up to a constant, and the same "
    "patch must give the same token at every place.",
)
RANK = Criterion(
    "rank",
    "the map keeps as much of a patch as emb_size numbers can",
    hint="The rank of the map from the pixels of a patch to its token is measured: min(pixels, emb_size) is possible.",
)
SIZES = Criterion(
    "sizes",
    "other channels, patch sizes and image sizes work as well",
    hint="The same is asked with other arguments of `__init__`. Only what fails at these sizes alone is counted here.",
)
DEFAULTS = Criterion(
    "defaults",
    "without arguments: 3 channels, patches of 8, width 64, images of 32",
    hint="The class is called without arguments and gets images of 3 x 32 x 32.",
)


class PatchEmbeddingQuestion(Question):
    id = "Q2"
    title = "Patch embedding"
    signature = f"PatchEmbedding({SIZES_AS_WRITTEN}): (b, c, h, w) -> (b, patches, emb_size)"
    needs_gradients = True
    criteria = (
        SHAPE,
        ORDER,
        LINEAR,
        RANK,
        Criterion(
            "weights",
            "its weights belong to the module, a gradient reaches them, and all moves to another device",
            counts_with=("order", "linear"),
            hint="Counted are the numbers among `model.parameters()` that get a gradient from the tokens; and the "
            "module is moved to another device.",
        ),
        SIZES,
        DEFAULTS,
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        p, side = (2, 3) if rng.random() < 0.5 else (3, 2)
        yield _case(rng, MAIN, 3, p, int(rng.integers(5, 9)), side)
        yield _case(rng, MAIN, 3, 2, int(rng.integers(13, 17)), 2)
        yield _case(rng, ("sizes",), 1, 2, 5, 3)
        yield _case(rng, ("sizes",), int(rng.integers(3, 5)), 1, 5, 3)
        yield _case(rng, ("sizes",), 2, int(rng.integers(3, 5)), 6, 1)
        images = rng.normal(0, 1.5, (3, 3, 32, 32))
        images[2] = images[0] + images[1]
        one, other = rng.choice(16, 2, replace=False)  # two patches, in both of them the same place
        place = rng.integers((3, 8, 8))
        pixels = [(place[0] * 32 + 8 * (k // 4) + place[1]) * 32 + 8 * (k % 4) + place[2] for k in (one, other)]
        yield Case(
            "no arguments at all",
            criteria=("defaults",),
            channels=3,
            patch=8,
            width=64,
            image=32,
            images=images.astype(np.float32),
            pixels=np.array(pixels),
        )

    def probe(self, answer, case):
        given = dict(zip(ARGUMENTS, (case[k] for k in ("channels", "patch", "width", "image")), strict=True))
        try:
            return _record(answer(**({} if case.covers("defaults") else given)), case)
        except Exception as error:
            _shorten(error)
            raise

    def judge(self, case, expected, got):
        reading = Reading(case, expected, got)
        shape = reading.shape()
        yield shape
        if case.covers("defaults"):
            yield Finding("defaults", shape.ok, shape.detail, of="shape")
            for criterion, ask in (("order", reading.order), ("linear", reading.superposed)):
                found = _first_bad("defaults", shape, ask)
                yield Finding("defaults", found.ok, found.detail, of=criterion)
        if case.covers("sizes"):
            yield Finding("sizes", shape.ok, shape.detail, of="shape")
            for criterion, ask in (("order", reading.order), ("linear", reading.linear), ("rank", reading.rank)):
                found = _first_bad("sizes", shape, ask)
                yield Finding("sizes", found.ok, found.detail, of=criterion)
        if case.covers("order"):
            for criterion, ask in self.asked(reading).items():
                yield _first_bad(criterion, shape, ask)

    def asked(self, reading: Reading) -> dict:
        return {
            "order": reading.order,
            "linear": reading.linear,
            "rank": reading.rank,
            "weights": lambda: reading.weights("learned"),
        }

    def features(self, case, expected, got):
        return Reading(case, expected, got).marks()

    def picture(self, case, expected, got):
        if "columns" not in expected:
            return None
        wanted = _lit(case, expected["where"])
        yours = None if got is None else Reading(case, expected, got).sight
        return sight_picture(wanted, yours, case["patch"])


class ConvPatchEmbeddingQuestion(PatchEmbeddingQuestion):
    id = "Q2b"
    title = "Patch embedding as a convolution"
    signature = f"ConvPatchEmbedding({SIZES_AS_WRITTEN}): (b, c, h, w) -> (b, patches, emb_size)"
    criteria = (
        SHAPE,
        ORDER,
        LINEAR,
        RANK,
        Criterion(
            "weights",
            "its weights are emb_size kernels as large as a patch, and they learn",
            counts_with=("order", "linear"),
            hint="Counted are the numbers in parameters of four or more axes (kernels) that get a gradient from the "
            "tokens.",
        ),
        SIZES,
        DEFAULTS,
    )

    def asked(self, reading: Reading) -> dict:
        return super().asked(reading) | {"weights": lambda: reading.weights("kernels")}


QUESTIONS = (PatchEmbeddingQuestion(), ConvPatchEmbeddingQuestion())


def _case(rng: np.random.Generator, criteria: tuple[str, ...], c: int, p: int, d: int, side: int) -> Case:
    """An image of `side` x `side` patches, seen pixel by pixel, and three drawn ones, the third twice the first."""
    s = p * side
    images = rng.normal(0, 1.5, (3, c, s, s))
    images[2] = 2 * images[0]
    patches = "1 patch" if side == 1 else f"{side} x {side} patches"
    return Case(
        f"{c} channel{'s' if c > 1 else ''}, {patches} of {p} x {p}, width {d}",
        criteria=criteria,
        channels=c,
        patch=p,
        width=d,
        image=s,
        images=images.astype(np.float32),
        pixels=rng.permutation(c * s * s),
    )


def _record(model, case: Case) -> dict:
    """What the answer gives for the case's images, for the first one alone, again, and for single pixels."""
    import torch

    from helpers.device import device

    if hasattr(model, "to"):
        model = model.to(device())
    images = tensor(case["images"])
    tokens = model(images)
    record = {"tokens": tokens}
    if not hasattr(tokens, "shape"):
        return record  # None, or something that is no tensor: said in words by whoever collects the arrays
    record["learned"], record["kernels"] = _learning(model, tokens)
    if len(case["pixels"]) == images[0].numel():
        record["owned"] = sum(p.numel() for p in getattr(model, "parameters", list)())
        record["moves"] = goes_along(copy.deepcopy(model), images)
    single = np.zeros((1 + len(case["pixels"]), images[0].numel()), np.float32)
    single[np.arange(1, len(single)), case["pixels"]] = 1
    if len(single) > images[0].numel():  # every pixel is asked for: then also, is the answer the same every time?
        record["alone"], record["again"] = model(images[:1]), model(images[:1].repeat(8, 1, 1, 1))
    if hasattr(model, "eval"):
        model.eval()  # so that dropout, where it stands by mistake, doesn't hide what else is right
    with torch.no_grad():
        record["columns"] = model(tensor(single.reshape(-1, *images.shape[1:])))
    return record


def _learning(model, tokens) -> tuple[int, int]:
    """How many numbers of the module get a gradient, and how many of them stand in kernels (four axes or more)."""
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad] if hasattr(model, "parameters") else []
    if not parameters or not tokens.requires_grad:
        return 0, 0
    gradients = torch.autograd.grad(tokens.square().sum(), parameters, allow_unused=True)
    reached = [p for p, g in zip(parameters, gradients, strict=True) if g is not None and bool(g.any())]
    return sum(p.numel() for p in reached), sum(p.numel() for p in reached if p.ndim >= 4)


def _shorten(error: Exception) -> None:
    """Bring an einops message, which begins with the pattern, to its reason; the names in it go to a second line."""
    if type(error).__name__ != "EinopsError" or not error.args:
        return
    lines = [line.strip() for line in str(error.args[0]).splitlines() if line.strip()]
    if not lines:
        return
    reason, _, names = lines[-1].partition("{")
    count = "" if not names else "one name" if "," not in names else "several names"
    pattern = f" in {lines[0].removeprefix('Error while preparing ')}" if len(lines) > 1 else ""
    error.args = (f"{reason.rstrip(' :')} {count}".strip() + ("\n{" + names if names else "") + pattern,)


def _first_bad(criterion: str, shape: Finding, *asks) -> Finding:
    """The shape's finding or that of the first question not met, under the name of `criterion`."""
    if not shape.ok:
        return Finding(criterion, False, "" if criterion in MAIN else shape.detail)
    for ask in asks:
        finding = ask()
        if not finding.ok:
            return Finding(criterion, False, finding.detail)
    return Finding(criterion, True)


def _lit(case: Case, where: np.ndarray) -> np.ndarray:
    """(n, h, w): 1 where a pixel belongs to patch n. `where` (n, k) holds the numbers of the pixels, channel first."""
    s = int(case["image"])
    lit = np.zeros((len(where), s * s))
    lit[np.arange(len(where))[:, None], where % (s * s)] = 1
    return lit.reshape(-1, s, s)
