"""Weights are found by what they do: every layout that is in use, under any names; a wrong wiring gives none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from helpers.checks.layouts import NoLayout, attention_layout, block_layout, feed_forward_layout

D, H, HIDDEN = 8, 2, 24


def attend(q, k, v):
    return ((q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])).softmax(-1) @ v


class Fused(nn.Module):
    pattern, bias, sizes = "b n (three h d) -> three b h n d", True, {"three": 3, "h": H}

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(D, 3 * D, bias=self.bias), nn.Linear(D, D)

    def forward(self, x):
        q, k, v = rearrange(self.a(x), self.pattern, **self.sizes)
        return self.b(rearrange(attend(q, k, v), "b h n d -> b n (h d)"))


class HeadFirst(Fused):
    pattern = "b n (h three d) -> three b h n d"


class WidthFirst(Fused):
    pattern = "b n (h d three) -> three b h n d"


class WithoutBias(Fused):
    bias = False


class ListOfHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList([nn.ModuleList([nn.Linear(D, D // H) for _ in range(3)]) for _ in range(H)])
        self.out = nn.Linear(D, D)

    def forward(self, x):
        return self.out(torch.cat([attend(*(layer(x) for layer in head)) for head in self.heads], -1))


class RawMatrices(nn.Module):
    def __init__(self):
        super().__init__()
        self.W_v, self.W_q, self.W_k = (nn.Parameter(torch.randn(D, D) / 3) for _ in range(3))
        self.W_o, self.b_o = nn.Parameter(torch.randn(D, D) / 3), nn.Parameter(torch.zeros(D))

    def forward(self, x):
        q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=H) for w in (self.W_q, self.W_k, self.W_v))
        return rearrange(attend(q, k, v), "b h n d -> b n (h d)") @ self.W_o + self.b_o


class KeysWithValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.project_q, self.kv, self.last = nn.Linear(D, D), nn.Linear(D, 2 * D), nn.Linear(D, D)

    def forward(self, x):
        k, v = rearrange(self.kv(x), "b n (two h d) -> two b h n d", two=2, h=H)
        return self.last(
            rearrange(attend(rearrange(self.project_q(x), "b n (h d) -> b h n d", h=H), k, v), "b h n d -> b n (h d)")
        )


class QueriesWithKeys(nn.Module):
    def __init__(self):
        super().__init__()
        self.linears = nn.ModuleList([nn.Linear(D, 2 * D), nn.Linear(D, D), nn.Linear(D, D)])

    def forward(self, x):
        q, k = rearrange(self.linears[0](x), "b n (two h d) -> two b h n d", two=2, h=H)
        v = rearrange(self.linears[1](x), "b n (h d) -> b h n d", h=H)
        return self.linears[2](rearrange(attend(q, k, v), "b h n d -> b n (h d)"))


class TensorPerHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Parameter(torch.randn(3, H, D, D // H) / 3)
        self.out = nn.Parameter(torch.randn(H, D // H, D) / 3)

    def forward(self, x):
        q, k, v = torch.einsum("bne,thed->tbhnd", x, self.qkv)
        return torch.einsum("bhnd,hde->bne", attend(q, k, v), self.out)


class TorchsOwn(nn.MultiheadAttention):
    def __init__(self):
        super().__init__(D, H, batch_first=True)

    def forward(self, x):
        return super().forward(x, x, x, need_weights=False)[0]


ATTENTIONS = (
    Fused, HeadFirst, WidthFirst, WithoutBias, ListOfHeads, RawMatrices, KeysWithValues, QueriesWithKeys,
    TensorPerHead, TorchsOwn,
)  # fmt: skip


class Block(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.second, self.first = nn.LayerNorm(D), nn.LayerNorm(D)
        self.mix, self.narrow, self.widen = attention(), nn.Linear(HIDDEN, D), nn.Linear(D, HIDDEN)

    def forward(self, x):
        x = x + self.mix(F.layer_norm(x, (D,), self.first.weight, self.first.bias))
        return x + self.narrow(F.gelu(self.widen(self.second.forward(x))))


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {
        **dict.fromkeys("qkvo", (D, D)),
        "w1": (HIDDEN, D),
        "b1": (HIDDEN,),
        "w2": (D, HIDDEN),
        "b2": (D,),
        **dict.fromkeys(("norm1", "norm2", "bnorm1", "bnorm2"), (D,)),
        "bo": (D,),
    }
    drawn = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    return drawn | {name: np.zeros(D, np.float32) for name in ("bq", "bk", "bv", "bo")}


def by_hand(x: torch.Tensor, w: dict[str, np.ndarray]) -> torch.Tensor:
    t = {name: torch.as_tensor(a) for name, a in w.items()}
    u = F.layer_norm(x, (D,), t["norm1"], t["bnorm1"])
    x = x + attention_by_hand(u, t)
    u = F.layer_norm(x, (D,), t["norm2"], t["bnorm2"])
    return x + F.linear(F.gelu(F.linear(u, t["w1"], t["b1"])), t["w2"], t["b2"])


def attention_by_hand(u: torch.Tensor, t: dict) -> torch.Tensor:
    q, k, v = (rearrange(u @ torch.as_tensor(t[r]).T, "b n (h d) -> b h n d", h=H) for r in "qkv")
    return rearrange(attend(q, k, v), "b h n d -> b n (h d)") @ torch.as_tensor(t["o"]).T


X = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_an_attention_is_found_in_any_layout(attention, seed: int) -> None:
    torch.manual_seed(seed)
    model = attention()
    attention_layout(model, lambda x: model(x)[:, 0], D).write(weights())
    torch.testing.assert_close(model(X), attention_by_hand(X, weights()), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_block_is_found_in_any_layout(attention) -> None:
    torch.manual_seed(0)
    model = Block(attention)
    layout = block_layout(model, D, HIDDEN)
    layout.write(weights())
    torch.testing.assert_close(model(X), by_hand(X, weights()), atol=2e-6, rtol=1e-5)
    assert {"q", "k", "v", "o", "w1", "w2", "norm1", "norm2", "bnorm1", "bnorm2", "b1", "b2"} <= set(layout.places)


def test_gradients_come_back_by_role() -> None:
    found = []
    for attention in (HeadFirst, RawMatrices):
        model = Block(attention)
        layout = block_layout(model, D, HIDDEN)
        layout.write(weights())
        found.append(layout.gradients(model(X), {}, aim=3))
    for role in ("q", "k", "v", "o", "w1", "norm2"):
        np.testing.assert_allclose(found[0][f"grad {role}"], found[1][f"grad {role}"], atol=2e-5)


def test_a_feed_forward_is_found_in_either_form() -> None:
    x = X[:, :1]
    expected = F.linear(
        F.gelu(F.linear(x, *map(torch.as_tensor, (weights()["w1"], weights()["b1"])))),
        *map(torch.as_tensor, (weights()["w2"], weights()["b2"])),
    )

    class ByMatrices(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.b = nn.Parameter(torch.zeros(D, HIDDEN)), nn.Parameter(torch.zeros(HIDDEN))
            self.c, self.two = nn.Parameter(torch.zeros(D)), nn.Parameter(torch.zeros(HIDDEN, D))

        def forward(self, x):
            return F.gelu(x @ self.one + self.b) @ self.two + self.c

    for model in (ByMatrices(), nn.Sequential(nn.Linear(D, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, D))):
        feed_forward_layout(model, D, HIDDEN).write(weights())
        torch.testing.assert_close(model(x), expected, atol=2e-6, rtol=1e-5)


class PostNorm(Block):
    def forward(self, x):
        return self.second(x + self.narrow(F.gelu(self.widen(self.first(x + self.mix(x))))))


class Parallel(Block):
    def forward(self, x):
        return x + self.mix(self.first(x)) + self.narrow(F.gelu(self.widen(self.second(x))))


class SwappedHalves(Block):
    def forward(self, x):
        x = x + self.narrow(F.gelu(self.widen(self.second(x))))
        return x + self.mix(self.first(x))


@pytest.mark.parametrize("wrong", [PostNorm, Parallel, SwappedHalves])
def test_a_wrong_wiring_gives_no_layout(wrong) -> None:
    with pytest.raises(NoLayout):
        block_layout(wrong(Fused), D, HIDDEN)
