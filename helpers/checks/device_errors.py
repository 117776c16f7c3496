"""What only happens on a GPU, in words that help."""

from __future__ import annotations

from helpers.checks.wire_format import Failure

_LEFT_BEHIND = (
    "Two tensors met on two devices: one of them stayed on the CPU. Is it made in your answer (`torch.arange`, "
    "`torch.zeros`, `torch.rand`, …)? Make it where the input is: `device=x.device`. Is it kept in a module? Only "
    "parameters, buffers and registered modules move along with it."
)
_NUMPY = (
    "numpy only knows memory of the CPU: `.cpu()` comes before `.numpy()`, and before a function of another library "
    "that takes arrays."
)
_GENERATOR = (
    "The generator and the numbers drawn from it belong to one device: `torch.Generator(device=x.device)`, or draw on "
    "the CPU and move the result."
)
_WHOLE_NUMBERS = "A GPU multiplies no matrices of whole numbers: make floats of them first, `.float()`."
_ASSERT = (
    "A number used as an index was too large or too small (a class, a token, a place). After that the GPU answers "
    "nothing any more: restart the kernel and run the cells above again. With VITLAB_DEVICE=cpu set before, Python "
    "names the line."
)
_MEANINGS = {
    "on the same device": _LEFT_BEHIND,
    "on cpu or on the same device": _LEFT_BEHIND,
    "device type tensor to numpy": _NUMPY,
    "device type for generator": _GENERATOR,
    "_cuda\" not implemented for 'Long'": _WHOLE_NUMBERS,
    "_cuda\" not implemented for 'Int'": _WHOLE_NUMBERS,
    "_cuda\" not implemented for 'Byte'": _WHOLE_NUMBERS,
    "device-side assert": _ASSERT,
    "doesn't support float64": "This GPU has no float64: keep to float32, `.float()`.",
}


def meaning_of(failure: Failure) -> str:
    """A sentence or two for an error that comes of the device; "" for any other."""
    return next((text for part, text in _MEANINGS.items() if part in failure.message), "")
