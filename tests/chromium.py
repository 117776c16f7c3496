"""A page opened in Chromium, and what a script in it found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

NAME = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip

needs_chromium = pytest.mark.skipif(NAME is None, reason="Chromium is not on the path: apt install chromium")


def found_by(script: str, page: Path, scratch: Path) -> Any:
    """What `script`, a module run at the end of a copy of the page, assigns to `found`."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"), count=1)
    probe = f'<script type="module">let found;\n{script}\ndocument.title = JSON.stringify(found);</script>'
    copy = page.with_name("probed.html")
    copy.write_text(text.replace("</body>", probe + "</body>"), "utf-8")
    try:
        done = subprocess.run(
            [str(NAME), *FLAGS, f"--user-data-dir={scratch / 'profile'}", "--dump-dom", copy.as_uri()],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    finally:
        copy.unlink()
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr[-500:]
    return json.loads(unescape(title[1]))
