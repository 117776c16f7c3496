"""Lesson 07: the whole Vision Transformer, judged by what it does and not by how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.forward_trace import class_token_on_its_way, tensors_made, token_pull
from helpers.checks.module_probes import NOTHING, as_single, prepared
from helpers.checks.placed_weights import learned
from helpers.checks.seeding import seed_torch
from helpers.checks.stub_modules import known_parts
from helpers.pictures.vision_transformer import assembly_picture

_SIZES = ("in_channels", "patch_size", "emb_size", "img_size", "depth", "num_heads", "expansion", "n_classes")
_DEFAULTS: dict[str, Any] = {
    "in_channels": 3, "patch_size": 8, "emb_size": 64, "img_size": 32, "depth": 2, "num_heads": 2, "expansion": 2,
    "n_classes": 10, "drop_p": 0.1,
}  # fmt: skip
_FELT = 1e-4  # of the logits' spread: what a change must move at least


class ViTQuestion(Question):
    id = "Q8"
    title = "The Vision Transformer"
    signature = (
        "ViT(in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10, "
        "drop_p=0.1)"
    )
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "images (b, c, h, w) go in, logits (b, n_classes) come out",
            share=0,
            hint="Compare the two shapes above. One row per image, one number per class.",
        ),
        Criterion(
            "patches",
            "every patch is heard, its place matters, and images do not hear of each other",
            share=2,
            hint="One patch was changed, or all were shuffled, and the logits did not move (or another image's did). "
            "Follow a patch from the image to the head: on which line does it get lost?",
        ),
        Criterion(
            "reads",
            "the head reads the class token, and nothing but the class token",
            share=2,
            hint="The bars show which tokens the logits hang on at the end. Which one is the class token, and which "
            "ones does your line in `forward` take?",
        ),
        Criterion(
            "normed",
            "the class token is normed before the head reads it",
            hint="A pre-norm stream leaves its last block as long as it has grown (lesson 06). What stands between "
            "that block and the head?",
        ),
        Criterion(
            "head",
            "the head is one Linear, and its numbers come out as they are",
            hint="Raising the head's bias by some numbers should raise the logits by the same numbers. What else "
            "happens to them on the way out?",
        ),
        Criterion(
            "depth",
            "depth blocks, each with weights of its own",
            hint="Look at how many numbers learn as depth grows. Does every block have its own, and does the model "
            "know of all of them?",
        ),
        Criterion(
            "sizes",
            "num_heads and expansion arrive in the blocks",
            hint="Another number of heads must give other logits, another expansion another number of weights. Write "
            "the arguments of TransformerEncoderBlock in order, and yours below them.",
        ),
        Criterion(
            "dropout",
            "drop_p acts in training, and only there",
            hint="Twice the same images: in training the logits should differ unless drop_p is 0, in eval never. "
            "Where does drop_p go to in your `__init__`?",
        ),
        Criterion(
            "defaults",
            "without arguments it is the model of the drawing",
            hint="Called without arguments it should be the same model as with all of them written out. Compare the "
            "first line of your `__init__` with the question's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def sizes(**more: int) -> dict[str, int]:
            patch, side = int(rng.choice([3, 4, 5])), int(rng.choice([2, 3]))
            drawn = {
                "in_channels": int(rng.choice([1, 2, 4])), "patch_size": patch, "img_size": patch * side,
                "emb_size": int(rng.choice([12, 24])), "depth": 2, "num_heads": int(rng.choice([2, 3])),
                "expansion": int(rng.choice([2, 3])), "n_classes": int(rng.choice([7, 8])),
            }  # fmt: skip
            return {**drawn, **more, "seed": int(rng.integers(2**31))}

        def images(size: Mapping[str, int], b: int) -> np.ndarray:
            return as_single(rng.normal(0, 1, (b, size["in_channels"], size["img_size"], size["img_size"])))

        size = sizes()
        patches = (size["img_size"] // size["patch_size"]) ** 2
        yield Case(
            f"{patches} patches, width {size['emb_size']}, {size['n_classes']} classes",
            criteria=("shape", "patches", "reads", "normed", "head"),
            x=images(size, 3),
            patch=as_single(rng.normal(0, 2, (size["in_channels"], size["patch_size"], size["patch_size"]))),
            order=(np.arange(patches) + rng.integers(1, patches)) % patches,
            raised=as_single(rng.normal(0, 3, size["n_classes"])),
            aim=as_single(rng.normal(0, 1, size["n_classes"])),
            weights=as_single(rng.uniform(1, 9, patches + 1)),
            **size,
        )
        size = sizes(num_heads=int(rng.choice([2, 3])))
        yield Case(
            f"depth 1, 2, 3 at width {size['emb_size']}", criteria=("depth", "sizes"), x=images(size, 2),
            other_heads={2: 6, 3: 4}[size["num_heads"]], other_expansion=size["expansion"] + int(rng.choice([1, 2])),
            **size,
        )  # fmt: skip
        size = sizes()
        rate = float(rng.choice([0.3, 0.4, 0.5]))
        yield Case(f"drop_p = {rate:g}", criteria=("dropout",), x=images(size, 2), drop_p=rate, **size)
        x = as_single(rng.normal(0, 1, (2, 3, 32, 32)))
        yield Case("no arguments at all", criteria=("defaults",), x=x, seed=int(rng.integers(2**31)))

    def probe(self, answer, case):
        with known_parts(answer) as log:
            if "patch" in case:
                record = _one_model(answer, case)
            elif "other_heads" in case:
                record = _many_sizes(answer, case)
            elif "drop_p" in case:
                record = _dropping(answer, case)
            else:
                record = _as_it_comes(answer, case)
            told = [*log.of("embedding"), *log.of("block")]
            calls = log.of("called")
        return record | {
            "parts": np.array([len(log.of("embedding")), len(log.of("block")), len(calls), len(set(calls))]),
            "told": np.array([np.dot(row, (1, 2, 3, 5, 7)[: len(row)]) for row in told], np.float64),
        }

    def judge(self, case, expected, got):
        if "patch" in case:
            yield _one_row_per_image(expected["logits"], np.asarray(got["logits"]))
            yield from _judge_model(case, expected, got)
        elif "other_heads" in case:
            yield from _judge_sizes(case, expected, got)
        elif "drop_p" in case:
            yield _judge_dropping(expected, got)
        else:
            pairs = [(0, 1, True), (2, 3, True), (0, 2, False)]
            yield _pairs("defaults", expected["logits"], got["logits"], pairs, "without and with arguments")

    def features(self, case, expected, got):
        """Coarse marks: what holds and what doesn't, and what the parts were told. Weights are a matter of style."""
        marks: dict[str, np.ndarray] = {"parts": got["parts"], "told": got["told"]}
        marks |= {f"ok {f.criterion}": np.array([float(f.ok)]) for f in self.judge(case, expected, got)}
        if "logits" in got:
            logits = np.asarray(got["logits"], np.float64)
            sums = np.exp(np.clip(logits, -50, 50)).sum(-1) if logits.ndim else logits
            marks["shape"] = np.array(logits.shape, np.float64)
            marks["kind"] = np.array([np.allclose(logits.sum(-1), 1, atol=1e-4), np.allclose(sums, 1, atol=1e-4)]) * 1.0
        if "pull" in got:
            pull = np.asarray(got["pull"], np.float64)
            marks["used"] = _digits(got["used"])
            marks["pull"] = np.round(2 * (pull > 1e-6 * pull.max(initial=0)))
            marks["heard"] = np.array(_felt(got["logits"]), np.float64)
        if "counts" in got:
            marks["counts"] = np.diff(np.asarray(got["counts"], np.float64))
        return marks

    def picture(self, case, expected, got):
        if "patch" not in case:
            return None
        heard = None if got is None else _felt(got["logits"])
        return assembly_picture(case["x"][0], case["patch_size"], heard, None if got is None else got["pull"])


