"""Probing what makes tokens out of images: which numbers end up in which token, whatever the layers are called.

All is read from differences. The class token or the table of positions gets drawn values, an optimiser takes a step,
images are compared with black ones, and the tokens before and after are compared. Lesson 04 asks both of its questions
this way. An answer that looks `PatchProjection` up gets a known one; one with a projection of its own keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from helpers.checks import Case, tensor
from helpers.checks.given_parts import given_parts
from helpers.checks.module_probes import as_single, prepared
from helpers.checks.placed_weights import put

CODE = "getPositionEncoding"
FEW = 4  # images of which everything is kept; of the rest only what the comparison of all patches needs


def build(answer: Callable[..., Any], case: Case) -> Any:
    """The answer's module for a case, without arguments where the case asks for the defaults."""
    if case.covers("defaults"):
        return prepared(answer())
    channels, size = int(case["images"].shape[1]), int(case["images"].shape[-1])
    named = {"in_channels": channels, "patch_size": case["patch"], "emb_size": case["width"], "img_size": size}
    return prepared(answer(**named | ({"positions": case["mode"]} if "mode" in case else {})))


def patch_count(case: Case) -> int:
    return (int(case["images"].shape[-1]) // int(case["patch"])) ** 2


def drawn(case: Case) -> dict[str, np.ndarray]:
    """Values for the class token (d), the positions (more than enough, d), and an aim for gradients (b, n + 1, d)."""
    rng = np.random.default_rng(case["seed"])
    b, n, d = len(case["images"]), patch_count(case), int(case["width"])
    shapes = {"token": (d,), "positions": (2 * n + 4, d), "aim": (b, n + 1, d)}
    return {name: as_single(rng.normal(0, 1.5, shape)) for name, shape in shapes.items()}


def known_projection(case: Case) -> type:
    """A PatchProjection with drawn weights, the same in every module: patches go through a matrix and a tanh.

    It is no answer to the question for a patch embedding, which asks for an affine map.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    class PatchProjection(nn.Module):
        def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, **_: Any) -> None:
            super().__init__()
            rows = in_channels * patch_size**2
            weight = np.random.default_rng([int(case["seed"]), 2]).normal(0, 1 / np.sqrt(rows), (rows, emb_size))
            self.weight, self.side = nn.Parameter(tensor(as_single(weight))), patch_size

        def forward(self, x):
            return torch.tanh(F.unfold(x, self.side, stride=self.side).mT @ self.weight)

    return PatchProjection


def record_tokens(make: Callable[[], Any], case: Case) -> dict[str, Any]:
    """The tokens; what they owe to the images and to a drawn class token; what an optimiser's step does to token 0."""
    import torch

    images, values, model = tensor(case["images"]), drawn(case), make()
    tokens = model(images)
    record = {"tokens": tokens}
    if not hasattr(tokens, "shape"):
        return record  # None, or something that is no tensor: said in words by whoever collects the arrays
    token = class_token(model, tokens, case)
    record["owned"] = token is not None and any(token is p for _, p in _named(model))
    record["gradient"] = slope(tokens, token, values["aim"])
    if hasattr(model, "eval"):
        model.eval()
    with torch.no_grad():
        record["again"] = torch.stack([model(images)[:FEW], model(images)[:FEW]])
        record["alone"] = np.zeros(0)
        with suppress(RuntimeError):  # the batch went through: what an image alone does is a finding of its own
            record["alone"] = model(images[:1])
        put(token, np.zeros(case["width"], np.float32))
        without = model(images)
        put(token, values["token"])
        record["first"] = model(images)[:, :1]
        start = model(images)
        record["effect"] = (start - without)[:FEW]
        record["told"] = start - model(torch.zeros_like(images))
        poked = [model(_poked(images, case, k)) for k in case["pokes"]]
        record["moved"] = torch.stack([(after - start).abs().amax((0, -1)) for after in poked])
    record["step"] = after_a_step(make(), images, values["aim"])
    record["moves"] = goes_along(make(), images)
    return record


def after_a_step(model: Any, images: Any, aim: np.ndarray) -> Any:
    """(b, 2, d): by how much the first and the last token move when an optimiser, which knows `model.parameters()`,
    takes one step of size 0.1 down (tokens * aim).sum(); zeros where nothing learns, (0,) for another shape."""
    import torch

    parameters = [p for p in getattr(model, "parameters", list)() if p.requires_grad]
    tokens = model(images)
    if tuple(tokens.shape) != aim.shape:
        return np.zeros(0)
    before = tokens.detach().clone()
    if parameters and tokens.requires_grad:
        (tokens * tensor(aim).to(tokens.dtype)).sum().backward()
        torch.optim.SGD(parameters, lr=0.1).step()
    with torch.no_grad():
        return (model(images) - before)[:, [0, -1]]


def record_positions(model: Any, case: Case) -> dict[str, Any]:
    """The tokens of FEW images, from a module in which all that learns is zero but for its table of positions.

    They are recorded with the table as it was made (`born`), with zeros in it (`still`), and with drawn numbers
    (`placed`); `slope` is the table's gradient.
    """
    import torch

    images, values = tensor(case["images"]), drawn(case)
    tokens = model(images)
    if not hasattr(tokens, "shape"):
        return {"born": tokens}
    token, table = class_token(model, tokens, case), position_table(model, case)
    record = {"slope": slope(tokens, table, values["aim"]), "found": table is not None}
    with torch.no_grad():
        for parameter in _learning(model):
            if parameter is not table:
                put(parameter, np.zeros(parameter.shape, np.float32))
        put(token, np.zeros(case["width"], np.float32))
        record["born"] = model(images)[:FEW]
        if table is not None:
            put(table, np.zeros(table.shape, np.float32))
        record["still"] = model(images)[:FEW]
        if table is not None:
            put(table, np.resize(values["positions"], (table.numel(),)))
        record["placed"] = model(images)[:FEW]
    return record


def goes_along(model: Any, images: Any) -> bool:
    """Whether all that a module needs moves with it: to a device that holds no data, or to another dtype."""
    import torch

    for place in ("meta", torch.bfloat16):
        with suppress(Exception), torch.no_grad():
            out = model.to(torch.bfloat16)(images.to(torch.bfloat16)) if place != "meta" else None
            out = out if out is not None else model.to("meta")(images.to("meta"))
            if (out.device.type if place == "meta" else out.dtype) == place:
                return True
    return False


def class_token(model: Any, tokens: Any, case: Case) -> Any:
    """The tensor that makes the class token: by its name, else the parameter that token 0 alone depends on; or None."""
    import torch

    width = int(case["width"])
    named = [(n.lower(), p) for n, p in _named(model) if p.numel() == width]
    by_name = [p for n, p in named if "cls" in n or "class" in n]
    plain = getattr(model, "cls_token", None)
    if by_name or (isinstance(plain, torch.Tensor) and plain.numel() == width):
        return by_name[0] if by_name else plain
    wanted = [p for _, p in named if p.requires_grad]
    if not wanted or not tokens.requires_grad or tokens.ndim != 3:
        return None
    first, rest = (
        torch.autograd.grad(part.sum(), wanted, allow_unused=True, retain_graph=True)
        for part in (tokens[:, :1] * 1.0, tokens[:, 1:] * 1.0)
    )
    alone = [p for p, a, b in zip(wanted, first, rest, strict=True) if _any(a) and not _any(b)]
    return (alone or [None])[0]


def position_table(model: Any, case: Case) -> Any:
    """The learned positions: by name, else by size; or None."""
    size = (patch_count(case) + 1) * int(case["width"])
    named = [(n.lower(), p) for n, p in _named(model) if p.requires_grad and p.ndim < 4]
    found = [p for n, p in named if "pos" in n and p.numel() % int(case["width"]) == 0]
    found += [p for n, p in named if p.numel() == size and "proj" not in n]
    return (found or [None])[0]


def slope(tokens: Any, values: Any, aim: np.ndarray) -> Any:
    """The gradient of (tokens * aim).sum() at `values`, (d) or (rows, d); empty where none arrives."""
    import torch

    if values is None or not values.requires_grad or not tokens.requires_grad or tuple(tokens.shape) != aim.shape:
        return np.zeros(0)
    aimed = (tokens * tensor(aim).to(tokens.dtype)).sum()
    (found,) = torch.autograd.grad(aimed, values, allow_unused=True, retain_graph=True)
    if found is None:
        return np.zeros(0)
    d = aim.shape[-1]
    return found.reshape(-1) if found.numel() == d else found.reshape(-1, d) if found.numel() % d == 0 else found


def known_code(answer: Any, case: Case, *, as_numpy: bool = False) -> Any:
    """While inside, `getPositionEncoding` in the answer's notebook gives rows of a drawn table, whoever wrote it.

    Args:
        as_numpy: rows as the lecture's function gives them, for `torch.from_numpy(getPositionEncoding(…))`.
    """

    def code(seq_len: int, d: int, n: float = 10000) -> Any:
        rows = code_rows(case, int(seq_len), int(d))
        return rows if as_numpy else tensor(rows).cpu()

    return given_parts(answer, {CODE: code})


def code_rows(case: Case, seq_len: int, d: int) -> np.ndarray:
    """The first rows and columns of a case's drawn table, (seq_len, d)."""
    table = as_single(np.random.default_rng([int(case["seed"]), 1]).normal(0, 1, (96, 96)))
    return table[np.arange(seq_len) % 96][:, np.arange(d) % 96]


def _poked(images: Any, case: Case, k: int) -> Any:
    """Copies of images (b, c, s, s) in which the middle of patch k is lighter."""
    p, side = int(case["patch"]), int(images.shape[-1]) // int(case["patch"])
    copies, corner = images.clone(), [p * place for place in divmod(int(k), side)]
    middle = [slice(start + (p - 1) // 2, start + p // 2 + 1) for start in corner]
    copies[:, :, middle[0], middle[1]] += 3
    return copies


def _named(model: Any) -> list[tuple[str, Any]]:
    return list(model.named_parameters()) if hasattr(model, "named_parameters") else []


def _learning(model: Any) -> list[Any]:
    return [p for _, p in _named(model) if p.requires_grad]


def _any(gradient: Any) -> bool:
    return gradient is not None and bool(gradient.any())
