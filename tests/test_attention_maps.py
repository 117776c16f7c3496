"""Attention weights are caught whoever wrote the layer, and a model is left as it was."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.attention_maps import NoAttention, by_layer, record_attention
from helpers.built import stand_ins
from helpers.checks.stub_modules import known_parts

X = torch.linspace(-1, 1, 2 * 5 * 8).reshape(2, 5, 8)  # b n d


class ByHand(nn.Module):
    """Two heads; softmax taken in the way that `how` says."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.qkv, self.how = nn.Linear(8, 24), how

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)  # b h n e each
        if self.how == "fused":
            out = F.scaled_dot_product_attention(q, k, v)
        elif self.how == "head by head":
            out = torch.stack([((a @ b.mT) / 2).softmax(-1) @ c for a, b, c in zip(*map(list, (
                q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1))), strict=True)], dim=1)  # fmt: skip
        else:
            energy = q @ k.mT / 2
            weights = {
                "method": lambda: energy.softmax(dim=-1),
                "function": lambda: torch.softmax(energy, 3),
                "functional": lambda: F.softmax(energy, dim=-1),
                "module": lambda: nn.Softmax(dim=-1)(energy),
                "exp": lambda: energy.exp() / energy.exp().sum(-1, keepdim=True),
            }[self.how]()
            out = weights @ v
        return out.transpose(1, 2).flatten(2)


def wanted(model: ByHand) -> torch.Tensor:
    q, k, _ = model.qkv(X).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
    energy = torch.einsum("bhie,bhje->bhij", q, k) / 2
    return energy.exp() / energy.exp().sum(-1, keepdim=True)


@pytest.mark.parametrize("how", ["method", "function", "functional", "module", "fused", "head by head"])
def test_attention_written_by_hand_is_seen(how: str) -> None:
    model = ByHand(how)
    with record_attention(model) as caught:
        model(X)
    assert torch.allclose(by_layer(caught, 1)[0], wanted(model), atol=1e-5)


def test_torch_s_own_attention_is_seen_and_its_output_unchanged() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).eval()
    with record_attention(model) as caught:
        out = model(X)
    assert by_layer(caught, 3).shape == (3, 2, 2, 5, 5)
    assert torch.allclose(torch.stack(caught).sum(-1), torch.ones(()), atol=1e-5)
    assert torch.allclose(out, model(X), atol=1e-5)


def test_stand_ins_are_seen() -> None:
    model = stand_ins.ViT(depth=3)
    with record_attention(model) as caught:
        model(torch.randn(2, 3, 32, 32))
    assert by_layer(caught, 3).shape == (3, 2, 2, 17, 17)


def test_modes_are_put_back_even_after_an_error() -> None:
    model = nn.Sequential(ByHand("method"), nn.Dropout(0.5))
    model[0].eval()
    with pytest.raises(NoAttention), record_attention(model):
        torch.relu(X)
    assert [part.training for part in (model, model[0], model[1])] == [True, False, True]


def test_unseen_attention_is_said() -> None:
    model = ByHand("exp")
    with pytest.raises(NoAttention, match="ByHand ran, and no attention was seen"), record_attention(model):
        model(X)


def test_maps_that_fit_no_number_of_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="3 attention maps"):
        by_layer([torch.ones(1, 1, 2, 2)] * 3, 2)


def test_known_parts_stand_in_for_names_and_leave_no_trace() -> None:
    before = stand_ins.PatchEmbedding
    with known_parts(stand_ins.ViT) as log:
        model = stand_ins.ViT(depth=3, emb_size=32)
        model(torch.randn(2, 3, 32, 32))
        assert stand_ins.PatchEmbedding is not before
    assert stand_ins.PatchEmbedding is before
    assert log.of("embedding") == [(3, 8, 32, 32)]
    assert len(log.of("block")) == len(set(log.of("called"))) == 3