def _sizes(case: Case, **changed: Any) -> dict[str, Any]:
    return {name: case[name] for name in _SIZES if name in case} | changed


def _made(answer: Any, seed: int, *, stirred: bool = True, **sizes: Any) -> Any:
    """A model under a seed; stirred, so that no weight is zero, whatever it was born as."""

    seed_torch(seed % 2**31)
    np.random.seed(seed % 2**31)
    model = prepared(_called(answer, **sizes))
    if stirred:
        stir(model, seed)
    return model


def _called(answer: Any, **sizes: Any) -> Any:
    """The model; a stand-in for the very model that is asked for is no answer, nor is one wrapped in another class."""
    from helpers.built import stand_ins

    model = answer(**sizes)
    if any(isinstance(part, stand_ins.ViT) for part in (model.modules() if hasattr(model, "modules") else ())):
        raise TypeError("this is the stand-in for the model that Q8 asks you to build")
    return model


def stir(model: Any, seed: int) -> None:
    """Add noise to every weight: about as large as weights are for a matrix, 0.3 for a vector."""
    import torch

    noise = torch.Generator().manual_seed(seed % 2**31)
    with torch.no_grad():
        for p in model.parameters() if hasattr(model, "parameters") else ():
            size = 0.3 if p.ndim < 2 else p[0].numel() ** -0.5
            p.add_((size * torch.randn(p.shape, generator=noise)).to(p))


