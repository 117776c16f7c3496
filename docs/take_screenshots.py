"""Takes the pictures of JupyterLab, formgrader and the site anew: `python docs/take_screenshots.py`, or some: `… site`.

A real JupyterLab in Chromium, driven as in tests/browser, and a class of two, graded in the sandbox.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from grading.bundle import make_bundle
from grading.course import Course, load_course
from grading.engine.grade import grade
from grading.site import make_site
from tests.browser.jupyter_page import TOKEN, JupyterPage, Lab, launch, visitor
from tests.classroom import filled, hand_in, solutions

PICTURES = ROOT / "docs" / "pictures"
LESSON = "02_positional_encoding"
MOST = 150 * 1024


def keep(shot: bytes | Path, name: str) -> None:
    """Write a screenshot with few colours; it has to stay small."""
    path = PICTURES / f"{name}.png"
    path.write_bytes(shot if isinstance(shot, bytes) else shot.read_bytes())
    Image.open(path).convert("RGB").quantize(200, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)} {size / 1024:.0f} kB")
    if size > MOST:
        sys.exit(f"{path.relative_to(ROOT)} is larger than {MOST // 1024} kB: show less of the page")


def student_screens(browser: Browser, course: Course, folder: Path) -> None:
    with zipfile.ZipFile(make_bundle(course, folder / "students.zip")) as archive:
        archive.extractall(folder)
    lab = Lab(folder / course.course.id, folder / "home")
    jupyter = JupyterPage(visitor(browser, []).new_page(), lab)
    jupyter.page.set_viewport_size({"width": 1100, "height": 760})
    try:
        jupyter.open(f"notebooks/{LESSON}/{LESSON}.ipynb")
        jupyter.begin()
        jupyter.run("Q1")
        jupyter.run("Q1-check")
        jupyter.fill("Q1", "___", "n ** (2 * i / d)")
        jupyter.fill("Q1", "___", "cos(k / denominator)")
        jupyter.fill("Q1", "___", "sin(k / denominator)")
        jupyter.run("Q1")
        jupyter.run("Q1-check")
        jupyter.cell("Q1")
        jupyter.page.set_viewport_size({"width": 1100, "height": 1130})
        keep(jupyter.page.screenshot(), "screen-card")
        jupyter.theme("Dark")
        jupyter.cell("Q1-check")
        keep(jupyter.page.screenshot(), "screen-dark")
        jupyter.theme("Light")
        jupyter.command("application:toggle-left-area")
        jupyter.page.set_viewport_size({"width": 390, "height": 844})
        jupyter.cell("Q1-check")
        keep(jupyter.page.screenshot(), "screen-narrow")
        jupyter.command("application:toggle-left-area")
        jupyter.page.set_viewport_size({"width": 1100, "height": 760})
        jupyter.fill("Q1", "cos", "sin")
        jupyter.fill("Q1", "sin", "cos", line="i + 1]")
        jupyter.run("Q1")
        jupyter.run("Q1-check")
        slider = jupyter.containing("explore(draw_code")
        jupyter.run(slider)
        jupyter.cell(slider).get_by_role("slider").focus()
        jupyter.page.keyboard.press("ArrowRight")
        jupyter.cell(slider).locator('img[alt^="n = 10."]').wait_for()
        jupyter.cell(slider)
        keep(jupyter.page.screenshot(), "screen-slider")
        jupyter.page.set_viewport_size({"width": 1100, "height": 820})
        jupyter.go("lab/tree/notebooks/start_here.ipynb")
        jupyter.wait_open("start_here.ipynb")
        jupyter.run("map")
        jupyter.cell("map").locator("text=Kept in").evaluate("(line) => { line.textContent = 'Kept in …/my_work.' }")
        keep(jupyter.page.screenshot(), "screen-map")
    finally:
        lab.stop()


def instructor_screens(browser: Browser, course: Course, folder: Path) -> None:
    lesson = "01_patches"
    for student, answers in (("ada", solutions(course, lesson)), ("bo", {})):
        notebook = filled(course, lesson, answers)
        for cell in notebook.cells:
            if answers and cell.metadata.get("vitlab", {}).get("role") == "written":
                cell.source = "Strips of rows. All pixels are still there, so it can learn."
        hand_in(folder / "submitted", student, lesson, notebook)
    grade(course, [lesson], submissions=folder / "submitted", out=folder, jobs=1, seed=1)
    lab = Lab(ROOT, folder / "office", env={"VITLAB_COURSE_DATA": str(folder)})
    page = visitor(browser, []).new_page()
    page.set_viewport_size({"width": 1100, "height": 620})
    try:
        page.goto(f"{lab.url}/formgrader?token={TOKEN}")
        page.get_by_role("link", name="Manual Grading").click()
        page.get_by_role("link", name=lesson).click()
        page.get_by_role("link", name=lesson).last.click()
        page.locator("tr", has_text="7 / 7").get_by_role("link", name="Submission").click()
        page.locator("#W1a").fill("1.5")
        page.locator("#W1a").press("Tab")
        page.get_by_text("10 · In words").scroll_into_view_if_needed()
        page.evaluate("document.querySelector('#W1a').scrollIntoView({block: 'center'}); scrollBy(0, 130)")
        page.wait_for_timeout(500)
        keep(page.screenshot(), "screen-formgrader")
    finally:
        lab.stop()


def site_to_read(browser: Browser, course: Course, folder: Path) -> None:
    """The whole site, of which one lesson has been run."""
    make_site(course, folder / "run", lessons=[LESSON])
    make_site(course, folder / "site", execute=False)
    page = visitor(browser, []).new_page()
    page.set_viewport_size({"width": 1100, "height": 760})
    page.goto((folder / "site" / f"{LESSON}.html").as_uri())
    page.locator("img").nth(1).scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    keep(page.screenshot(), "screen-site")


SCREENS = {"student": student_screens, "instructor": instructor_screens, "site": site_to_read}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("screens", nargs="*", metavar="screen", help=f"which of {', '.join(SCREENS)}; default: all")
    wanted = parser.parse_args().screens or list(SCREENS)
    if unknown := set(wanted) - set(SCREENS):
        parser.error(f"no jupyter {', '.join(sorted(unknown))}; there are {', '.join(SCREENS)}")
    course = load_course(ROOT)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        for name in wanted:
            (Path(folder) / name).mkdir()
            SCREENS[name](browser, course, Path(folder) / name)
        browser.close()


if __name__ == "__main__":
    main()
