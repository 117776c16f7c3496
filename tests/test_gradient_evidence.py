"""Gradients as evidence: a missing connection is a wrong array, an innocent style is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from helpers.checks.gradients import gradients, same_gradients, with_gradient

X = np.random.default_rng(3).normal(size=(2, 3, 4)).astype(np.float32)


def record(model) -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    leaf, x = with_gradient(X)
    out = model(layer, x)
    found = gradients(out, {"x": leaf, "weight": layer.weight, "bias": layer.bias}, aim=5)
    return {name: np.asarray(a) for name, a in found.items()}


def solution(layer, x):
    return x + torch.tanh(layer(x))


def in_place(layer, x):
    branch = torch.tanh(layer(x * 1))
    x += branch
    return x


def in_double(layer, x):
    return x + torch.tanh(layer(x)).double()


def without_gradients(layer, x):
    with torch.no_grad():
        return x + torch.tanh(layer(x))


def detached_input(layer, x):
    return x + torch.tanh(layer(x.detach()))


def detached_branch(layer, x):
    return x + torch.tanh(layer(x)).detach()


def fresh_leaf(layer, x):
    copy = nn.Linear(4, 4)
    copy.load_state_dict(layer.state_dict())
    return x + torch.tanh(copy(x))


def detached_bias(layer, x):
    return x + torch.tanh(nn.functional.linear(x, layer.weight, layer.bias.detach()))


@pytest.mark.parametrize("answer", [in_place, in_double])
def test_a_right_style_has_the_same_gradients(answer) -> None:
    found = same_gradients("g", record(solution), record(answer))
    assert found.ok, found.detail


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (without_gradients, "`x` gets no gradient"),
        (detached_input, "of the gradient for `x` differ"),
        (detached_branch, "of the gradient for `x` differ"),
        (fresh_leaf, "`weight` gets no gradient"),
        (detached_bias, "`bias` gets no gradient"),
    ],
)
def test_a_missing_connection_is_named(answer, says: str) -> None:
    found = same_gradients("g", record(solution), record(answer))
    assert not found.ok
    assert says in found.detail


def test_zeros_ones_nan_and_another_shape_are_wrong() -> None:
    wanted = record(solution)
    for wrong in (np.zeros_like, np.ones_like, lambda a: np.full_like(a, np.nan), lambda a: np.zeros(0), lambda a: a.T):
        assert not same_gradients("g", wanted, {name: wrong(a) for name, a in wanted.items()}).ok
    assert not same_gradients("g", wanted, {}).ok


def test_an_output_that_is_no_tensor_or_of_another_shape_gives_empty_arrays() -> None:
    leaf, x = with_gradient(X)
    for out in (None, 3.0, x.sum(-1), x.long()):
        assert gradients(out, {"x": leaf}, aim=X)["grad x"].size == 0


def test_a_tensor_that_an_answer_may_lack_is_left_out() -> None:
    wanted = record(solution)
    got = {name: a for name, a in wanted.items() if name != "grad bias"}
    assert not same_gradients("g", wanted, got).ok
    assert same_gradients("g", wanted, got, optional=("bias",)).ok
    assert same_gradients("g", wanted, got, names=("x", "weight")).ok
