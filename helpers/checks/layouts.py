"""Where a model keeps the weights of attention, of a feed-forward, of a whole encoder block: found by behaviour.

A judge can compare numbers only when the weights are the same, and an answer may keep them as it likes: one matrix for
queries, keys and values in any order, one per head, one each, the other way round, with or without biases, under any
names. So the model is tried out. A gradient says which numbers of the weights act on what:

* the last matrix of a branch acts on one channel of the output per row;
* with a single token, a softmax gives 1 and neither queries nor keys act;
* a number that multiplies channel j does not act where channel j is 0;
* a number of a key acts through another token's channels, a number of a query only through its own;
* a bias acts where every channel is 0.

Numbers with one role and one column are taken in the order in which they are stored, which is the order of heads and
of the width of a head in every layout that is in use. A model that is wired in another way gives no layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from helpers.checks.gradients import gradients

ATTENTION = ("q", "k", "v", "o")
_ALIVE = 4e-7  # of the largest gradient: what a number that acts has at least


_TRIALS = 3


class NoLayout(ValueError):
    """The model could not be read this way."""


class _Unclear(NoLayout):
    """Perhaps by chance: a number that acts so little that it was taken for none. Other weights may be clearer."""


class Layout:
    """Positions of the weights of each role in a model's parameters.

    Args:
        parameters: the model's, in their order.
        places: role -> positions in all parameters laid end to end, in the shape in which the role's weights are drawn.
        registered: the parameters that the model itself lists, which are those an optimizer gets; all by default.
    """

    def __init__(
        self, parameters: Iterable[Any], places: Mapping[str, np.ndarray], registered: Iterable[Any] | None = None
    ) -> None:
        self.parameters = list(parameters)
        self.places = {role: np.asarray(where, np.int64) for role, where in places.items()}
        known = None if registered is None else {id(p) for p in registered}
        self.learns = [known is None or id(p) in known for p in self.parameters]

    def write(self, weights: Mapping[str, np.ndarray]) -> None:
        """Put weights where they belong; a role that the model lacks is passed over."""
        import torch

        flat = np.concatenate([p.detach().cpu().float().numpy().reshape(-1) for p in self.parameters])
        for role, where in self.places.items():
            if role in weights:
                flat[where] = weights[role]
        parts = np.split(flat, np.cumsum([p.numel() for p in self.parameters])[:-1])
        with torch.no_grad():
            for parameter, part in zip(self.parameters, parts, strict=True):
                parameter.copy_(torch.as_tensor(np.ascontiguousarray(part)).reshape(parameter.shape).to(parameter))

    def gradients(self, out: Any, others: Mapping[str, Any], aim: Any) -> dict[str, Any]:
        """As `helpers.checks.gradients.gradients`, for `others` and for the weights of each role.

        A parameter that the model does not list never learns: its gradient is recorded as zeros.
        """
        count = len(self.parameters)
        found = gradients(out, {**{f"{k}": p for k, p in enumerate(self.parameters)}, **others}, aim)
        parts = [found.pop(f"grad {k}") for k in range(count)]
        if any(np.prod(part.shape) != p.numel() for part, p in zip(parts, self.parameters, strict=True)):
            return found | {f"grad {role}": np.zeros(0) for role in self.places}
        reached = zip(parts, self.learns, strict=True)
        flat = np.concatenate([np.asarray(part.cpu().float()).reshape(-1) * float(learns) for part, learns in reached])
        return found | {f"grad {role}": flat[where] for role, where in self.places.items()}


def layout_of(roles: Mapping[str, Any], model: Any) -> Layout:
    """The layout of a model whose parameters are known by role; None for one that it lacks."""
    present = {role: p for role, p in roles.items() if p is not None}
    ends = np.cumsum([p.numel() for p in present.values()])
    places = {
        role: np.arange(end - p.numel(), end).reshape(tuple(n for n in p.shape if n != 1) or (1,))
        for (role, p), end in zip(present.items(), ends, strict=True)
    }
    return Layout(present.values(), places, model.parameters())


def attention_layout(model: Any, call: Callable[[Any], Any], d: int) -> Layout:
    """The layout of an attention: `call` takes (1, n, d) tokens, of which the first one asks, and gives its output.

    Raises:
        NoLayout: it could not be read.
    """

    def read(trial: _Trial) -> dict[str, np.ndarray]:
        last, last_bias = trial.last_matrix(trial.dense(3), columns=d)
        return {"o": last, "bo": last_bias} | trial.attention(exclude=[last, last_bias], norm="")

    return _tried(model, call, d, read)


def block_layout(model: Any, d: int, hidden: int) -> Layout:
    """The layout of a pre-norm encoder block (1, n, d) -> (1, n, d).

    Raises:
        NoLayout: it could not be read.
    """

    def read(trial: _Trial) -> dict[str, np.ndarray]:
        w2, b2 = trial.last_matrix(trial.dense(3), columns=hidden)
        with trial.zeroed(w2, b2):
            o, bo = trial.last_matrix(trial.dense(1), columns=d, exclude=[w2, b2])
            places = {"o": o, "bo": bo} | trial.attention(exclude=[o, bo, w2, b2], norm="norm1")
        with trial.zeroed(o, bo):
            return places | {"w2": w2, "b2": b2} | trial.widening(exclude=[w2, b2, o, bo], hidden=hidden)

    return _tried(model, lambda x: model(x)[:, 0], d, read)


def feed_forward_layout(model: Any, d: int, hidden: int) -> Layout:
    """The layout of a feed-forward (1, n, d) -> (1, n, d) without a norm.

    Raises:
        NoLayout: it could not be read.
    """

    def read(trial: _Trial) -> dict[str, np.ndarray]:
        w2, b2 = trial.last_matrix(trial.dense(2), columns=hidden)
        return {"w2": w2, "b2": b2} | trial.widening(exclude=[w2, b2], hidden=hidden, norm=False)

    return _tried(model, lambda x: model(x)[:, 0], d, read)


def _tried(model: Any, call: Callable[[Any], Any], d: int, read: Callable[[_Trial], dict[str, np.ndarray]]) -> Layout:
    for seed in range(_TRIALS):
        trial = _Trial(model, call, d, seed)
        try:
            return Layout(trial.parameters, {role: where for role, where in read(trial).items() if where.size})
        except _Unclear:
            if seed + 1 == _TRIALS:
                raise
    raise NoLayout("no trial was made")


class _Trial:
    """One model with weights drawn for the trial; vectors (norms, biases) stay as they were made."""

    def __init__(self, model: Any, call: Callable[[Any], Any], d: int, seed: int) -> None:
        import torch

        self.model, self.call, self.d = model, call, d
        self.parameters = [p for p in getattr(model, "parameters", list)() if p.requires_grad]
        if not self.parameters:
            raise NoLayout("the model has no parameters")
        self.device = self.parameters[0].device
        self.rng = np.random.default_rng([11, seed])
        with torch.no_grad():
            for p in self.parameters:
                if sum(n > 1 for n in p.shape) > 1:
                    drawn = self.rng.normal(0, 1, p.numel()) * max(p.shape[-1], 1) ** -0.5
                    p.copy_(torch.as_tensor(drawn).reshape(p.shape).to(p))
        sizes = [p.numel() for p in self.parameters]
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        self.size = sum(sizes)

    def dense(self, n: int) -> np.ndarray:
        return self.rng.normal(0, 1, (n, self.d))

    def token(self, *columns: int) -> np.ndarray:
        """Random numbers of mean zero in these columns, zeros elsewhere: a norm keeps the zeros."""
        out, n = np.zeros(self.d), len(columns)
        if n:
            signs = np.where(np.arange(n) % 2, -1, 1) * self.rng.choice([-1, 1])
            values = self.rng.integers(5, 12, n) * signs
            out[list(columns)] = (n * values - values.sum()) / 2.0 ** np.ceil(np.log2(8 * n))  # adds up to 0 exactly
        return out

    def jacobian(self, tokens: np.ndarray, aims: np.ndarray | None = None) -> np.ndarray:
        """(channels or aims, numbers of all parameters): the first token's output, differentiated.

        `tokens` is (n, d), or (b, n, d) with aims (…, b, d).
        """
        import torch

        x = torch.as_tensor(tokens if tokens.ndim == 3 else tokens[None], dtype=torch.float32, device=self.device)
        out = self.call(x)
        if not isinstance(out, torch.Tensor) or out.numel() != len(x) * self.d or not out.requires_grad:
            raise NoLayout("the output has another size, or no gradient")
        rows = torch.eye(self.d) if aims is None else torch.as_tensor(aims)
        found = []
        for row in rows.to(out):
            given = torch.autograd.grad(
                (out * row.reshape(out.shape)).sum(), self.parameters, allow_unused=True, retain_graph=True
            )
            flat = [torch.zeros(p.numel()) if g is None else g.cpu().reshape(-1) for g, p in self._pairs(given)]
            found.append(torch.cat(flat).double().numpy())
        jacobian = np.stack(found)
        if not np.isfinite(jacobian).all():
            raise NoLayout("a gradient is not finite")
        return jacobian

    def _pairs(self, given: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
        return zip(given, self.parameters, strict=True)

    def alive(self, tokens: np.ndarray) -> np.ndarray:
        """Which numbers act on the first token's output, for these tokens or for others that are 0 where they are."""
        both = np.stack([tokens, self.redrawn(tokens), self.redrawn(tokens)])
        found = np.abs(self.jacobian(both, self.rng.normal(0, 1, (1, 3, self.d))))[0]
        return found > _ALIVE * found.max(initial=0.0)

    def redrawn(self, tokens: np.ndarray) -> np.ndarray:
        return np.stack([self.token(*np.flatnonzero(token)) for token in tokens])

    def zeroed(self, *places: np.ndarray) -> _Zeroed:
        return _Zeroed(self.parameters, np.concatenate([p.reshape(-1) for p in places]))

    def free(self, exclude: Iterable[np.ndarray]) -> np.ndarray:
        found = np.ones(self.size, bool)
        for places in exclude:
            found[places.reshape(-1)] = False
        return found

    def last_matrix(
        self, tokens: np.ndarray, columns: int, exclude: Iterable[np.ndarray] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """What acts on one channel only: matrix (d, columns), bias (d) or empty."""
        rows = self.d
        aims = self.halves() * self.rng.uniform(0.5, 1.5, self.d)
        one, other = (self.jacobian(t, aims) for t in (tokens, tokens + self.dense(len(tokens))))
        floor = _ALIVE * np.abs(one).max()
        channel = self.decoded((np.abs(one) > floor) | (np.abs(other) > floor))[0]
        channel[~self.free(exclude)] = -1
        told = np.where(channel >= 0, aims[:, channel], 0)  # a bias passes the aim on as it is
        steady = np.all([np.abs(seen - told).max(0) < 1e-4 for seen in (one, other)], axis=0)
        acts, bias = channel[None] == np.arange(rows)[:, None], (channel >= 0) & steady
        matrix = np.zeros((rows, columns), np.int64)
        for row in range(rows):
            where = np.flatnonzero(~bias & acts[row])
            if len(where) != columns:
                raise NoLayout(f"{len(where)} numbers act on channel {row} alone; {columns} were expected")
            matrix[row] = where
        biases = [np.flatnonzero(bias & acts[row]) for row in range(rows)]
        if {len(b) for b in biases} not in ({0}, {1}):
            raise NoLayout("some channels have a bias and others have none")
        return matrix, np.concatenate(biases)

    def halves(self) -> np.ndarray:
        """(2 bits, d): for each binary digit of a channel's number, the channels with it and those without it."""
        digits = np.arange(self.d)[None] >> np.arange(int(self.d - 1).bit_length())[:, None] & 1
        return np.concatenate([digits, 1 - digits]).astype(float)

    def decoded(self, acts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From what acts in each of `halves`: (the one channel, or -1; whether it acts in all of them)."""
        on, off = np.split(acts, 2)
        number = (on * 2 ** np.arange(len(on))[:, None]).sum(0)
        return np.where((on ^ off).all(0) & (number < self.d), number, -1), (on & off).all(0)

    def columns_of(self, other: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(columns, fixed): the channel that each number multiplies, -1 for none; and whether it acts without any."""
        tests = [np.stack([self.token(*np.flatnonzero(half)), *other]) for half in self.halves()]
        return self.decoded(np.stack([self.alive(test) for test in tests]))

    def attention(self, exclude: list[np.ndarray], norm: str) -> dict[str, np.ndarray]:
        """Queries, keys, values, their biases, and the norm before them where there is one."""
        d, half = self.d, self.d // 2
        free = self.free(exclude)
        column, fixed = self.columns_of([np.zeros(d)])
        alone = self.alive(self.dense(1)) | self.alive(self.dense(1))
        first, second = self.token(*range(half)), self.token(*range(half, d))
        other_acts = np.where(
            column < half, self.alive(np.stack([second, first])), self.alive(np.stack([first, second]))
        )
        value = free & alone & (column >= 0)
        found: dict[str, np.ndarray] = {}
        if norm:
            found[norm] = self._factor(value, column)
            value[found[norm]] = False
        found["v"] = self._matrix("values", value, column, d)
        found["q"] = self._matrix("queries", free & ~alone & (column >= 0) & ~other_acts, column, d)
        found["k"] = self._matrix("keys", free & ~alone & (column >= 0) & other_acts, column, d)
        still = free & self.alive(np.zeros((1, d)))
        with self.zeroed(found["v"]):
            bias = still & self.alive(self.dense(1))
        found["bv"] = self._vector("values", np.flatnonzero(bias), d, optional=True)
        found["bq"] = self._vector("queries", np.flatnonzero(free & ~alone & fixed), d, optional=True)
        if norm:
            found[f"b{norm}"] = self._vector("norm", np.flatnonzero(still & ~bias & alone), d)
        return found

    def widening(self, exclude: list[np.ndarray], hidden: int, norm: bool = True) -> dict[str, np.ndarray]:
        """The first matrix of a feed-forward, its bias, and the norm before it."""
        free = self.free(exclude)
        column, _ = self.columns_of([])
        matrix = free & (column >= 0)
        found: dict[str, np.ndarray] = {}
        if norm:
            found["norm2"] = self._factor(matrix, column)
            matrix[found["norm2"]] = False
        found["w1"] = self._matrix("the first matrix", matrix, column, hidden)
        still = free & (self.alive(np.zeros((1, self.d))) | self.alive(self.dense(1))) & (column < 0)
        with self.zeroed(found["w1"]):
            bias = still & self.alive(self.dense(1))
        found["b1"] = self._vector("the first matrix", np.flatnonzero(bias), hidden)
        if norm:
            found["bnorm2"] = self._vector("norm", np.flatnonzero(still & ~bias), self.d)
        return found

    def _factor(self, candidates: np.ndarray, column: np.ndarray) -> np.ndarray:
        """The tensor of d numbers of which each multiplies a channel of its own: a norm's factor, by channel."""
        for k, p in enumerate(self.parameters):
            own = np.flatnonzero((self.owner == k) & candidates)
            if p.numel() == self.d == len(own) and sorted(column[own]) == list(range(self.d)):
                return own[np.argsort(column[own])]
        raise _Unclear("no norm was found before a branch")

    def _matrix(self, what: str, mask: np.ndarray, column: np.ndarray, rows: int) -> np.ndarray:
        places = np.zeros((rows, self.d), np.int64)
        for j in range(self.d):
            where = np.flatnonzero(mask & (column == j))
            if len(where) != rows:
                raise _Unclear(f"{what}: {len(where)} numbers multiply channel {j}; {rows} were expected")
            places[:, j] = where
        return places

    def _vector(self, what: str, where: np.ndarray, length: int, *, optional: bool = False) -> np.ndarray:
        if len(where) == length or (optional and not len(where)):
            return where
        raise _Unclear(f"{what}: {len(where)} numbers act as a bias; {length} were expected")


class _Zeroed:
    """Some numbers of the parameters are 0 inside, and as they were after."""

    def __init__(self, parameters: list[Any], where: np.ndarray) -> None:
        self.parameters, self.where = parameters, where

    def __enter__(self) -> None:
        self.kept = [p.detach().clone() for p in self.parameters]
        Layout(self.parameters, {"all": self.where}).write({"all": np.zeros(self.where.shape, np.float32)})

    def __exit__(self, *_: object) -> None:
        import torch

        with torch.no_grad():
            for parameter, before in zip(self.parameters, self.kept, strict=True):
                parameter.copy_(before)
