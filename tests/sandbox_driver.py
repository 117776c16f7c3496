"""What the sandbox tests share: small notebooks, and running as somebody else."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook

from grading.sandbox.limits import Limits
from grading.sandbox.run import Run

COURSE = Path(__file__).resolve().parents[1]
SMALL = Limits(cell_seconds=20, total_seconds=60, memory_mb=1536, processes=64, open_files=256, disk_mb=32, output_mb=4)


def notebook(*sources: str):
    return new_notebook(cells=[new_code_cell(source) for source in sources])


def text(run: Run, index: int) -> str:
    """What a cell printed and showed."""
    parts = []
    for output in run.notebook.cells[index].outputs:
        parts.append(output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", ""))
    return "".join(parts).strip()


def kinds(run: Run) -> list[tuple[int, str]]:
    return [(event.cell_index, event.kind) for event in run.events]


def commands() -> dict[str, str]:
    """Command line of every process of this machine."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[folder.name] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def wait_until(condition, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


DRIVER = """
import json, sys
from nbformat.v4 import new_code_cell, new_notebook
from grading.sandbox.run import Limits, WarmPool, run_notebook
job = json.load(sys.stdin)
warm = WarmPool(read_only=job["read_only"]) if job.get("warm") else None
run = run_notebook(
    new_notebook(cells=[new_code_cell(source) for source in job["sources"]]),
    limits=Limits(**job["limits"]), env=job["env"], read_only=job["read_only"], warm=warm,
)
print(json.dumps([run.notebook.cells, run.events, run.status, run.notes]))
if warm: warm.close()
"""
