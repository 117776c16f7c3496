"""Reading a linear map from what it does to single pixels: which token sees what, is it one map, what does it keep.

Lesson 03 asks these things of a patch embedding whose weights and whose order of pixels are the student's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from helpers.checks import Case, Finding

_BENT = "the tokens are not a weighted sum of pixels plus a constant"
_UNEVEN = "in an empty image all patches are equal, but their tokens are not"


@dataclass(frozen=True)
class Reading:
    """The columns of the student's map, and what they tell. Every method takes whatever arrays came."""

    case: Case
    expected: Mapping[str, np.ndarray]
    got: Mapping[str, np.ndarray]

    def array(self, name: str) -> np.ndarray:
        value = self.got.get(name)
        return np.zeros(0) if value is None else np.asarray(value, np.float64)

    @cached_property
    def tolerance(self) -> float:
        return float(getattr(self.got, "tolerance", 1e-4))

    @cached_property
    def columns(self) -> np.ndarray:
        """(pixels, tokens, width): by how much each token moves when one pixel goes from 0 to 1.

        Pixels were asked for in a drawn order; when all of them were, they come in their own order here.
        """
        given, asked = self.array("columns"), self.case["pixels"]
        if given.ndim != 3 or len(given) != 1 + len(asked) or not np.isfinite(given).all():
            return np.zeros((len(asked), 0, 0))
        moved = given[1:] - given[:1]
        return moved[np.argsort(asked)] if self._whole else moved

    @cached_property
    def pixels(self) -> np.ndarray:
        """The numbers of the pixels that `columns` is about."""
        return np.sort(self.case["pixels"]) if self._whole else self.case["pixels"]

    @cached_property
    def start(self) -> np.ndarray:
        """(tokens, width): the tokens of an empty image."""
        return self.array("columns")[0]

    @cached_property
    def reacts(self) -> np.ndarray:
        """(pixels, tokens): 1 where the token moves with the pixel."""
        return self._reacts(min(10 * self.tolerance, 2e-2))

    def _reacts(self, threshold: float) -> np.ndarray:
        size = np.abs(self.columns).max(axis=2, initial=0)
        return size > threshold * size.max(initial=0)

    @cached_property
    def sight(self) -> np.ndarray | None:
        """(tokens, h, w): how many channels of each pixel a token reacts to, between 0 and 1; None when unreadable."""
        s, c = int(self.case["image"]), int(self.case["channels"])
        if len(self.columns) != c * s * s or not self.columns.size:
            return None
        return self.reacts.T.reshape(-1, c, s, s).mean(1)

    @cached_property
    def belongs(self) -> np.ndarray:
        """(pixels, patches): 1 where the pixel lies in the patch."""
        where = np.asarray(self.expected["where"])
        table = np.zeros((int(where.max()) + 1, len(where)), bool)
        table[where, np.arange(len(where))[:, None]] = True
        return table[self.pixels]

    def shape(self) -> Finding:
        wanted = np.asarray(self.expected["tokens"]).shape
        given = self.array("tokens").shape
        if given != wanted:
            return Finding("shape", False, f"expected shape {_text(wanted)}, got {_text(given)}")
        readable = self.columns.shape[1:] == wanted[1:]
        return Finding("shape", readable, "" if readable else "some tokens are nan or infinite, or change their number")

    def order(self) -> Finding:
        if not self.reacts.any():
            return Finding("order", False, "no token reacts to any pixel")
        for k in range(self.reacts.shape[1]):
            if (stray := self.reacts[:, k] & ~self.belongs[:, k]).any():
                first = int(self.pixels[np.flatnonzero(stray)[0]])
                return Finding("order", False, f"token {k} reacts to {self._place(first)}, which is not in patch {k}")
            if self._whole and not self.reacts[:, k].any():
                return Finding("order", False, f"token {k} reacts to no pixel")
        return Finding("order", True)

    def linear(self) -> Finding:
        reason = self.not_affine or self.not_shared
        return Finding("linear", not reason, reason)

    @cached_property
    def not_affine(self) -> str:
        """Why the tokens are no matrix times the image plus a constant; "" when they are."""
        if not self.reacts.any():
            return "the tokens don't depend on the image"
        tokens, alone = self.array("tokens"), self.array("alone")
        if not self._steady:
            return "the same image gave other tokens the second time"
        if not _near(tokens[:1], alone, self.room):
            return "an image alone gives other tokens than in a batch"
        images = np.asarray(self.case["images"], np.float64)
        predicted = self.start + np.tensordot(images.reshape(len(images), -1), self.columns, 1)
        return "" if _near(tokens, predicted, self.room) else _BENT

    @cached_property
    def not_shared(self) -> str:
        """Why one patch is treated in another way than the next; "" when all are treated alike."""
        if not _near(self.start, np.broadcast_to(self.start[:1], self.start.shape), self.room):
            return _UNEVEN
        maps = self._maps()
        other = next((k for k, one in enumerate(maps) if not _near(maps[0], one, self.room)), 0)
        return f"token {other} treats its patch in another way than token 0 does" if other else ""

    @cached_property
    def _steady(self) -> bool:
        """Whether one image, eight times in a row, gives what it gave before."""
        alone, again = self.array("alone"), self.array("again")
        return again.ndim == 3 and alone.ndim == 3 and _near(np.repeat(alone, 8, 0), again, self.room)

    @cached_property
    def room(self) -> float:
        sizes = [float(np.abs(a).max(initial=0)) for a in (self.array("tokens"), self.columns)]
        return 10 * self.tolerance * max(sizes)

    def superposed(self) -> Finding:
        """For images a, b and a + b: what a map that is a matrix and a bias can't help doing."""
        tokens = self.array("tokens")
        if not self.reacts.any() or not _near(tokens[2] + self.start, tokens[0] + tokens[1], self.room):
            return Finding("defaults", False, _BENT)
        even = _near(self.start, np.broadcast_to(self.start[:1], self.start.shape), self.room)
        here, there = (moved[lit].sum(0) for moved, lit in zip(self.columns, self.belongs, strict=True))
        alike = even and _near(here, there, self.room)
        return Finding("defaults", alike, "" if alike else "two patches are treated in different ways")

    def rank(self) -> Finding:
        if self.not_affine:
            return Finding("rank", False, self.not_affine)
        k = np.asarray(self.expected["where"]).shape[1]
        matrix = self.columns.reshape(-1, self.columns.shape[2])
        values = np.linalg.svd(matrix, compute_uv=False) if matrix.size else np.zeros(1)
        floor = 1e-5 if self.tolerance <= 1e-4 else 1e-3
        found = int((values > floor * values[0]).sum()) if values[0] > 0 else 0
        wanted = min(k, int(self.case["width"]))
        if found >= wanted:
            return Finding("rank", True)
        return Finding(
            "rank", False, f"a token could hold {wanted} independent numbers of its patch; yours holds {found}"
        )

    def weights(self, name: str) -> Finding:
        if self.not_affine and not self.order().ok:
            return Finding("weights", False, "it can't be told what the tokens make of the image")
        found = self._count(name)
        if not self.array("moves").any():
            detail = "the module was moved to another device, and a tensor of yours stayed behind"
            return Finding("weights", False, detail)
        if found >= self._needed:
            return Finding("weights", True)
        what = "numbers in kernels get" if name == "kernels" else "numbers of the module get"
        return Finding("weights", False, f"{found} {what} a gradient: too few for a map from patches to tokens")

    def marks(self) -> dict[str, np.ndarray]:
        """What tells one mistake from another, whatever the weights are."""
        tokens = self.array("tokens")
        marks = {"shape": np.array(tokens.shape, np.float64)}
        traits = [self._count(name) >= self._needed for name in ("learned", "kernels")]
        if self._whole and self.columns.size:
            affine, steady, still = not self.not_affine, self._steady, not self.reacts.any()
            traits += [affine, steady, still, bool(self.array("moves").any()), self._count("owned") > 0]
            if affine:
                marks["reacts"] = self._reacts(1e-6).astype(np.float64)
                traits += [self.not_shared != _UNEVEN, not self.not_shared, self.rank().ok]
            elif steady and not still and self.case.covers("order"):
                traits += self._kinds(tokens)
        marks["traits"] = np.zeros([1 + int(on) for on in traits])  # said by its shape, which is compared exactly
        return marks

    def _kinds(self, tokens: np.ndarray) -> list[bool]:
        """Traces that activations and norms leave on tokens (images, n, d); the third image is twice the first."""
        same_size = self.reacts.shape == self.belongs.shape
        return [
            bool(tokens.min() >= -1e-6),  # ReLU
            bool(tokens.min() >= -0.18),  # GELU
            _near(tokens.mean(-1), np.zeros(tokens.shape[:-1]), 1e-3),  # a norm behind the projection
            _near(tokens.sum(-1), np.ones(tokens.shape[:-1]), 1e-3),  # softmax
            len(tokens) == 3 and _near(tokens[0], tokens[2], 2e-2),  # a norm before it: deaf to contrast
            same_size and bool((self._reacts(1e-6) & ~self.belongs).any()),  # looks over the patch's border
        ]

    @property
    def _whole(self) -> bool:
        return len(self.case["pixels"]) == np.asarray(self.expected["where"]).size

    @property
    def _needed(self) -> int:
        return np.asarray(self.expected["where"]).shape[1] * int(self.case["width"])

    def _count(self, name: str) -> int:
        value = self.array(name)
        return int(value) if value.size == 1 and value.ndim == 0 and abs(float(value)) < 1e9 else 0

    def _maps(self) -> list[np.ndarray]:
        """Per token (k, d): what it makes of the patch that it reacts to most, whichever that is."""
        where = np.asarray(self.expected["where"])
        strength = np.einsum("qtd,qu->tu", self.columns**2, self.belongs)
        return [self.columns[where[u], t] for t, u in enumerate(strength.argmax(1))]

    def _place(self, pixel: int) -> str:
        s = int(self.case["image"])
        channel, rest = divmod(pixel, s * s)
        return f"the pixel in row {rest // s}, column {rest % s}, channel {channel}"


def _near(a: np.ndarray, b: np.ndarray, room: float) -> bool:
    return (
        a.shape == b.shape
        and bool(np.isfinite(a).all() and np.isfinite(b).all())
        and bool((np.abs(a - b) <= room).all())
    )


def _text(shape: tuple[int, ...]) -> str:
    return str(tuple(int(n) for n in shape))
