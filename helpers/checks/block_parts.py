"""Parts of an encoder block, given while the block is asked for (Q7b), so that it is judged by its assembly alone.

They do the same job as the parts of lessons 05 and 06 where the judge looks, and none answers its own question: the
attention is torch's own, the sum passes no keyword arguments on, and the feed-forward uses softplus. The judge draws
biases of the hidden layer that are far from zero: there softplus and GELU agree, since both let a number through as it
is or not at all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def block_parts() -> dict[str, Any]:
    """By the name under which an answer looks each part up."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Attention(nn.MultiheadAttention):
        def __init__(self, emb_size: int = 64, num_heads: int = 4, dropout: float = 0.0, **_: Any) -> None:
            super().__init__(emb_size, num_heads, dropout=dropout, batch_first=True)

        def forward(self, x: Any, mask: Any = None, **_: Any) -> Any:  # type: ignore[override]
            blocked = None if mask is None else mask.logical_not()
            return super().forward(x, x, x, attn_mask=blocked, need_weights=False)[0]

    class Sum(nn.Module):
        def __init__(self, fn: Any) -> None:
            super().__init__()
            self.branch = fn

        def forward(self, x: Any, **_: Any) -> Any:
            return torch.stack((x, self.branch(x))).sum(0)

    class Widened(nn.Module):
        def __init__(self, emb_size: int, expansion: int = 4, drop_p: float = 0.0, **_: Any) -> None:
            super().__init__()
            hidden = expansion * emb_size
            self.wide, self.narrow = nn.Linear(emb_size, hidden), nn.Linear(hidden, emb_size)
            self.rate = drop_p

        def forward(self, x: Any, **_: Any) -> Any:
            return self.narrow(F.dropout(F.softplus(self.wide(x), beta=2), self.rate, self.training))

    return {"MultiHeadAttention": Attention, "ResidualAdd": Sum, "FeedForwardBlock": Widened}
