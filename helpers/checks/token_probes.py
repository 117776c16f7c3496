"""Probing what makes tokens out of images: which numbers end up in which token, whatever the layers are called.

All is read from differences. The class token or the table of positions gets drawn values, a patch is poked, and the
tokens before and after are compared. Lesson 04 asks both of its questions this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from helpers.checks import Case, tensor
from helpers.checks.module_probes import as_single, prepared
from helpers.checks.placed_weights import put

CODE = "getPositionEncoding"


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


def record_tokens(model: Any, case: Case) -> dict[str, Any]:
    """The tokens, what a drawn class token changes in them, what it learns, and what each poked patch changes."""
    import torch

    images, values = tensor(case["images"]), drawn(case)
    tokens = model(images)
    record = {"tokens": tokens}
    if not hasattr(tokens, "shape"):
        return record  # None, or something that is no tensor: said in words by whoever collects the arrays
    token = class_token(model, tokens, case)
    record["gradient"] = slope(tokens, token, values["aim"])
    record["owned"] = token is not None and any(token is p for _, p in _named(model))
    if hasattr(model, "eval"):
        model.eval()
    with torch.no_grad():
        record["again"] = torch.stack([model(images), model(images)])
        put(token, np.zeros(case["width"], np.float32))
        without = model(images)
        put(token, values["token"])
        record["first"] = model(images)[:, :1]
        record["effect"] = model(images) - without
        start = model(images)
        poked = [model(_poked(images, case, k)) for k in case["pokes"]]
        record["moved"] = torch.stack([(after - start).abs().amax((0, -1)) for after in poked])
    return record


def record_positions(model: Any, case: Case) -> dict[str, Any]:
    """The tokens of a module in which all that learns is zero, but for its table of positions: as that was born
    (`born`), zero as well (`still`), and with drawn numbers (`placed`); and what the table learns (`slope`)."""
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
        record["born"] = model(images)
        if table is not None:
            put(table, np.zeros(table.shape, np.float32))
        record["still"] = model(images)
        if table is not None:
            put(table, np.resize(values["positions"], (table.numel(),)))
        record["placed"] = model(images)
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
    """The tensor that makes the class token: by its name, else the parameter that token 0 alone hears of; or None."""
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


@contextmanager
def known_code(answer: Any, case: Case) -> Iterator[None]:
    """While inside, `getPositionEncoding` in the answer's notebook gives rows of a drawn table, whoever wrote it."""

    def code(seq_len: int, d: int, n: float = 10000) -> Any:
        return tensor(code_rows(case, int(seq_len), int(d))).cpu()

    rooms: dict[int, dict] = {id(room): room for room in _rooms(answer) if CODE in room}
    changed = [(room, name, room[CODE]) for room in rooms.values() for name in _names_of(room)]
    for room, name, _ in changed:
        room[name] = code
    try:
        yield
    finally:
        for room, name, own in changed:
            room[name] = own


def code_rows(case: Case, seq_len: int, d: int) -> np.ndarray:
    """The first rows and columns of a case's drawn table, (seq_len, d)."""
    table = as_single(np.random.default_rng([int(case["seed"]), 1]).normal(0, 1, (96, 96)))
    return table[np.arange(seq_len) % 96][:, np.arange(d) % 96]


def _rooms(answer: Any) -> Iterator[dict]:
    """The global names that the functions of an answer look things up in."""
    answer = getattr(answer, "func", answer)
    functions = [answer] + [f for kind in getattr(answer, "__mro__", ()) for f in vars(kind).values()]
    for function in functions:
        function = getattr(function, "__wrapped__", getattr(function, "__func__", function))
        if isinstance(room := getattr(function, "__globals__", None), dict):
            yield room


def _names_of(room: dict) -> list[str]:
    return [name for name, value in list(room.items()) if value is room[CODE]]


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
