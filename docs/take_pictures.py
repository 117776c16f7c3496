"""Takes the README's pictures anew: `python docs/take_pictures.py [--demo demo_out]`. Needs Chromium on the path.

The card is that of a real mistake from the bank; the report is that of `vitlab demo` (run it first).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from grading.course import load_course
from grading.judging.reference import load_reference
from helpers import check

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
LESSON, QUESTION = "02_positional_encoding", "Q1"
MISTAKE = "twice_the_column_in_the_exponent_of_the_cosine"  # some criteria are met, and the picture shows the rest
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--force-device-scale-factor=1.5",
]  # fmt: skip


def screenshot(page: Path, picture: Path, width: int, height: int) -> None:
    """Render a local page to a PNG, trimmed at the bottom where it is empty."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium was not found on PATH; on Debian: apt install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        subprocess.run([*command, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)
    image = Image.open(picture).convert("RGB")
    background = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
    from PIL import ImageChops

    box = ImageChops.difference(image, background).getbbox() or (0, 0, *image.size)
    image = image.crop((0, 0, image.width, min(image.height, box[3] + 24)))
    image.quantize(128).save(picture, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=ROOT / "demo_out", help="the folder that `vitlab demo` wrote")
    options = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    course = load_course(ROOT)
    bank = load_reference(course.source(LESSON), course.bank(LESSON)).bank
    [mistake] = [one for one in bank.mistakes_of(QUESTION) if one.name == MISTAKE]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "card.html"
        style = "body{margin:16px;background:#fff}"
        html = check(QUESTION, mistake.answer)._repr_html_()  # type: ignore[union-attr]
        page.write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{html}", "utf-8")
        screenshot(page, PICTURES / "card.png", 800, 700)
    report = (options.demo / "report.html").resolve()
    if not report.exists():
        sys.exit(f"{report} is not there: run `vitlab demo --out {options.demo}` first")
    screenshot(report, PICTURES / "report.png", 1100, 1150)
    for picture in PICTURES.glob("*.png"):
        print(picture.relative_to(ROOT), f"{picture.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
