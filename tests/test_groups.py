"""What takes minutes to set up is set up once: pytest-xdist runs a group's tests in one process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_a_group_runs_in_one_process(tmp_path: Path) -> None:
    """With pytest 9.2 and pytest-xdist 3.8 it doesn't, and the hostile bank is graded twice at the same time."""
    (tmp_path / "test_grouped.py").write_text(
        "import pytest\n\n@pytest.mark.xdist_group('one')\n@pytest.mark.parametrize('i', range(6))\ndef test(i): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    workers = re.findall(r"^\[(gw\d)\].*PASSED", done.stdout, re.MULTILINE)
    assert len(workers) == 6
    assert len(set(workers)) == 1, "tests of one group ran in several processes"
