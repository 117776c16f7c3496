"""Lesson 07: the whole Vision Transformer, judged by what it does and not by how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.forward_trace import class_token_on_its_way, tensors_made, token_pull
from helpers.checks.gradients import gradients, same_gradients, with_gradient, with_paths
from helpers.checks.module_probes import NOTHING, as_single, prepared
from helpers.checks.placed_weights import learned, norm_parameters, put
from helpers.checks.seeding import seed_torch
from helpers.checks.stub_modules import Log, known_parts
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
            hint="One row per image, one number per class.",
        ),
        Criterion(
            "stream",
            "the images go through the embedding, its tokens through the blocks, one after the other",
            share=2,
            hint="The tokens that enter and leave each block are compared with the solution's. (For a model that "
            "uses other parts than those of earlier lessons: every patch and its position must change the logits.)",
        ),
        Criterion(
            "reads",
            "the head reads the class token alone, and the logits are the solution's",
            share=2,
            hint="The bars show how much the logits depend on each token that leaves the last block.",
        ),
        Criterion(
            "normed",
            "a layer norm stands between the last block and the head",
            counts_with=("stream", "reads"),
            hint="Mean and spread of the class token are measured from the last block to the head.",
        ),
        Criterion(
            "head",
            "the head is one Linear, and its output is returned as it is",
            counts_with=("stream", "reads"),
            hint="The head's bias was raised by some numbers, and the logits should rise by the same numbers.",
        ),
        Criterion(
            "depth",
            "depth blocks, each with weights of its own",
            counts_with=("stream", "reads"),
            hint="Models of depth 1, 2 and 3 are compared.",
        ),
        Criterion(
            "sizes",
            "num_heads and expansion reach the blocks",
            counts_with=("stream", "reads"),
            hint="Models with another number of heads and another expansion are compared.",
        ),
        Criterion(
            "dropout",
            "drop_p acts in training, and only there",
            counts_with=("stream", "reads"),
            hint="The same images are given twice, in training and in evaluation, with drop_p and with drop_p=0.",
        ),
        Criterion(
            "defaults",
            "without arguments it is the model of the signature",
            counts_with=("stream", "reads"),
            hint="The model made without arguments is compared with the one made with all of them written out.",
        ),
        Criterion(
            "trains",
            "gradients flow to the images and to every weight",
            hint="The gradients for the images and for the weights of embedding, blocks, norm and head are compared "
            "with the solution's.",
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
            criteria=("shape", "stream", "reads", "normed", "head", "trains"),
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
                record = _one_model(answer, case, log)
            elif "other_heads" in case:
                record = _many_sizes(answer, case, log)
            elif "drop_p" in case:
                record = _dropping(answer, case)
            else:
                record = _as_it_comes(answer, case, log)
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
        elif "tokens" in got:
            yield same("defaults", expected["tokens"], got["tokens"], got.tolerance, what="numbers in the tokens")
            found = _pairs("defaults", expected["logits"], got["logits"], [(0, 1, True), (2, 3, True)], "both ways")
            yield found
        else:
            pairs = [(0, 1, True), (2, 3, True), (0, 2, False)]
            yield _pairs("defaults", expected["logits"], got["logits"], pairs, "without and with arguments")

    def features(self, case, expected, got):
        """Coarse marks: what holds and what doesn't, and what the parts were told. Weights are a matter of style."""
        marks: dict[str, np.ndarray] = {"parts": got["parts"], "told": got["told"]}
        marks |= {f"ok {f.criterion}": np.array([float(f.ok)]) for f in self.judge(case, expected, got)}
        marks["known"] = np.array([float("tokens" in got)])
        if "tokens" in got and "tokens" in expected and got["tokens"].shape == expected["tokens"].shape:
            pairs = zip(expected["tokens"], got["tokens"], strict=True)
            marks["right tokens"] = np.array([float(np.allclose(a, b, atol=1e-3)) for a, b in pairs])
        marks |= with_paths(expected, got) if case.covers("trains") else {}
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


