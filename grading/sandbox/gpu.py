"""NVIDIA GPUs in the sandbox: which device nodes are shown, and what a kernel is told about its share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

DEVICES = Path("/dev")
_NODES = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps/nvidia-cap[0-9]*")
SHARE = "VITLAB_GPU_SHARE"  # read by kernel.py
# torch then asks the driver's management library how many GPUs there are: asking CUDA would start it in the zygote,
# and no fork of a process that has started CUDA can use it
COUNT_WITHOUT_CUDA = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}


def device_nodes() -> list[Path]:
    """What a process needs for CUDA, of all GPUs of this machine; empty where there is none."""
    found = [path for pattern in _NODES for path in sorted(DEVICES.glob(pattern))]
    return found if any(path.name[6:].isdigit() for path in found) else []


def bound() -> Iterator[str]:
    """bubblewrap's arguments: the nodes and nothing else of /dev; the driver's libraries lie under /usr."""
    for path in device_nodes():
        yield from ("--dev-bind-try", str(path), str("/dev" / path.relative_to(DEVICES)))


def environment(share: float | None) -> Mapping[str, str]:
    """For a kernel with this share of each GPU's memory; nothing where it has no GPU."""
    if share is None:
        return {}
    return {"VITLAB_DEVICE": "cuda", SHARE: f"{share:.4f}", **COUNT_WITHOUT_CUDA}
