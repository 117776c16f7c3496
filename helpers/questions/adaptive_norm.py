"""Lesson 11, last third: DiT's adaLN-zero block, judged by what its six modulations do, in whatever order they stand.

The layers that are zero at birth are the modulation. The probe writes into their biases, finds out by trying which
numbers gate, scale and shift which half, and records pairs of outputs that must agree in every right block:

    x with the scale at -2            as   -x plainly           (1 + scale is -1)
    any x with the scale at -1, shift as   the shift itself     (1 + scale is 0)
    a x + b, token by token           as   x                    (a norm stands before)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import NOTHING, as_single, number_of, prepared
from helpers.checks.slopes import slopes, slopes_agree
from helpers.pictures.beyond_checks import asleep_picture

_PAIRS = {
    "asleep": (),
    "norms": (("moved", "branch"),),
    "scales": (("flipped", "minus"), ("shifted", "written"), ("louder", "written_louder")),
    "gates": (("gated", "gate_times_branch"),),
    "order": (("both", "in_turn"),),
    "condition": (("from_c", "from_bias"), ("alone", "from_c")),
}
_ROLES = ("gate", "shift", "scale")


class AdaLNZeroBlockQuestion(Question):
    id = "Q24"
    title = "DiT's adaLN-zero block"
    signature = "AdaLNZeroBlock(emb_size, num_heads, expansion=4); forward(x, c): (b, n, d), (b, d) -> (b, n, d)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "tokens go in and come out with the same shape",
            share=0,
            hint="Both halves add to the residual stream, so the shape never changes.",
        ),
        Criterion(
            "asleep",
            "a new block gives x back, bit by bit, and yet its gates can learn",
            share=2,
            counts_with=("gates",),
            hint="A new block must return x exactly, for any x and c, and its modulation must get a gradient.",
        ),
        Criterion(
            "norms",
            "what each half reads is normed, token by token, and the norm has no weights of its own",
            counts_with=("gates",),
            hint="Each token was scaled and shifted by numbers of its own. A LayerNorm removes both.",
        ),
        Criterion(
            "scales",
            "the normed tokens are taken times (1 + scale), then raised by shift",
            share=2,
            counts_with=("gates",),
            hint="With scale -1 only the shift is left of the normed tokens; with scale and shift 0 they pass as "
            "they are.",
        ),
        Criterion(
            "gates",
            "the gate is multiplied with what a half adds, number by number, just before the plus",
            hint="What a half adds is proportional to its gate.",
        ),
        Criterion(
            "order",
            "first attention, then, on its result, the feed-forward; six modulations, three for each half",
            share=2,
            counts_with=("gates",),
            hint="Six separate modulations: shift, scale and gate for attention, shift, scale and gate for the "
            "feed-forward half, which reads the sum that attention made.",
        ),
        Criterion(
            "condition",
            "modulations are made of SiLU(c), each image's of its own c",
            counts_with=("gates",),
            hint="The check makes the modulations from c, and writes the same numbers into the bias instead: both must "
            "give the same tokens.",
        ),
        Criterion(
            "gradient",
            "gradients flow back to x, to c and to all weights",
            counts_with=("gates",),
            hint="The gradients are compared with what the output does when x or c is moved a little.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        for number in range(2):
            heads = int(rng.choice([2, 3]))
            d = {2: 10, 3: 18}[heads]  # not divisible by other usual numbers of heads
            n, b = int(rng.integers(4, 7)), 2 + number
            yield Case(
                f"{b} images of {n} tokens, width {d}, {heads} heads", num_heads=heads, expansion=2 + number,
                x=as_single(rng.normal(0, 1, (b, n, d))), c=as_single(rng.normal(0, 1.5, (b, d))),
                seed=int(rng.integers(2**31)),
            )  # fmt: skip

    def probe(self, answer, case):
        b, n, d = case["x"].shape
        model = prepared(answer(emb_size=d, num_heads=case["num_heads"], expansion=case["expansion"]))
        block, rng = _Block(model, d), np.random.default_rng(case["seed"])
        x, c = tensor(case["x"]), tensor(case["c"])
        out = model(x, c)
        record: dict[str, Any] = {
            "born": out,
            "slope": block.slope(out, tensor(as_single(rng.normal(0, 1, (b, n, d))))),
        }
        block.stir(int(case["seed"]))
        return record | block.plain_norms() | block.try_out(x, c, rng)

    def judge(self, case, expected, got):
        x, born = np.asarray(case["x"]), np.asarray(got.get("born", NOTHING))
        yield same_shape("shape", expected["born"], born)
        exact = born.shape == x.shape and bool(np.abs(np.nan_to_num(born - x, nan=1.0)).max() <= _unit(got.tolerance))
        learns = number_of(got, "slope") > 0
        words = "" if exact else "a fresh block changes x"
        yield Finding("asleep", exact and learns, words or ("" if learns else "no modulation gets a gradient"))
        known = number_of(got, "roles") == int(expected["roles"])
        connected = slopes_agree("gradient", got, "x", "c")
        found, weights = number_of(got, "weights"), int(expected["weights"])
        if connected.ok and found < weights:
            connected = Finding("gradient", False, f"{found:,.0f} weights get a gradient; it should be {weights:,}")
        yield connected
        for criterion, pairs in _PAIRS.items():
            if criterion == "asleep":
                continue
            if not known:
                yield Finding(criterion, False, _told(got))
                continue
            if criterion == "gates":
                yield _gated(expected, got)
                continue
            bad = [f for f in (_agree(criterion, expected, got, *pair) for pair in pairs) if not f.ok]
            if criterion == "norms" and not bad and number_of(got, "norm_weights") != 0:
                bad = [Finding(criterion, False, f"{number_of(got, 'norm_weights'):.0f} numbers of a norm learn")]
            if criterion == "order" and not bad and not _curved(got):
                bad = [Finding(criterion, False, "the feed-forward half is a linear map of each token")]
            yield bad[0] if bad else Finding(criterion, True)

    def features(self, case, expected, got):
        x, born = np.asarray(case["x"]), np.asarray(got["born"])
        marks = {f"ok {f.criterion}": np.array([float(f.ok)]) for f in self.judge(case, expected, got)}
        shape = born.shape == x.shape
        turned = shape and np.abs(born + x).max() < 1e-5
        marks["born"] = (
            np.array([shape, shape and not born.any(), shape and np.abs(born - x).max() < 1e-5, turned]) * 1.0
        )
        for name in ("roles", "norm_weights", "zeros", "trial"):
            marks[name] = np.asarray(got[name], np.float64) if name in got else np.full(1, 99.0)
        for pair in (pair for pairs in _PAIRS.values() for pair in pairs):
            if pair[0] in got and pair[1] in got:
                marks[" ".join(pair)] = np.array([float(_agree("", expected, got, *pair).ok)])
        return marks

    def picture(self, case, expected, got):
        born = None if got is None else np.asarray(got["born"])
        return asleep_picture(case["x"][0], born[0] if born is not None and born.ndim == 3 else born)


def _gated(expected: Any, got: Any) -> Finding:
    """The drawn gate, as the judge knows it, times what the student's half adds: public arrays fit no other gate."""
    branch, gated = (np.asarray(got.get(name, NOTHING), np.float64) for name in ("branch", "gated"))
    if branch.shape != np.asarray(expected["branch"]).shape or not np.isfinite(branch).all() or branch.std() < 1e-4:
        return Finding("gates", False, "nothing is added at all")
    return same("gates", branch * expected["gate"][0], gated, 10 * got.tolerance)