def _one_model(answer: Any, case: Case, log: Log) -> dict[str, Any]:
    """One model, asked in many ways. With known parts everything has known weights and can be compared; without, its
    own weights are stirred, and properties are left."""
    import torch

    x, p, d = tensor(case["x"]), case["patch_size"], case["emb_size"]
    side = case["img_size"] // p
    b, tokens = len(x), side**2 + 1
    log.start(case["seed"])
    model = _made(answer, case["seed"], stirred=False, **_sizes(case, drop_p=0.0))
    _, made = tensors_made(model, x)
    record: dict[str, Any] = {"born": class_token_on_its_way(made, b, tokens, d)}
    known = _uses_known_parts(log)
    roles = _own_roles(model, log, case) if known else {}
    if known:
        for role, parameter in roles.items():
            put(parameter, _drawn(case, role, tuple(parameter.shape)))
        log.stream.clear()
        leaf, images = with_gradient(case["x"])
        given = model(images)
        record["tokens"] = _stream(log, b, tokens, d)
        record |= _all_gradients(model, given, leaf, roles, log, int(case["seed"]))
    else:
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
    if known:
        record["exact"] = out.detach()
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


def _uses_known_parts(log: Log) -> bool:
    """Whether the model was put together from the parts that stand for those of earlier lessons."""
    return bool(log.of("embedding")) and bool(log.of("block"))


def _own_roles(model: Any, log: Log, case: Case) -> dict[str, Any]:
    """The parameters of the norm and the head, which are the model's own: by what they are made for."""
    theirs = {id(p) for part in log.parts for p in part.parameters()}
    own = [(n, p) for n, p in model.named_parameters() if id(p) not in theirs]
    d, k = case["emb_size"], case["n_classes"]

    class Vectors:
        @staticmethod
        def named_parameters() -> list[tuple[str, Any]]:
            return [(name.rpartition(".")[2], p) for name, p in own if p.numel() == d]

    factor, summand = norm_parameters(Vectors, d)
    found = {"norm": factor, "norm bias": summand}
    for _, p in own:
        if sorted(p.shape) == sorted((k, d)):
            found["head"] = p
        elif p.numel() == k:
            found["head bias"] = p
    return {role: p for role, p in found.items() if p is not None}


