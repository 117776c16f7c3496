"""The floor of `grading.py`: one submission's cells in an IPython shell that is warm, outputs captured.

`python floor.py LESSON NOTEBOOK` prints processor seconds per run as JSON: of the cells that grading runs, under an
exam seed, and of all cells without one. The first run of each warms the shell and doesn't count.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # `grading.py` beside this file would hide the package

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat import NotebookNode

from grading.judging.cells_to_run import cells_to_run
from helpers.checks.check import EXAM_SEED

RUNS = 5


def seconds(shell: InteractiveShell, sources: list[str], runs: int) -> float:
    """The median of `runs` after one that warms up; each in a namespace of its own."""
    times = []
    for _ in range(runs + 1):
        shell.reset(new_session=False)
        start = time.process_time()
        for source in sources:
            with capture_output():
                shell.run_cell(source)
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


def code(cells: list[NotebookNode]) -> list[str]:
    return [cell.source for cell in cells if cell.cell_type == "code" and cell.source.strip()]


def main() -> None:
    notebook = nbformat.read(sys.argv[2], as_version=4)
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    shell = InteractiveShell.instance()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        everything = seconds(shell, code(notebook.cells), 2)
        os.environ[EXAM_SEED] = "7"
        needed = seconds(shell, code([notebook.cells[i] for i in cells_to_run(notebook)]), RUNS)
        os.chdir("/")
    print(json.dumps({"run": needed, "all": everything}))


if __name__ == "__main__":
    main()
