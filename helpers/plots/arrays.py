"""What may be drawn: tensors, arrays and lists become numpy arrays, images become (h, w) or (h, w, 3) in 0..1."""

from __future__ import annotations

import numpy as np


def to_numpy(values) -> np.ndarray:
    """A numpy array of a tensor (on any device, with or without gradient), an array or a nested list."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if values.dtype.is_floating_point:
            values = values.float()  # numpy has no bfloat16
        return values.numpy()
    if isinstance(values, (list, tuple)) and any(hasattr(value, "detach") for value in values):
        return np.stack([to_numpy(value) for value in values])
    return np.asarray(values)


def to_pictures(images) -> list[np.ndarray]:
    """Images (n, c, h, w), (n, h, w) or a list of images, as what `imshow` draws, all on one scale.

    Values outside 0..1 (normalised images) are stretched together to 0..1.
    """
    if hasattr(images, "ndim") and images.ndim not in (3, 4):
        raise ValueError(f"Images are shaped (n, c, h, w) or (n, h, w); got {tuple(images.shape)}.")
    arrays = [to_numpy(image) for image in images]
    arrays = [array / 255.0 if array.dtype == np.uint8 else array.astype(float) for array in arrays]
    finite = [array[np.isfinite(array)] for array in arrays]
    low = min((part.min() for part in finite if part.size), default=0.0)
    high = max((part.max() for part in finite if part.size), default=1.0)
    if low < -1e-3 or high > 1 + 1e-3:
        arrays = [(array - low) / (high - low) for array in arrays]
    return [_channels_last(np.clip(np.nan_to_num(array), 0, 1)) for array in arrays]


def to_picture(image) -> np.ndarray:
    """One image (c, h, w), (h, w, c) or (h, w) as (h, w) or (h, w, 3) in 0..1."""
    return to_pictures([image])[0]


def _channels_last(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 3):
        return array
    raise ValueError(f"An image has 1 or 3 channels, (c, h, w) or (h, w); got shape {array.shape}.")