def _curved(got: Any) -> bool:
    """Whether the second half is no linear map: f(a) + f(b) - f(a + b) - f(0) is not zero."""
    rest, size = (np.asarray(got.get(name, NOTHING), np.float64) for name in ("curved", "curved_size"))
    return bool(rest.size and np.isfinite(rest).all() and np.abs(rest).max() > 1e-2 * np.abs(size).max() > 0)


def _told(got: Any) -> str:
    """Why the six modulations could not be told apart, from what was tried: each was set to 1 while the rest were 0."""
    trial = np.asarray(got.get("trial", NOTHING), np.float64).reshape(-1)
    if trial.size < 5:
        return "no Linear with 6 * emb_size outputs and a bias was found among the layers that are zero in a new block"
    if not np.isfinite(trial[1:5]).all():
        return "the six modulations could not be told apart: what was recorded of them is nan or infinite"
    gates, mixing, first, second = (int(n) for n in trial[1:5])
    if gates != 2:
        return f"{gates} of the six modulations, set to 1 alone, change the output; two gates should"
    if mixing != 1:
        return f"{mixing} of the two gates let tokens act on each other; the attention half's should, and no other"
    half, seen = ("attention", first) if first != 2 else ("feed-forward", second)
    return f"with the gate of the {half} half open, {seen} other modulations change it; its scale and its shift should"


