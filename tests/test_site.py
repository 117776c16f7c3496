"""The site: whole, free of answers, and in need of nothing but its own files."""

from __future__ import annotations

import json
import re
from html import unescape
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from typer.testing import CliRunner

from grading.cli import app
from grading.course import Course, CourseError, load_course
from grading.formula import FormulaError, mathml
from grading.lesson_source.source import read_source
from grading.site import make_site
from grading.site import pages as site_pages
from grading.site.execute import CACHE, executed, kept
from grading.site.links import broken_links
from grading.site.render import Section, render
from grading.site.search import search_index, words_of
from tests.answer_pieces import answer_pieces
from tests.chromium import found_by
from tests.conftest import ROOT
from tests.test_leaks import LONG_ENOUGH, squeeze

pytestmark = pytest.mark.xdist_group("site")  # written once for all tests here

COURSE = load_course(ROOT)
LESSONS = [lesson.id for lesson in COURSE.lessons]
RUN = "01_patches"  # the quickest


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """All lessons as they are given out, without outputs."""
    out = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site_pages, "kept", lambda course, lesson: None)
        made = make_site(COURSE, out, execute=False)
    assert made.without == tuple(LESSONS)
    return out


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """One lesson with its outputs."""
    out = tmp_path_factory.mktemp("site")
    make_site(COURSE, out, lessons=[RUN])
    return out


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


# ---- what is there ----


def test_the_map_lists_each_lesson_with_minutes_questions_and_colab(site: Path) -> None:
    html = (site / "index.html").read_text("utf-8")
    for lesson in COURSE.lessons:
        assert f'href="{lesson.id}.html"' in html
        assert f"{lesson.minutes} minutes" in html
        path = f"notebooks/{lesson.id}/{lesson.id}.ipynb"
        link = f"https://colab.research.google.com/github/{COURSE.course.repository}/blob/{COURSE.course.ref}/{path}"
        assert link in html
        assert (site / f"{lesson.id}.html").read_text("utf-8").count(link) == 1
        for question in read_source(COURSE.source(lesson.id)).checks():
            assert question in text_of(html)


@pytest.mark.parametrize(("before", "after"), list(pairwise(LESSONS)))
def test_lessons_lead_to_the_next_and_to_the_one_before(site: Path, before: str, after: str) -> None:
    assert f'href="{after}.html" rel="next"' in (site / f"{before}.html").read_text("utf-8")
    assert f'href="{before}.html" rel="prev"' in (site / f"{after}.html").read_text("utf-8")


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_page_holds_every_heading_and_every_line_of_code(site: Path, lesson: str) -> None:
    html = (site / f"{lesson}.html").read_text("utf-8")
    text = squeeze(text_of(html))
    notebook = nbformat.read(COURSE.student_notebook(lesson), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert squeeze(cell.source) in text, cell.source
        for heading in re.findall(r"^##+ (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []:
            assert squeeze(heading.replace("`", "").replace("*", "")) in text, heading


def test_no_link_leads_nowhere_and_nothing_is_fetched_from_elsewhere(site: Path, run: Path) -> None:
    assert broken_links(site) == broken_links(run) == []
    for path in [*site.rglob("*.*"), *run.rglob("*.*")]:
        if path.suffix in (".css", ".js"):
            fetched = re.search(
                r"@import|url\((?!data:)|fetch\(|XMLHttp|import\(|//[a-z0-9.]+/", path.read_text("utf-8")
            )
            assert not fetched or path.name == "search-index.js", (path, fetched)


def test_the_link_checker_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a><a href="#gone">4</a>'
        '<a href="https://example.org">5</a><p id="x"><p id="x"><img src="https://example.org/a.png"><img src="d.png">'
        '<script src="//example.org/x.js"></script><link href="http://example.org/a.css"><img src="data:,">'
    )
    (tmp_path / "b.html").write_text('<p id="there">')
    found = "\n".join(broken_links(tmp_path))
    assert len(broken_links(tmp_path)) == 8
    for wrong in (
        "b.html#gone",
        "c.html",
        "#gone leads",
        "'x' is given twice",
        "a.png would",
        "d.png",
        "x.js",
        "a.css",
    ):
        assert wrong in found, wrong


# ---- what is not ----


def hidden() -> list:
    return [(lesson, piece) for lesson in LESSONS for _, piece in answer_pieces(lesson)]


def leaks(folder: Path) -> list[str]:
    """Blanked pieces in pages, index and attributes; short ones as whole lines."""
    texts = [path.read_text("utf-8") for path in folder.rglob("*") if path.suffix in (".html", ".js")]
    shown = [text_of(text) for text in texts] + [unescape(text) for text in texts]
    squeezed, lines = [squeeze(text) for text in shown], {squeeze(line) for text in shown for line in text.splitlines()}
    return [
        f"{lesson}: {piece}"
        for lesson, piece in hidden()
        if (
            any(squeeze(piece) in text for text in squeezed)
            if len(squeeze(piece)) >= LONG_ENOUGH
            else squeeze(piece) in lines
        )
    ]


def test_no_answer_is_on_any_page(site: Path, run: Path) -> None:
    assert leaks(site) == leaks(run) == []


def test_the_search_for_answers_would_find_one(tmp_path: Path) -> None:
    notebook = nbformat.read(COURSE.solution_notebook(RUN), as_version=4)
    (tmp_path / "solution.html").write_text(render(notebook, RUN).body, "utf-8")
    pieces = [piece for lesson, piece in hidden() if lesson == RUN]
    assert [leak for leak in leaks(tmp_path) if leak.startswith(RUN)] == [f"{RUN}: {piece}" for piece in pieces]


def test_no_page_names_the_machine_it_was_made_on(run: Path) -> None:
    for path in run.rglob("*.html"):
        assert str(ROOT) not in path.read_text("utf-8")
        assert str(Path.home()) + "/" not in path.read_text("utf-8")


# ---- outputs ----


def test_an_untouched_lesson_is_shown_with_its_pictures_and_cards(run: Path) -> None:
    html = (run / f"{RUN}.html").read_text("utf-8")
    pictures = re.findall(r"<img[^>]*>", html)
    assert len(pictures) > 5
    for picture in pictures:
        assert re.search(r'alt="[^"]{10,}"', picture), picture[:200]
    assert len(list((run / "pictures" / RUN).glob("*.png"))) > 5
    files = [picture for picture in pictures if 'src="pictures/' in picture]
    assert len(files) > 5
    assert all(re.search(rf' {name}="', picture) for picture in files for name in ("width", "height", "loading"))
    questions = read_source(COURSE.source(RUN)).checks()
    assert html.count("not started · 0") == len(list(questions))


@pytest.fixture
def small(tmp_path: Path) -> Course:
    """A course of one lesson that counts how often it is run."""
    (tmp_path / "helpers").mkdir()
    course = COURSE.model_copy(update={"root": tmp_path, "lessons": COURSE.lessons[1:2]})
    counts = "with open('runs', 'a') as file:\n    file.write('x')\nprint('ran')"
    write(course, [new_markdown_cell("# One\n\n## Two"), new_code_cell(counts)])
    course.expectations(RUN).parent.mkdir(parents=True)
    course.expectations(RUN).touch()
    return course


def write(course: Course, cells: list) -> None:
    path = course.student_notebook(RUN)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)


