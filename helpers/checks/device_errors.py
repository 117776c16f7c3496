"""What only happens on a GPU, in words that help."""

from __future__ import annotations

from helpers.checks.answer import Failure

_MEANINGS = (
    (
        ("on the same device", "either on cpu or on the same device", "same device as the indexed tensor"),
        "Two tensors met on two devices: one of them stayed on the CPU. Is it made in your answer (`torch.arange`, "
        "`torch.zeros`, `torch.rand`, …)? Make it where the input is: `device=x.device`. Is it kept in a module? Only "
        "parameters, buffers and registered modules move along with it.",
    ),
    (
        ("device type tensor to numpy",),
        "numpy only knows memory of the CPU: `.cpu()` comes before `.numpy()`, and before a function of another "
        "library that takes arrays.",
    ),
    (
        ("device type for generator",),
        "The generator and the numbers drawn from it belong to one device: `torch.Generator(device=x.device)`, or draw "
        "on the CPU and move the result.",
    ),
    (
        ("_cuda\" not implemented for 'Long'", "_cuda\" not implemented for 'Int'", "_cuda\" not implemented for 'Byte'"),
        "A GPU multiplies no matrices of whole numbers: make floats of them first, `.float()`.",
    ),
    (
        ("device-side assert",),
        "A number used as an index was too large or too small (a class, a token, a place). After that the GPU answers "
        "nothing any more: restart the kernel and run the cells above again. With VITLAB_DEVICE=cpu set before, Python "
        "names the line.",
    ),
    (("doesn't support float64",), "This GPU has no float64: keep to float32, `.float()`."),
)  # fmt: skip


def meaning_of(failure: Failure) -> str:
    """A sentence or two for an error that comes of the device; "" for any other."""
    return next((text for parts, text in _MEANINGS if any(part in failure.message for part in parts)), "")