def _one_model(answer: Any, case: Case) -> dict[str, Any]:
    import torch

    x, p, d = tensor(case["x"]), case["patch_size"], case["emb_size"]
    side = case["img_size"] // p
    b, tokens = len(x), side**2 + 1
    model = _made(answer, case["seed"], stirred=False, **_sizes(case, drop_p=0.0))
    _, made = tensors_made(model, x)
    record: dict[str, Any] = {"born": class_token_on_its_way(made, b, tokens, d)}
    stir(model, case["seed"])
    out, made = tensors_made(model, x)
    out = torch.as_tensor(out)
    logits = [out, model(x.flip(0)).flip(0), torch.cat([model(one[None]) for one in x])]
    for place in range(tokens - 1):
        row, column = divmod(place, side)
        changed = x.clone()
        changed[:, :, row * p : (row + 1) * p, column * p : (column + 1) * p] += tensor(case["patch"])
        logits.append(model(changed))
    grid = x.unfold(2, p, p).unfold(3, p, p).flatten(2, 3)[:, :, case["order"].tolist()]
    shuffled = grid.unflatten(2, (side, side)).transpose(3, 4).reshape(x.shape)
    logits.append(model(shuffled))
    record["logits"] = torch.stack([one.detach().float() for one in logits])
    pull = NOTHING
    if out.shape == (b, case["n_classes"]):
        pull = token_pull(out, made, tensor(case["aim"]), b, tokens)
    record["used"] = np.array([learned(model, out)])
    record["pull"] = pull * case["weights"] if pull.shape == case["weights"].shape else pull
    bias = [q for q in model.parameters() if q.shape == (case["n_classes"],)]
    with torch.no_grad():
        if bias:
            bias[-1].add_(tensor(case["raised"]).to(bias[-1]))
    record["raised"] = model(x) if bias else NOTHING
    return record


def _many_sizes(answer: Any, case: Case) -> dict[str, Any]:
    import torch

    def count(**changed: Any) -> int:
        model = _called(answer, **_sizes(case, drop_p=0.0, **changed))
        return sum(p.numel() for p in model.parameters() if p.requires_grad)

    counts = [count(depth=depth) for depth in (1, 2, 3)] + [count(expansion=case["other_expansion"])]
    x, own, other = tensor(case["x"]), case["num_heads"], case["other_heads"]
    logits = []
    for heads in (own, other, own):
        model = _made(answer, case["seed"], **_sizes(case, drop_p=0.0, num_heads=heads))
        logits.append(model(x).detach())
    return {"counts": np.array(counts), "logits": torch.stack(logits)}