def test_a_lesson_is_run_once_until_something_changes(small: Course) -> None:
    assert kept(small, RUN) is None
    for _ in range(2):
        assert executed(small, RUN).cells[1].outputs[0].text == "ran\n"
        make_site(small, small.root / "site")  # replaces what it wrote before
    counter = small.student_notebook(RUN).with_name("runs")
    assert counter.read_text() == "x"
    write(small, [new_markdown_cell("# One"), new_code_cell("with open('runs', 'a') as file:\n    file.write('x')")])
    assert kept(small, RUN) is None
    executed(small, RUN)
    assert counter.read_text() == "xx"
    assert len(list((small.root / CACHE).iterdir())) == 1, "what is out of date is removed"


def test_a_lesson_that_does_not_run_is_named_with_its_error(small: Course, tmp_path: Path) -> None:
    write(small, [new_code_cell("1 / 0")])
    with pytest.raises(CourseError, match=rf"{RUN}\.ipynb does not run as it is given out(.|\n)*ZeroDivisionError"):
        make_site(small, tmp_path / "site")


def test_a_lesson_that_is_not_built_says_what_to_do(small: Course, tmp_path: Path) -> None:
    small.student_notebook(RUN).unlink()
    with pytest.raises(CourseError, match=f"run `vitlab build {RUN}` first"):
        make_site(small, tmp_path / "site", execute=False)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(CourseError, match="no site of ours"):
        make_site(COURSE, tmp_path, execute=False)
    assert (tmp_path / "thesis.txt").exists()


def test_the_command_says_where_the_site_is_and_what_was_not_run(small: Course, tmp_path: Path) -> None:
    (small.root / "course.toml").write_text(
        '[course]\nid = "a"\ntitle = "A"\nrepository = "a/a"\nref = "main"\n'
        f'[[lessons]]\nid = "{RUN}"\ntitle = "One"\nminutes = 5\n'
    )
    command = ["site", RUN, "--out", str(tmp_path / "site"), "--course", str(small.root)]
    unrun = CliRunner().invoke(app, [*command, "--no-execute"])
    assert unrun.stdout.strip() == str(tmp_path / "site" / "index.html")
    assert f"without pictures, since not run as they are now: {RUN}" in unrun.stderr
    assert "without pictures" in (tmp_path / "site" / f"{RUN}.html").read_text("utf-8")
    assert "without pictures" not in CliRunner().invoke(app, command).stderr
    assert "ran" in (tmp_path / "site" / f"{RUN}.html").read_text("utf-8")


