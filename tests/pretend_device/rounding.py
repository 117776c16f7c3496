"""How a GPU rounds: TF32 keeps 10 bits of mantissa of what it multiplies; autocast chooses types by operation."""

from __future__ import annotations

import torch
from torch import Tensor

# Operations that CUDA's autocast computes in float32, as torch's documentation lists them.
WHOLE = {"__pow__", "__rpow__", "__rsub__pow", "acos", "asin", "binary_cross_entropy_with_logits", "cosh",
         "cosine_embedding_loss", "cdist", "cosine_similarity", "cross_entropy", "cumprod", "cumsum", "dist", "erfinv",
         "exp", "expm1", "group_norm", "hinge_embedding_loss", "kl_div", "l1_loss", "layer_norm", "log", "log10",
         "log1p", "log2", "log_softmax", "logsumexp", "mse_loss", "nll_loss", "norm", "normalize", "pow", "prod",
         "reciprocal", "rsqrt", "sinh", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin", "softplus", "sum",
         "tan"}  # fmt: skip

_MASK = ~0x1FFF


def tf32(x: Tensor) -> Tensor:
    """A float32 tensor rounded to 10 bits of mantissa, ties to even; gradients pass as they are."""
    if x.dtype is not torch.float32:
        return x
    with torch.no_grad():
        bits = x.detach().contiguous().view(torch.int32)
        rounded = ((bits + 0x0FFF + ((bits >> 13) & 1)) & _MASK).view(torch.float32)
        gap = torch.where(x.isfinite(), rounded - x, 0)
    return x + gap


def whole(x: Tensor) -> Tensor:
    """Half precision as float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
