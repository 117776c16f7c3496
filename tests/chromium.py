"""Where Chromium is, how tests start it, and what a script in a page found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """Where Chromium is.

    Raises:
        FileNotFoundError: there is none. The journeys fail then: without a browser nothing of the interface is tested.
    """
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise FileNotFoundError(
            "The browser tests need Chromium, and none of chromium, chromium-browser and google-chrome is on the "
            "PATH: run `sh .ci/install-chromium`, or leave these tests out with `-m 'not browser'`."
        )
    return found


def found_by(script: str, page: Path, scratch: Path) -> Any:
    """What `script`, a module run at the end of a copy of the page, assigns to `found`."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"), count=1)
    probe = f'<script type="module">let found;\n{script}\ndocument.title = JSON.stringify(found);</script>'
    copy = page.with_name("probed.html")
    copy.write_text(text.replace("</body>", probe + "</body>"), "utf-8")
    try:
        done = subprocess.run(
            [chromium(), "--headless", *FLAGS, f"--user-data-dir={scratch / 'profile'}", "--dump-dom", copy.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        copy.unlink()
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr[-500:]
    return json.loads(unescape(title[1]))