def test_a_kernel_is_given_no_solution(small: Course) -> None:
    write(small, [new_code_cell("import os; print(os.environ['VITLAB_BUILT'], os.environ['VITLAB_WORK'])")])
    assert executed(small, RUN).cells[0].outputs[0].text == "stand-ins off\n"


# ---- parts ----


def test_formulas_are_drawn_by_the_browser_itself(site: Path) -> None:
    html = "".join(path.read_text("utf-8") for path in site.glob("*.html"))
    assert html.count("<math ") > 15
    assert not re.search(r"\$\$|\\(frac|sqrt|text|left|qquad)\b", re.sub(r'aria-label="[^"]*"', "", html))
    assert "MathJax" not in html


@pytest.mark.parametrize("latex", [r"\frac{1", r"\nosuchcommand x"])
def test_a_formula_that_cannot_be_drawn_is_an_error(latex: str) -> None:
    with pytest.raises(FormulaError, match=r"can't be drawn|no formula"):
        mathml(latex, display=False)


def test_headings_with_the_same_words_have_their_own_anchors() -> None:
    page = render(new_notebook(cells=[new_markdown_cell("# A\n\n## Again\n\n## Again\n\n## `x` & <b>y</b>")]), RUN)
    assert [section.anchor for section in page.sections] == ["a", "again", "again-2", "x-y"]
    assert page.sections[-1].title == "x & y"


def test_code_is_text_whatever_it_holds() -> None:
    page = render(new_notebook(cells=[new_code_cell("x = '<script>alert(1)</script>' # <b>")]), RUN)
    assert "<script" not in page.body
    assert "<b>" not in page.body
    assert "&lt;script&gt;" in page.body


def test_what_was_printed_in_one_go_is_one_block() -> None:
    outputs = [new_output("stream", name="stdout", text=f"line {i}\n") for i in range(3)]
    page = render(new_notebook(cells=[new_code_cell("1", outputs=outputs)]), RUN)
    assert "line 0\nline 1\nline 2" in page.body


def test_an_output_picture_keeps_its_alt_text() -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAADklEQVR4nGNgAAMGCAUAAB4AA+YbJ7QAAAAASUVORK5CYII="
    output = new_output(
        "display_data", {"image/png": png, "text/plain": "x"}, metadata={"image/png": {"alt": 'a "cat"'}}
    )
    page = render(new_notebook(cells=[new_code_cell("1", outputs=[output])]), RUN)
    assert "alt='a \"cat\"'" in page.body or 'alt="a &quot;cat&quot;"' in page.body
    assert re.search(r'<img[^>]* height="3"[^>]* width="2"', page.body)
    assert list(page.pictures) == [f"pictures/{RUN}/picture_0_0.png"]


def index_of(text: str) -> dict:
    return json.loads(text.removeprefix("const searchIndex = ").rstrip(";\n"))


def test_the_index_leads_from_words_to_sections(site: Path) -> None:
    index = index_of((site / "assets" / "search-index.js").read_text("utf-8"))
    found = {tuple(index["sections"][n][:2]) for n in index["words"]["sine"][::2]}
    assert ("02_positional_encoding.html", "3-why-sine-and-cosine-together") in found
    assert (site / "assets" / "search-index.js").stat().st_size < 400_000


def test_words_are_found_whatever_their_case_and_accents() -> None:
    assert words_of("Naïve Über-lagerung, x_1 -- a!") == ["naive", "uber", "lagerung", "x_1"]
    index = index_of(
        search_index([("a.html", [Section("top", "Swin", 1, "windows that shift"), Section("b", "Bill", 2)])])
    )
    assert index["words"]["windows"] == [0, 1]
    assert index["words"]["bill"][0] == 1
    assert index["sections"][1][:4] == ["a.html", "b", "Swin", "Bill"]


def test_text_of_a_lesson_can_not_end_the_script() -> None:
    text = search_index([("a.html", [Section("top", "</script><b>", 1, "\u2028 </script>")])])
    assert index_of(text)["sections"][0][2] == "</script><b>"


@pytest.mark.browser
@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("cosine together", "3-why-sine-and-cosine-together"),
        ("relative posit", ""),
        ("CÓSINE together", "3-why-sine-and-cosine-together"),
        ("zzzz", None),
        ("<b>", None),
    ],
)
def test_the_search_answers_in_a_browser_from_the_disk(
    site: Path, tmp_path: Path, asked: str, first: str | None
) -> None:
    script = f"""
      const box = document.querySelector("#search");
      box.value = {json.dumps(asked)};
      box.dispatchEvent(new Event("input"));
      const links = [...document.querySelectorAll("#found a")].map(a => a.getAttribute("href"));
      found = [links, document.querySelector("form[role=search]").hidden];
    """
    links, hidden_ = found_by(script, site / "index.html", tmp_path)
    assert not hidden_
    assert bool(links) is (first is not None)
    if first:
        assert links[0].endswith(f"#{first}")
