"""Finding the repeated blocks of a transformer, whoever wrote it."""

from __future__ import annotations

from collections import defaultdict

from torch import nn


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The blocks that a model stacks: the most weighty group of like modules that stand side by side, in order.

    Raises:
        ValueError: no module has two children of one kind with weights of their own.
    """
    best: tuple[int, list[nn.Module]] = (0, [])
    for parent in model.modules():
        kinds: dict[tuple[type, int], list[nn.Module]] = defaultdict(list)
        for child in parent.children():
            size = sum(p.numel() for p in child.parameters())
            kinds[type(child), size].append(child)
        for (_, size), group in kinds.items():
            if len(group) > 1 and size * len(group) > best[0]:
                best = (size * len(group), group)
    if not best[1]:
        raise ValueError("This model stacks no blocks of one kind, so there is nothing to find.")
    return best[1]