def _drawn(case: Case, role: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights for the norm and the head; a head's matrix is (n_classes, emb_size), turned where it is kept so."""
    rng = np.random.default_rng([case["seed"] % 2**32, *role.encode()])
    if role == "head":
        matrix = rng.normal(0, case["emb_size"] ** -0.5, (case["n_classes"], case["emb_size"]))
        return as_single(matrix if shape == matrix.shape else matrix.T)
    values = rng.normal(0, 0.4, shape)
    return as_single(values + 1 if role == "norm" else values)


def _stream(log: Log, b: int, tokens: int, d: int) -> Any:
    """(2 blocks, b, tokens, d): what each block got and gave; tokens of other shapes are left out."""
    import torch

    fitting = [t.detach() for t in log.stream if tuple(t.shape) == (b, tokens, d)]
    return torch.stack(fitting) if fitting else NOTHING


def _all_gradients(model: Any, out: Any, leaf: Any, roles: dict[str, Any], log: Log, seed: int) -> dict[str, Any]:
    listed = {id(p) for p in model.parameters()}
    wanted = {"images": leaf}
    wanted |= {f"{_name(part, k)} {n}": p for k, part in enumerate(log.parts) for n, p in part.named_parameters()}
    found = gradients(out, wanted | roles, seed)
    for name, parameter in (wanted | roles).items():
        if parameter is not leaf and id(parameter) not in listed:
            found[f"grad {name}"] = np.zeros(tuple(parameter.shape), np.float32)
    if "head" in roles and roles["head"].shape[0] != out.shape[-1]:  # kept the other way round
        found["grad head"] = found["grad head"].T
    return found


def _name(part: Any, number: int) -> str:
    return "embedding" if type(part).__name__ == "PatchEmbedding" else f"block {number}"


def _many_sizes(answer: Any, case: Case, log: Log) -> dict[str, Any]:
    import torch

    def count(**changed: Any) -> int:
        model = _called(answer, **_sizes(case, drop_p=0.0, **changed))
        return sum(p.numel() for p in model.parameters() if p.requires_grad)

    counts = [count(depth=depth) for depth in (1, 2, 3)] + [count(expansion=case["other_expansion"])]
    x, own, other = tensor(case["x"]), case["num_heads"], case["other_heads"]
    logits = []
    for heads in (own, other, own):
        log.start(case["seed"])
        model = _made(answer, case["seed"], **_sizes(case, drop_p=0.0, num_heads=heads))
        logits.append(model(x).detach())
    record = {"counts": np.array(counts), "logits": torch.stack(logits)}
    if _uses_known_parts(log):
        record |= _known_sizes(answer, case, log)
    return record


def _known_sizes(answer: Any, case: Case, log: Log) -> dict[str, Any]:
    """The tokens that leave the last block at depth 1, 2 and 3, and with another number of heads, another expansion."""
    import torch

    x, shape = tensor(case["x"]), (len(case["x"]), (case["img_size"] // case["patch_size"]) ** 2 + 1, case["emb_size"])
    record: dict[str, Any] = {}
    changes = {
        "tokens": [{"depth": depth} for depth in (1, 2, 3)],
        "other tokens": [{"num_heads": case["other_heads"]}, {"expansion": case["other_expansion"]}],
    }
    for name, rows in changes.items():
        found = []
        for changed in rows:
            log.start(case["seed"])
            model = _called(answer, **_sizes(case, drop_p=0.0, **changed)).to(x.device)
            model(x)
            last = log.stream[-1].detach() if log.stream else torch.zeros(())
            found.append(last if tuple(last.shape) == shape else torch.zeros(shape).to(x))
        record[name] = torch.stack(found)
    return record


def _dropping(answer: Any, case: Case) -> dict[str, Any]:
    import torch

    x, logits = tensor(case["x"]), []
    for rate in (case["drop_p"], 0.0):
        model = _made(answer, case["seed"], **_sizes(case, drop_p=rate))
        for training in (True, True, False, False):
            model.train(training)
            logits.append(model(x).detach())
    return {"logits": torch.stack(logits)}


def _as_it_comes(answer: Any, case: Case, log: Log) -> dict[str, Any]:
    import torch

    x, logits, tokens = tensor(case["x"]), [], []
    for training in (False, True):
        for given in (dict[str, Any](), _DEFAULTS):
            log.start(case["seed"])
            model = _made(answer, case["seed"], **given)
            model.train(training)
            seed_torch(3)
            logits.append(model(x).detach())
            if not training and not given:
                tokens = [t.detach() for t in log.stream]
    record = {"logits": torch.stack(logits)}
    if _uses_known_parts(log):
        shape = (len(x), 17, 64)
        record["tokens"] = torch.stack([t for t in tokens if tuple(t.shape) == shape] or [torch.zeros(())])
    return record


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


def _judge_model(case: Case, expected: Mapping[str, np.ndarray], got: Any) -> Iterable[Finding]:
    logits = np.asarray(got["logits"], np.float64)
    whole = logits.shape == expected["logits"].shape and bool(np.isfinite(logits).all())
    if not whole:
        for criterion in ("stream", "reads", "normed", "head", "trains"):
            yield Finding(criterion, False, "there are no logits of the right shape to look at")
        return
    known = "tokens" in got
    stream = _judge_stream(expected, got) if known else _judge_patches(case, logits)
    yield stream
    normed = _judge_normed(np.asarray(got["born"], np.float64), case["emb_size"])
    if np.size(got.get("raised", NOTHING)) == 0:
        head = Finding("head", False, f"no layer has a bias of {case['n_classes']} numbers, one per class")
    else:
        head = same("head", logits[0] + case["raised"], got["raised"], 2e-3, what="logits, after raising the bias,")
    yield normed
    yield head
    reads = _judge_pull(case, got)
    exact = same("reads", expected["exact"], got.get("exact"), got.tolerance, what="logits")
    if known and reads.ok and normed.ok and head.ok and stream.ok:
        reads = exact
    yield reads
    if known and exact.ok:
        yield same_gradients("trains", expected, got, got.tolerance)
    elif known:
        yield Finding("trains", False, "can be seen once the logits are right", of="reads" if stream.ok else "stream")
    else:
        yield Finding("trains", np.size(got["pull"]) > 0 and stream.ok, "no gradient reaches the tokens")


def _judge_stream(expected: Mapping[str, np.ndarray], got: Any) -> Finding:
    """The tokens that each block got and gave, up to the first that is another one."""
    wanted, given = np.asarray(expected["tokens"], np.float64), np.asarray(got["tokens"], np.float64)
    if given.shape != wanted.shape:
        calls = len(given) // 2 if given.ndim == 4 else 0
        return Finding("stream", False, f"{calls} blocks got tokens of the right shape; expected {len(wanted) // 2}")
    for k, (one, other) in enumerate(zip(wanted, given, strict=True)):
        if not same("stream", one, other, got.tolerance).ok:
            where = ("gets", "gives") if k else ("gets", "")
            return Finding("stream", False, f"block {k // 2 + 1} {where[k % 2]} other tokens than in the solution")
    return Finding("stream", True)


def _judge_patches(case: Case, logits: np.ndarray) -> Finding:
    room = 2e-3 * max(1.0, np.abs(logits[0]).max())
    if np.abs(logits[1] - logits[0]).max() > room or np.abs(logits[2] - logits[0]).max() > room:
        return Finding("stream", False, "an image's logits change with the other images of the batch")
    *heard, placed = _felt(logits)
    if not any(heard):
        return Finding("stream", False, "no patch of the image moves the logits")
    if not all(heard):
        return Finding("stream", False, f"patch {heard.index(False)} can change without moving the logits")
    if not placed:
        return Finding("stream", False, "all patches can trade places without moving the logits")
    return Finding("stream", True)


def _judge_pull(case: Case, got: Mapping[str, np.ndarray]) -> Finding:
    pull, weights = np.asarray(got["pull"], np.float64), np.asarray(case["weights"], np.float64)
    if pull.shape != weights.shape or not np.isfinite(pull).all():
        return Finding("reads", False, f"before the head there was no tensor of {len(weights)} tokens, patches + 1")
    share = pull / weights
    if abs(share.sum() - 1) < 1e-3 and abs(share[0] - 1) < 1e-3:
        return Finding("reads", True)
    if abs(share.sum() - 1) > 1e-3:
        return Finding("reads", False, "the logits depend on no token")
    listed = ", ".join(f"{100 * s:.0f} %" for s in share[:6])
    return Finding("reads", False, f"expected token 0 alone; the logits depend on the tokens by {listed}, …")


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


def _judge_sizes(case: Case, expected: Mapping[str, np.ndarray], got: Any) -> Iterable[Finding]:
    counts = np.asarray(got["counts"], np.float64).reshape(-1)
    d, e, depth = case["emb_size"], case["expansion"], case["depth"]
    if "tokens" in got:
        what = "numbers in the tokens (depth 1, 2, 3)"
        yield same("depth", expected["tokens"], got["tokens"], got.tolerance, what=what)
        what = "numbers in the tokens (other heads, other expansion)"
        yield same("sizes", expected["other tokens"], got.get("other tokens"), got.tolerance, what=what)
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
