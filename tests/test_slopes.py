"""A gradient that says something else than the output does is found, whatever the weights are."""

from __future__ import annotations

import torch

from helpers.checks.slopes import slopes, slopes_agree

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
MATRIX = torch.randn(4, 5, generator=torch.Generator().manual_seed(2))


def _ok(call) -> bool:
    return slopes_agree("gradient", slopes(call, {"x": X}, 3), "x").ok


def test_a_right_gradient_agrees() -> None:
    assert _ok(lambda x: (x @ MATRIX).relu() + 1)


def test_a_detached_branch_is_found() -> None:
    assert not _ok(lambda x: (x @ MATRIX).tanh() + (x.detach() @ MATRIX))


def test_no_gradient_at_all_is_found() -> None:
    assert not _ok(lambda x: (x @ MATRIX).detach())


def test_an_output_that_ignores_its_input_is_found() -> None:
    assert not _ok(lambda x: MATRIX + 0 * x.sum())