def _dropping(answer: Any, case: Case) -> dict[str, Any]:
    import torch

    x, logits = tensor(case["x"]), []
    for rate in (case["drop_p"], 0.0):
        model = _made(answer, case["seed"], **_sizes(case, drop_p=rate))
        for training in (True, True, False, False):
            model.train(training)
            logits.append(model(x).detach())
    return {"logits": torch.stack(logits)}


def _as_it_comes(answer: Any, case: Case) -> dict[str, Any]:
    import torch

    x, logits = tensor(case["x"]), []
    for training in (False, True):
        for given in (dict[str, Any](), _DEFAULTS):
            model = _made(answer, case["seed"], **given)
            model.train(training)
            seed_torch(3)
            logits.append(model(x).detach())
    return {"logits": torch.stack(logits)}


def _digits(count: np.ndarray) -> np.ndarray:
    """A count digit by digit, so that large counts that differ a little are told apart."""
    value = float(np.asarray(count, np.float64).reshape(-1)[:1].sum())
    return np.array([float(c) for c in f"{int(value):08d}"])


def _felt(logits: np.ndarray) -> list[bool]:
    """For each variant after the first three: whether it moved every image's logits."""
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 3 or len(logits) < 4 or not np.isfinite(logits).all():
        return []
    moved = np.abs(logits[3:] - logits[0]).max(-1).min(-1)
    return [bool(m) for m in moved > _FELT * max(logits[0].std(), 1e-30)]


def _one_row_per_image(expected: np.ndarray, got: np.ndarray) -> Finding:
    """Both hold the logits of several variants, one after the other."""
    if got.shape == expected.shape:
        return Finding("shape", True)
    return Finding("shape", False, f"expected shape {tuple(expected.shape[1:])}, got {tuple(got.shape[1:])}")


