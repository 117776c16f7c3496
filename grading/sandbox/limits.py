"""What one notebook may use while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

MB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one run; every value is a positive number.

    cell_seconds: wall-clock seconds for one cell, then it is interrupted.
    total_seconds: wall-clock seconds for all cells together, re-runs after a restart included; starting
        kernels is not counted.
    memory_mb: MiB of private memory of one process (RLIMIT_DATA: a request beyond it is a MemoryError), and
        with 512 MiB on top for shared libraries the most that all processes of the sandbox may hold together.
    processes: processes and threads at once, the kernel's own (about 12) included.
    open_files: file descriptors of one process.
    disk_mb: MiB of the writable memory disk (/tmp, home and work folder) and of the largest single file.
        /dev/shm has 64 MiB of its own.
    output_mb: MiB of kernel messages of one notebook, every byte on the wire counted.
    gpu_share: share of each GPU's memory, for torch in one process; None: the sandbox shows no GPU.
    """

    cell_seconds: float = 30
    total_seconds: float = 180
    memory_mb: int = 4096
    processes: int = 128
    open_files: int = 512
    disk_mb: int = 256
    output_mb: int = 16
    gpu_share: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            whole = not field.name.endswith(("_seconds", "_share"))
            kinds = (int,) if whole else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise TypeError(
                    f"limits.{field.name} is {value!r}; expected a {'whole ' if whole else ''}number above 0"
                )
            if not math.isfinite(value) or value <= 0:
                raise ValueError(f"limits.{field.name} is {value!r}; expected a number above 0")
