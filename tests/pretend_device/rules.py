"""What CUDA allows: which tensors may meet, which types are multiplied, whose random numbers are drawn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.pretend_device.tensors import on_device

# Copies go from device to device, and the rest only asks or rebinds.
MEET_FREELY = {"copy_", "_foreach_copy_", "type_as", "_has_compatible_shallow_copy_type", "is_same_size", "data",
               "result_type", "can_cast", "__array_wrap__", "__len__"}  # fmt: skip

# Elsewhere a number on the CPU may take part; here it may not.
NO_NUMBERS = {"stack", "cat", "concat", "concatenate", "hstack", "vstack", "dstack", "column_stack", "row_stack",
              "block_diag", "equal", "linear", "bilinear", "cross_entropy", "nll_loss", "embedding"}  # fmt: skip

PRODUCTS = {"matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "addmm_", "baddbmm", "baddbmm_", "mv", "addmv",
            "dot", "vdot", "inner", "linear", "bilinear", "tensordot", "chain_matmul", "multi_dot", "matrix_power",
            "multi_head_attention_forward", "scaled_dot_product_attention"}  # fmt: skip
CONVOLUTIONS = {f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)}

INDEXED = {"__getitem__", "__setitem__", "index_select", "gather", "scatter", "scatter_", "scatter_add", "scatter_add_",
           "take", "take_along_dim", "embedding", "embedding_bag", "cross_entropy", "nll_loss", "one_hot", "index_add",
           "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_", "index_put",
           "index_put_"}  # fmt: skip

DRAWN = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson", "rand_like",
         "randn_like", "randint_like", "normal_", "uniform_", "bernoulli_", "random_", "exponential_", "cauchy_",
         "log_normal_", "geometric_", "dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
         "feature_dropout", "feature_alpha_dropout", "gumbel_softmax", "rrelu", "scaled_dot_product_attention",
         "multi_head_attention_forward", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_",
         "trunc_normal_", "orthogonal_", "sparse_"}  # fmt: skip

WAITS = {"item", "tolist", "__bool__", "__float__", "__int__", "__index__", "nonzero", "argwhere", "masked_select",
         "equal", "allclose", "unique", "bincount", "repr", "cpu"}  # fmt: skip


def check_meeting(name: str, tensors: list[Tensor]) -> bool:
    """Whether a call runs on the device.

    Raises:
        RuntimeError: tensors of two devices meet that may not.
    """
    here = [on_device(t) for t in tensors]
    if not any(here):
        return False
    if name in MEET_FREELY or all(here):
        return True
    if name in ("__getitem__", "__setitem__"):
        return _check_index(name, tensors)
    strict = name in NO_NUMBERS or name in PRODUCTS or name in CONVOLUTIONS
    if any(strict or t.ndim > 0 for t, on in zip(tensors, here, strict=True) if not on):
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
            f"(when checking arguments of {name})"
        )
    return True


def _check_index(name: str, tensors: list[Tensor]) -> bool:
    """`tensors` are the indexed one, then its indices (and the value, which `check_value` looks at)."""
    if on_device(tensors[0]):
        return True
    for index in tensors[1:]:
        if on_device(index) and (index.ndim or index.is_floating_point()):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    return False


def check_value(index: Any, target: Tensor, value: Any) -> None:
    """x[index] = value copies from any device, unless the index holds tensors.

    Raises:
        RuntimeError: a value of another device under an index of tensors.
    """
    parts = index if isinstance(index, tuple | list) else (index,)
    by_tensors = any((isinstance(p, Tensor) and p.ndim) or isinstance(p, list) for p in parts)
    apart = isinstance(value, Tensor) and value.ndim > 0 and on_device(value) != on_device(target)
    if by_tensors and apart:
        raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices (index_put_)")


def check_types(name: str, args: tuple, tensors: list[Tensor]) -> None:
    """CUDA multiplies no matrices of whole numbers.

    Raises:
        RuntimeError: it is asked to.
    """
    product = name in PRODUCTS or name in CONVOLUTIONS or (name == "einsum" and _contracts(args))
    if product and tensors and not tensors[0].dtype.is_floating_point and not tensors[0].dtype.is_complex:
        kind = {torch.int64: "Long", torch.int32: "Int", torch.bool: "Bool", torch.uint8: "Byte"}
        raise RuntimeError(f"\"addmm_cuda\" not implemented for '{kind.get(tensors[0].dtype, 'Short')}'")


def _contracts(args: tuple) -> bool:
    """Whether an einsum multiplies and sums over an index that several operands share."""
    text = args[0] if args and isinstance(args[0], str) else ""
    left, _, right = text.replace(" ", "").partition("->")
    operands = left.split(",")
    return any(sum(letter in one for one in operands) > 1 and letter not in right for letter in set(left) - {","})


def check_generator(generator: Any, here: bool) -> None:
    """Numbers on a device come from a generator of that device.

    Raises:
        RuntimeError: the generator is another device's.
    """
    if generator is not None and (generator.device.type == "cuda") != here:
        wanted, found = ("cuda", "cpu") if here else ("cpu", "cuda")
        raise RuntimeError(f"Expected a '{wanted}' device type for generator but found '{found}'")
