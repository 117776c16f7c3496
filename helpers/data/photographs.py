"""Three real photographs that come with packages which are installed anyway, so that no lesson needs the network.

`china` and `flower` are part of scikit-learn, `hopper` is part of matplotlib.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

NAMES = {
    "china": "A temple with a curved roof in front of green hills (scikit-learn, Luca Galuzzi).",
    "flower": "A red and yellow flower against dark leaves (scikit-learn, Dennis Welsch).",
    "hopper": "Portrait of Grace Hopper in uniform, in front of a flag (matplotlib, US Navy).",
}


def photograph(name: str = "china", size: int | tuple[int, int] = 224) -> Tensor:
    """A photograph (3, h, w), float32 in 0..1, cropped around its centre to the aspect of `size` and resized.

    Args:
        name: `china`, `flower` or `hopper`.
        size: the side in pixels, or (height, width).

    Raises:
        ValueError: there is no photograph of that name, or the size is not positive.
    """
    if name not in NAMES:
        raise ValueError(f"There is no photograph {name!r}. There are: {', '.join(NAMES)}.")
    h, w = (size, size) if isinstance(size, int) else size
    if h < 1 or w < 1:
        raise ValueError(f"The size is (height, width) in pixels, at least 1 each; got ({h}, {w}).")
    whole = _read(name)
    height, width = whole.shape[:2]
    scale = min(height / h, width / w)
    ch, cw = max(1, int(h * scale)), max(1, int(w * scale))
    top, left = (height - ch) // 2, (width - cw) // 2
    crop = Image.fromarray(whole[top : top + ch, left : left + cw])
    small = np.asarray(crop.resize((w, h), Image.Resampling.BOX), dtype=np.float32) / 255
    return torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))


@lru_cache(maxsize=3)
def _read(name: str) -> np.ndarray:
    """(h, w, 3), uint8."""
    if name == "hopper":
        from matplotlib.cbook import get_sample_data

        path = str(get_sample_data("grace_hopper.jpg", asfileobj=False))
        return np.asarray(Image.open(path).convert("RGB"))
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image(f"{name}.jpg"))