def _unit(tolerance: float) -> float:
    """Bit by bit; in half precision, up to its rounding of x."""
    return 0.0 if tolerance <= 2e-3 else tolerance


def _agree(criterion: str, expected: Any, got: Any, one: str, other: str) -> Finding:
    """Met when two recorded outputs are the same, and not about nothing."""
    a, b = np.asarray(got.get(one, NOTHING), np.float64), np.asarray(got.get(other, NOTHING), np.float64)
    if a.shape != np.asarray(expected[one]).shape or a.size == 0:
        return Finding(criterion, False, "this could not be tried out")
    if not np.isfinite(a).all() or a.std() < 1e-4:
        return Finding(criterion, False, "nothing is added at all")
    return same(criterion, b, a, 10 * got.tolerance)


class _Block:
    """A block whose modulations are written from outside."""

    def __init__(self, model: Any, d: int) -> None:
        self.model, self.d = model, d
        named = [p for _, p in getattr(model, "named_parameters", list)() if p.requires_grad]
        fits = [p for p in named if p.ndim == 2 and d in p.shape and max(p.shape) % d == 0]
        born = [p for p in fits if not bool(p.any())]
        self.matrices = born or [p for p in fits if max(p.shape) == 6 * d]
        wanted = [max(p.shape) for p in self.matrices]
        self.biases: list[Any] = []
        for matrix in self.matrices:  # the bias is the first vector of its size behind its matrix
            behind = named[next(i for i, p in enumerate(named) if p is matrix) + 1 :]
            self.biases += [p for p in behind if tuple(p.shape) == (max(matrix.shape),)][:1]
        self.size = sum(wanted) if len(self.biases) == len(self.matrices) else 0
        self.connected: dict[str, Any] = {}
        self.named, self.born = named, bool(born)
        self.spread = lambda parts: parts  # (6, d) -> the order of the numbers in the biases

    def slope(self, out: Any, aim: Any) -> int:
        """How many numbers of the modulation get a gradient."""
        import torch

        if not self.biases or not getattr(out, "requires_grad", False) or out.shape != aim.shape:
            return 0
        found = torch.autograd.grad((out * aim).sum(), self.biases, allow_unused=True, retain_graph=True)
        return sum(int((g != 0).sum()) for g in found if g is not None)

    def stir(self, seed: int) -> None:
        """Noise onto everything but the modulation, so that no bias is zero; norms keep their ones."""
        import torch

        noise = torch.Generator().manual_seed(seed % 2**31)
        with torch.no_grad():
            for p in self.named:
                if not any(p is q for q in [*self.matrices, *self.biases]) and not bool((p == 1).all()):
                    p.add_(
                        ((0.3 if p.ndim < 2 else p[0].numel() ** -0.5) * torch.randn(p.shape, generator=noise)).to(p)
                    )

    def plain_norms(self) -> dict[str, Any]:
        ones = sum(p.numel() for p in self.named if p.ndim == 1 and bool((p == 1).all()))
        zero = sum(p.numel() for p in self.named if not bool(p.any()))
        return {"norm_weights": ones, "zeros": zero}

    def write(self, parts: Any) -> None:
        """Let the modulations be (6, d) numbers, whatever c is."""
        import torch

        flat = self.spread(torch.as_tensor(parts, dtype=torch.float32)).reshape(-1)
        with torch.no_grad():
            for matrix in self.matrices:
                matrix.zero_()
            for bias, part in zip(self.biases, flat.split([p.numel() for p in self.biases]), strict=True):
                bias.copy_(part.to(bias))

    def adds(self, x: Any, c: Any, **parts: Any) -> Any:
        """What the block adds to x under modulations by role: `gate0=1`, `shift1=h`, …"""
        import torch

        table = torch.zeros(6, self.d)
        for role, value in parts.items():
            table[self.roles[role]] = torch.as_tensor(value, dtype=torch.float32).cpu()
        self.write(table)
        with torch.no_grad():
            return self.model(x, c) - x

    def find_roles(self, x: Any, c: Any) -> list[int]:
        """Which of the six is what, found by trying; what was seen, as counts."""
        import torch

        hint = torch.linspace(0.5, 1.5, self.d)

        def tried(**rows: Any) -> Any:
            table = torch.zeros(6, self.d)
            for k, value in rows.items():
                table[int(k[1:])] = value
            self.write(table)
            with torch.no_grad():
                return self.model(x, c) - x

        def felt(a: Any) -> bool:
            return bool(a.abs().max() > 1e-4)

        still = tried()
        gates = [k for k in range(6) if felt(tried(**{f"_{k}": 1.0}) - still)]
        self.roles = {}
        seen = [len(gates), 0, 0, 0]
        if len(gates) != 2:
            return seen
        other = x.clone()
        other[:, 0] += torch.linspace(-1, 2, self.d).to(x)
        mixes = []
        for gate in gates:
            before = tried(**{f"_{gate}": 1.0})
            with torch.no_grad():
                after = self.model(other, c) - other
            mixes.append(felt((after - before)[:, 1:]))
        seen[1] = sum(mixes)
        if sorted(mixes) != [False, True]:
            return seen
        for half, gate in enumerate(sorted(gates, key=lambda g: not mixes[gates.index(g)])):
            self.roles[f"gate{half}"] = gate
            plain = tried(**{f"_{gate}": 1.0})
            own = [k for k in range(6) if k not in gates and felt(tried(**{f"_{gate}": 1.0, f"_{k}": hint}) - plain)]
            seen[2 + half] = len(own)
            if len(own) != 2:
                return seen
            shuts = []
            for k in own:
                still = tried(**{f"_{gate}": 1.0, f"_{k}": -1.0})
                with torch.no_grad():
                    shuts.append(float((self.model(other, c) - other - still).abs().max()))
            self.roles[f"scale{half}"] = own[int(np.argmin(shuts))]
            self.roles[f"shift{half}"] = own[int(np.argmax(shuts))]
        return seen

    def try_out(self, x: Any, c: Any, rng: np.random.Generator) -> dict[str, Any]:
        """Pairs of outputs that agree in a right block; `roles` is 2122 when all six were found."""
        if self.size != 6 * self.d:
            return {"roles": -1, "trial": np.array([len(self.matrices), self.size])}
        ways: list[list[int]] = []
        for spread in (lambda parts: parts, lambda parts: parts.T):  # one part after the other, or all six in turn
            self.spread = spread
            ways.append(self.find_roles(x, c))
            if len(self.roles) == 6:
                break
        seen = ways[-1] if len(self.roles) == 6 else ways[0]
        trial = {"roles": int("".join(map(str, seen))), "trial": np.array([self.born, *seen, self.carries(x, c)])}
        if len(self.roles) != 6 or len(set(self.roles.values())) != 6:
            return trial
        pairs = self._pairs(x, c, rng)
        return trial | pairs | self.connected

    def carries(self, x: Any, c: Any) -> float:
        """How much of a very loud x comes out while all six are 1."""
        import torch

        self.write(torch.ones(6, self.d))
        with torch.no_grad():
            return round(
                float((self.model(1000 * x, c).abs().mean() / (1000 * x).abs().mean()).nan_to_num(9).clamp(max=9))
            )

    def _pairs(self, x: Any, c: Any, rng: np.random.Generator) -> dict[str, Any]:
        import torch

        def numbers(*shape: int) -> Any:
            return tensor(as_single(rng.normal(0, 1, shape)))

        d, record = self.d, dict[str, list[Any]]()
        written = numbers(d)
        written = (written - written.mean()) / written.std(unbiased=False)
        louder = 1.0 + written  # of another mean: only a shift outside the norm keeps it
        stretch = tensor(as_single(rng.uniform(0.5, 3, (*x.shape[:2], 1))))
        gate = numbers(d)
        plain = written.expand_as(x)
        for half in (0, 1):
            on, scale, shift = f"gate{half}", f"scale{half}", f"shift{half}"
            branch = self.adds(x, c, **{on: 1})
            found = {
                "branch": branch,
                "moved": self.adds(stretch * x + 3 * stretch, c, **{on: 1}),
                "flipped": self.adds(x, c, **{on: 1, scale: -2}),
                "minus": self.adds(-x, c, **{on: 1}),
                "shifted": self.adds(x, c, **{on: 1, scale: -1, shift: written}),
                "written": self.adds(plain, c, **{on: 1}),
                "louder": self.adds(plain, c, **{on: 1, scale: 1.5, shift: louder}),
                "written_louder": self.adds(x, c, **{on: 1, scale: -1, shift: louder + 2.5 * written}),
                "gated": self.adds(x, c, **{on: gate}),
                "gate_times_branch": gate * branch,
            }
            for name, value in found.items():
                record.setdefault(name, []).append(value)
        a, b = (numbers(d) for _ in range(2))
        parts = [self.adds(x, c, gate1=1, scale1=-1, shift1=h) for h in (a, b, a + b, 0 * a)]
        record["curved"] = [parts[0] + parts[1] - parts[2] - parts[3]]
        record["curved_size"] = [parts[2]]
        record["gate"] = [gate]
        first = self.adds(x, c, gate0=gate, scale0=0.5)
        middle = x + first
        record["in_turn"] = [first + self.adds(middle, c, gate1=gate.flip(0), shift1=written)]
        record["both"] = [self.adds(x, c, gate0=gate, scale0=0.5, gate1=gate.flip(0), shift1=written)]
        record |= {name: [value] for name, value in self._conditioned(x, c, rng).items()}
        return {name: torch.stack(values) for name, values in record.items()}

    def _learning(self, x: Any, c: Any) -> int:
        """How many entries of matrices get a gradient while all modulations are at work."""
        import torch

        matrices = [p for p in self.named if p.ndim > 1]
        with torch.enable_grad():
            out = self.model(x, c)
            if not out.requires_grad or not matrices:
                return 0
            aim = torch.linspace(-1, 2, out.numel(), device=out.device).sin().reshape(out.shape)
            found = torch.autograd.grad((out * aim).sum(), matrices, allow_unused=True)
        return sum(p.numel() for p, g in zip(matrices, found, strict=True) if g is not None and bool(g.any()))

    def _conditioned(self, x: Any, c: Any, rng: np.random.Generator) -> dict[str, Any]:
        """Modulations made from c by drawn matrices, and the same ones written for each image of the batch."""
        import torch

        drawn = tensor(as_single(rng.normal(0, 0.7 / np.sqrt(self.d), (6 * self.d, self.d))))
        sizes = [max(p.shape) for p in self.matrices]
        said = []
        for image in range(len(c)):
            flat = torch.nn.functional.silu(c[image]) @ drawn.mT
            with torch.no_grad():
                for matrix, bias, part in zip(self.matrices, self.biases, flat.split(sizes), strict=True):
                    matrix.zero_()
                    bias.copy_(part)
                said.append(self.model(x[image : image + 1], c[image : image + 1])[0] - x[image])
        with torch.no_grad():
            for matrix, bias, part in zip(self.matrices, self.biases, drawn.split(sizes), strict=True):
                matrix.copy_(part if matrix.shape[1] == self.d else part.T)
                bias.zero_()
            together = self.model(x, c) - x
            alone = torch.cat([self.model(x[i : i + 1], c[i : i + 1]) - x[i : i + 1] for i in range(len(c))])
        self.connected = slopes(self.model, {"x": x, "c": c}, 3)
        self.connected["weights"] = self._learning(x, c)
        return {"from_bias": torch.stack(said), "from_c": together, "alone": alone}


QUESTIONS = (AdaLNZeroBlockQuestion(),)