def _judge_model(case: Case, expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> Iterable[Finding]:
    logits = np.asarray(got["logits"], np.float64)
    whole = logits.shape == expected["logits"].shape and bool(np.isfinite(logits).all())
    if not whole:
        for criterion in ("patches", "reads", "normed", "head"):
            yield Finding(criterion, False, "there are no logits of the right shape to look at")
        return
    yield _judge_patches(case, logits)
    yield _judge_pull(case, got)
    born = np.asarray(got["born"], np.float64)
    yield _judge_normed(born, case["emb_size"])
    if np.size(got.get("raised", NOTHING)) == 0:
        yield Finding("head", False, f"no layer has a bias of {case['n_classes']} numbers, one per class")
        return
    yield same("head", logits[0] + case["raised"], got["raised"], 2e-3, what="logits, after raising the bias,")


def _judge_patches(case: Case, logits: np.ndarray) -> Finding:
    room = 2e-3 * max(1.0, np.abs(logits[0]).max())
    if np.abs(logits[1] - logits[0]).max() > room or np.abs(logits[2] - logits[0]).max() > room:
        return Finding("patches", False, "an image's logits change with the other images of the batch")
    *heard, placed = _felt(logits)
    if not any(heard):
        return Finding("patches", False, "no patch of the image moves the logits")
    if not all(heard):
        return Finding("patches", False, f"patch {heard.index(False)} can change without moving the logits")
    if not placed:
        return Finding("patches", False, "all patches can trade places without moving the logits")
    return Finding("patches", True)


def _judge_pull(case: Case, got: Mapping[str, np.ndarray]) -> Finding:
    pull, weights = np.asarray(got["pull"], np.float64), np.asarray(case["weights"], np.float64)
    if pull.shape != weights.shape or not np.isfinite(pull).all():
        return Finding("reads", False, f"before the head there was no tensor of {len(weights)} tokens, patches + 1")
    share = pull / weights
    if abs(share.sum() - 1) < 1e-3 and abs(share[0] - 1) < 1e-3:
        return Finding("reads", True)
    if abs(share.sum() - 1) > 1e-3:
        return Finding("reads", False, "the logits hang on no token")
    listed = ", ".join(f"{100 * s:.0f} %" for s in share[:6])
    return Finding("reads", False, f"expected token 0 alone; the logits hang on the tokens by {listed}, …")


def _judge_normed(born: np.ndarray, width: int) -> Finding:
    if born.ndim != 3 or born.shape[-1] != width or not born.size or not np.isfinite(born).all():
        return Finding("normed", False, "no token of this width was seen before the head")
    means, spreads = np.abs(born.mean(-1)).max(-1), born.std(-1)
    calm = (means < 0.02) & (spreads.min(-1) > 0.85) & (spreads.max(-1) < 1.05)
    if calm.any():
        return Finding("normed", True)
    return Finding(
        "normed", False, f"expected mean 0 and spread 1, got {born[-1].mean(-1)[0]:.2f} and {spreads[-1][0]:.2f}"
    )


def _judge_sizes(case: Case, expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> Iterable[Finding]:
    counts = np.asarray(got["counts"], np.float64).reshape(-1)
    d, e, depth = case["emb_size"], case["expansion"], case["depth"]
    if counts.shape != (4,) or not np.isfinite(counts).all():
        for criterion in ("depth", "sizes"):
            yield Finding(criterion, False, "the weights could not be counted")
        return
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    least = (4 + 2 * e) * d * d
    if first == second == 0:
        yield Finding("depth", False, f"{counts[0]:,.0f} numbers learn at any depth")
    elif first != second or not least <= first <= 2 * least:
        yield Finding("depth", False, f"a block more adds {second:,.0f} numbers; expected about {least + 9 * d:,}")
    else:
        yield Finding("depth", True)
    wider = depth * (case["other_expansion"] - e)
    more = counts[3] - counts[1]
    if more not in (wider * 2 * d * d, wider * (2 * d * d + d)):
        says = f"expansion {case['other_expansion']} instead of {e} adds {more:,.0f} numbers"
        yield Finding("sizes", False, f"{says}, expected {wider * (2 * d * d + d):,}")
    else:
        what = f"{case['num_heads']}, {case['other_heads']} and {case['num_heads']} heads"
        yield _pairs("sizes", expected["logits"], got["logits"], [(0, 2, True), (0, 1, False)], what)


def _judge_dropping(expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> Finding:
    for pairs, what in (
        ([(2, 3, True)], "the same images twice, in eval"),
        ([(0, 1, False)], "the same images twice, in training"),
        ([(4, 5, True), (4, 6, True)], "training and eval at drop_p = 0"),
    ):
        found = _pairs("dropout", expected["logits"], got["logits"], pairs, what)
        if not found.ok:
            return found
    return found


def _pairs(
    criterion: str, expected: np.ndarray, got: np.ndarray, pairs: list[tuple[int, int, bool]], what: str
) -> Finding:
    """Met when some rows of the logits agree and others don't, as `pairs` says: (one, other, equal)."""
    shapes = same_shape(criterion, expected, got)
    if not shapes.ok:
        return shapes
    got = np.asarray(got, np.float64)
    if not np.isfinite(got).all():
        return Finding(criterion, False, "some logits are nan or infinite")
    scale = max(float(got.std()), 1e-30)
    for one, other, equal in pairs:
        distance = float(np.abs(got[one] - got[other]).max())
        if equal and distance > 2e-3 * scale:
            return Finding(criterion, False, f"{what}: logits should agree, and differ by up to {distance:.2g}")
        if not equal and distance < _FELT * scale:
            return Finding(criterion, False, f"{what}: the logits are the same, and should not be")
    return Finding(criterion, True)


QUESTIONS = (ViTQuestion(),)
