"""Lesson 12: weights for another size (Q26b), rates by layer (Q26c), averaged weights (Q27b), a vote (Q27c)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, tensor
from helpers.checks.given_parts import given_parts
from helpers.checks.module_probes import NOTHING, as_single, number_of

_WAYS = ("own", "given")
_FIRST = "patch_embed.proj.weight"
_BESIDE = ("cls_token", "blocks.0.attn.qkv.weight", "blocks.0.head_norm.weight", "norm.bias")


class AdaptWeights(Question):
    id = "Q26b"
    title = "Weights for another size and other channels"
    signature = "adapt_weights(weights, new_grid, in_channels) -> a new dictionary"
    criteria = (
        Criterion(
            "head",
            "no tensor of the head is left, and everything else is there",
            counts_with=("positions", "first"),
            hint="The check compares the names. A layer whose name merely contains “head” stays.",
        ),
        Criterion(
            "positions",
            "pos_embed is resampled for the new grid",
            share=1,
            hint="The check compares pos_embed with what resize_position_embedding gives for this grid.",
        ),
        Criterion(
            "first",
            "patch_embed.proj.weight is adapted to the channels",
            share=1,
            hint="The check compares the first layer with what adapt_first_layer gives for these channels.",
        ),
        Criterion(
            "rest",
            "all other tensors are as they were, and so is the dictionary that came in",
            counts_with=("positions", "first"),
            hint="Changes belong into the new dictionary.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        for old, new, channels in ((3, (2, 2), 1), (4, (3, 5), 1), (3, (4, 2), 5)):
            d = int(rng.integers(3, 6))
            shapes = {"pos_embed": (1, 1 + old * old, d), _FIRST: (d, 3, 2, 2), "cls_token": (1, 1, d)}
            shapes |= {"blocks.0.attn.qkv.weight": (3 * d, d), "blocks.0.head_norm.weight": (d,), "norm.bias": (d,)}
            shapes |= {"head.weight": (4, d), "head.bias": (4,)}
            drawn: dict[str, Any] = {f"w {name}": as_single(rng.normal(0, 1, shape)) for name, shape in shapes.items()}
            drawn |= {"rows": new[0], "columns": new[1], "channels": channels}
            yield Case(f"{old} x {old} to {new[0]} x {new[1]}, {channels} channels", **drawn)

    def probe(self, answer, case):
        record: dict[str, Any] = {}
        trouble: Exception | None = None
        given = {"resize_position_embedding": corner_of, "adapt_first_layer": first_slices}
        for way, parts in (("own", {}), ("given", given)):
            weights = {name[2:]: tensor(array).clone() for name, array in case.items() if name.startswith("w ")}
            before = {name: value.clone() for name, value in weights.items()}
            try:
                with given_parts(answer, parts):
                    made = answer(weights, (case["rows"], case["columns"]), case["channels"])
            except Exception as error:
                trouble = trouble or error
                continue
            heads = sum(name.startswith("head.") for name in made)
            kept = [made[name].detach().reshape(-1) for name in _BESIDE if name in made]
            import torch

            unchanged = list(weights) == list(before) and all(torch.equal(weights[n], before[n]) for n in before)
            record |= {f"heads {way}": heads, f"count {way}": len(made), f"unchanged {way}": bool(unchanged)}
            record[f"rest {way}"] = torch.cat(kept) if kept else NOTHING
            adapted = {"positions": "pos_embed", "first": _FIRST}
            record |= {f"{part} {way}": made[key].detach() for part, key in adapted.items() if key in made}
        if not record and trouble is not None:
            raise trouble
        return record

    def judge(self, case, expected, got):
        found = {way: list(self._findings(way, expected, got)) for way in _WAYS}
        yield from found[max(_WAYS, key=lambda way: sum(f.ok for f in found[way]))]

    def _findings(self, way: str, expected: Any, got: Any) -> Iterable[Finding]:
        heads, count = (
            int(number_of(got, f"{name} {way}")) if f"{name} {way}" in got else -1 for name in ("heads", "count")
        )
        wanted = int(expected[f"count {way}"])
        right = heads == 0 and count == wanted
        detail = f"{heads} tensors of the head, {count} tensors in all; expected 0 and {wanted}"
        yield Finding("head", right, "" if right else detail)
        for part in ("positions", "first"):
            yield same(part, expected[f"{part} {way}"], got.get(f"{part} {way}", NOTHING), max(got.tolerance, 1e-5))
        kept = same("rest", expected[f"rest {way}"], got.get(f"rest {way}", NOTHING), got.tolerance)
        unchanged = bool(np.asarray(got.get(f"unchanged {way}", False)).any())
        yield kept if unchanged or not kept.ok else Finding("rest", False, "the dictionary that came in was changed")


class LayerGroups(Question):
    id = "Q26c"
    title = "A learning rate for each layer"
    signature = "layer_groups(named_parameters, layer_of, layers, lr, decay) -> parameter groups"
    criteria = (
        Criterion(
            "rates",
            "the last layer has the rate lr, and each earlier one `decay` times the rate of the next",
            share=2,
            hint="The check makes an SGD step with your groups, with random gradients, and compares all parameters.",
        ),
        Criterion(
            "frozen",
            "frozen parameters are in no group, all others in exactly one",
            counts_with=("rates",),
            hint="The check counts how often each parameter occurs in your groups.",
        ),
        Criterion(
            "sizes",
            "other numbers of layers, and other decays",
            share=1,
            hint="There are more layers here, and the parameters do not come in the order of their layers.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, criteria: tuple[str, ...], layers: int, decay: float, frozen: bool) -> Case:
            of = rng.permutation(np.concatenate([np.arange(layers), rng.integers(0, layers, 4)]))
            values, slopes = rng.normal(0, 1, (2, len(of), 3))
            shut = (rng.random(len(of)) < 0.35) if frozen else np.zeros(len(of), bool)
            shut[:1] = frozen
            return Case(f"{layers} layers, decay {decay:g}, {name}", criteria=criteria, of=of, frozen=shut,
                        values=as_single(values), slopes=as_single(slopes), layers=layers,
                        lr=float(rng.uniform(0.3, 0.9)), decay=decay)  # fmt: skip

        yield case("nothing frozen", ("rates",), 4, 0.5, frozen=False)
        yield case("some frozen", ("frozen", "rates"), 3, 0.7, frozen=True)
        yield case(
            "nothing frozen", ("sizes",), int(rng.integers(5, 9)), float(rng.choice([0.6, 0.8, 0.9])), frozen=False
        )

    def probe(self, answer, case):
        import torch

        parameters, of = {}, {}
        for k, layer in enumerate(case["of"].tolist()):
            parameter = torch.nn.Parameter(tensor(case["values"][k]).clone(), requires_grad=not case["frozen"][k])
            parameters[f"part {k}"], of[f"part {k}"] = parameter, layer
        groups = list(answer(list(parameters.items()), of.__getitem__, case["layers"], case["lr"], case["decay"]))
        members = [list(group["params"]) for group in groups]
        counts = [sum(p is q for own in members for q in own) for p in parameters.values()]
        for k, parameter in enumerate(parameters.values()):
            parameter.grad = tensor(case["slopes"][k]).clone()
        once, seen = [], set[int]()
        for group, own in zip(groups, members, strict=True):
            fresh = [p for p in own if id(p) not in seen and not seen.add(id(p))]  # type: ignore[func-returns-value]
            once += [{"params": fresh, "lr": group.get("lr", 1.0)}] if fresh else []
        torch.optim.SGD(once, lr=1.0).step()
        return {"after": torch.stack([p.detach() for p in parameters.values()]), "counts": np.array(counts)}

    def judge(self, case, expected, got):
        after = got.get("after", NOTHING)
        free = case["frozen"] == 0
        fits = after.shape == expected["after"].shape
        for criterion in ("rates", "sizes"):
            if case.covers(criterion):
                given = after[free] if fits else after
                yield same(
                    criterion, expected["after"][free], given, max(got.tolerance, 1e-5), what="numbers after a step"
                )
        if case.covers("frozen"):
            counts = np.asarray(got.get("counts", NOTHING)).reshape(-1)
            right = np.array_equal(counts, expected["counts"])
            yield Finding(
                "frozen", right, "" if right else "a frozen parameter is in a group, or one is missing or double"
            )


class WeightAverageQuestion(Question):
    id = "Q27b"
    title = "An average of the weights"
    signature = "WeightAverage(model, decay=0.99); .model; .update(model)"
    criteria = (
        Criterion(
            "start",
            "it starts with a copy of the model, not with the model itself",
            counts_with=("average",),
            hint="The model is changed before the first update. The average must still hold its old weights.",
        ),
        Criterion(
            "average",
            "each update: decay times the average plus (1 - decay) times the weights",
            share=3,
            hint="The check makes several updates with random weights and compares the average after each.",
        ),
        Criterion(
            "buffers",
            "buffers are copied as they are",
            share=1,
            hint="The module has batch norm, whose statistics and counter are buffers.",
        ),
        Criterion(
            "apart",
            "the model in training stays as it is, and the average asks for no gradient",
            counts_with=("average",),
            hint="The check compares the weights of the model before and after update, and requires_grad.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        for decay in (0.9, float(rng.choice([0.5, 0.7, 0.8]))):
            d = int(rng.integers(3, 6))
            rounds = rng.normal(0, 1, (4, 2 * d * d + 4 * d))
            yield Case(f"decay {decay:g}, width {d}, three updates", rounds=as_single(rounds), d=d, decay=decay)

    def probe(self, answer, case):
        import torch
        from torch import nn

        from helpers.device import device

        d = case["d"]
        model = nn.Sequential(nn.Linear(d, d, bias=False), nn.BatchNorm1d(d), nn.Linear(d, d, bias=False)).to(device())
        kinds = (nn.Module.parameters, nn.Module.buffers)

        def fill(numbers: np.ndarray, step: int) -> None:
            flat, start = tensor(numbers), 0
            with torch.no_grad():
                for part in [p for kind in kinds for p in kind(model) if p.ndim]:
                    part.copy_(flat[start : start + part.numel()].reshape(part.shape))
                    start += part.numel()
                dict(model.named_buffers())["1.num_batches_tracked"].fill_(3 * step + 1)

        def flat(module: Any, kind: Any) -> Any:
            return torch.cat([p.detach().float().reshape(-1) for p in kind(module)]).clone()

        fill(case["rounds"][0], 0)
        mean = answer(model, case["decay"])
        fill(case["rounds"][1], 1)
        start, averages, buffers, unchanged = flat(mean.model, kinds[0]), [], [], True
        for step in (1, 2, 3):
            fill(case["rounds"][step], step)
            before = flat(model, kinds[0])
            mean.update(model)
            averages.append(flat(mean.model, kinds[0]))
            buffers.append(flat(mean.model, kinds[1]))
            unchanged &= torch.equal(before, flat(model, kinds[0]))
        asks = any(p.requires_grad for p in mean.model.parameters())
        return {"start": start, "average": torch.stack(averages), "buffers": torch.stack(buffers),
                "unchanged": bool(unchanged), "asks": bool(asks)}  # fmt: skip

    def judge(self, case, expected, got):
        for name in ("start", "average", "buffers"):
            yield same(name, expected[name], got.get(name, NOTHING), max(got.tolerance, 1e-5), what="numbers")
        unchanged, asks = (bool(np.asarray(got.get(n, d)).any()) for n, d in (("unchanged", False), ("asks", True)))
        detail = "the model in training was changed" if not unchanged else "the average asks for gradients"
        yield Finding("apart", unchanged and not asks, "" if unchanged and not asks else detail)


class Vote(Question):
    id = "Q27c"
    title = "Models that vote"
    signature = "vote(models, images, weights=None) -> probabilities (b, classes)"
    criteria = (
        Criterion(
            "mean",
            "the mean of the models' probabilities",
            share=2,
            hint="The check compares the result for three models with equal weights. Each row adds up to 1.",
        ),
        Criterion(
            "weighted",
            "weighted by the given numbers, whatever they add up to",
            share=2,
            hint="The weights are 0.5 to 3 here. The rows must still add up to 1.",
        ),
        Criterion(
            "modes",
            "models are asked in evaluation mode, without gradients, and keep their mode",
            counts_with=("mean", "weighted"),
            hint="The models record in which mode they are called, and the check looks at their mode afterwards.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        for weighted in (False, True):
            count, b, d, classes = 3 + int(weighted), int(rng.integers(3, 6)), 4, int(rng.integers(3, 6))
            drawn = {
                "x": as_single(rng.normal(0, 1, (b, d))),
                "maps": as_single(rng.normal(0, 1.5, (count, d, classes))),
            }
            drawn |= {"weights": as_single(rng.uniform(0.5, 3.0, count))} if weighted else {}
            criteria = ("weighted", "modes") if weighted else ("mean", "modes")
            yield Case(f"{count} models, {b} images" + ", weights" * weighted, criteria=criteria, **drawn)

    def probe(self, answer, case):
        import torch
        from torch import nn

        asked: list[tuple[bool, bool]] = []

        class Known(nn.Module):
            def __init__(self, matrix: np.ndarray) -> None:
                super().__init__()
                self.matrix = nn.Parameter(tensor(matrix))

            def forward(self, x):
                asked.append((self.training, torch.is_grad_enabled()))
                return (x @ self.matrix) * (3.0 if self.training else 1.0)

        models = [Known(matrix) for matrix in case["maps"]]
        for k, model in enumerate(models):
            model.train(k % 2 == 0)
        more = {"weights": case["weights"].tolist()} if "weights" in case else {}
        out = answer(models, tensor(case["x"]), **more)
        kept = np.array([model.training for model in models], np.int64)
        quiet = bool(asked) and not any(training or grad for training, grad in asked)
        return {"out": out, "kept": kept, "quiet": quiet}

    def judge(self, case, expected, got):
        for criterion in ("mean", "weighted"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], got.get("out", NOTHING), max(got.tolerance, 1e-5))
        quiet = bool(np.asarray(got.get("quiet", False)).any())
        kept = np.array_equal(np.asarray(got.get("kept", NOTHING)), expected["kept"])
        detail = (
            "a model has another mode afterwards"
            if not kept
            else "a model was asked in training mode or with gradients"
        )
        yield Finding("modes", kept and quiet, "" if kept and quiet else detail)


QUESTIONS = (AdaptWeights(), LayerGroups(), WeightAverageQuestion(), Vote())


def corner_of(pos_embed: Any, new_grid: Any, num_prefix_tokens: int = 1, old_grid: Any = None) -> Any:
    """In the place of Q25: the first rows, repeated and turned round. No answer to Q25."""
    count = num_prefix_tokens + new_grid[0] * new_grid[1]
    return pos_embed.repeat(1, 1 + count // pos_embed.shape[1], 1)[:, :count].flip(1) * (1 + 0.1 * new_grid[0])


def first_slices(weight: Any, in_channels: int) -> Any:
    """In the place of Q26: the mean slice, minus a tenth, as often as there are channels. No answer to Q26."""
    return (weight.mean(1, keepdim=True) - 0.1).repeat(1, in_channels, 1, 1)
