"""The glossary: its page is what the data says, and each term is defined where it says."""

from __future__ import annotations

import nbformat
import pytest

from grading.course import CourseError, load_course
from grading.lesson_builder.glossary import glossary_drift, glossary_notebook, read_glossary, write_glossary
from grading.lesson_source.source import read_source
from tests.conftest import ROOT

COURSE = load_course(ROOT)
TERMS = read_glossary(COURSE)
# Lessons whose text is still the first edition's: their terms are listed, and not yet all defined in bold there.
FIRST_EDITION = ("00", "01", "02", "03", "04", "06", "07", "08")


def test_it_holds_the_field_s_terms_each_once_with_a_sentence() -> None:
    assert len(TERMS) >= 60
    assert len({one.term.casefold() for one in TERMS}) == len(TERMS)
    for one in TERMS:
        assert one.says.endswith(".")
        assert 20 < len(one.says) < 200, one.term


@pytest.mark.parametrize("term", [t for t in TERMS if t.lesson not in FIRST_EDITION], ids=lambda t: t.term)
def test_each_term_is_defined_in_bold_in_its_lesson(term) -> None:
    lesson = COURSE.lesson(term.lesson).id
    text = "\n".join(c.source for c in read_source(COURSE.source(lesson)).cells if c.kind == "markdown")
    text = " ".join(text.split()).casefold()
    stem = term.term.casefold()
    assert any(f"**{form}" in text for form in (stem, stem.rstrip("y") + "ies")), f"**{term.term}** in {lesson}"


def test_the_page_links_to_every_lesson_and_drift_is_noticed(tmp_path) -> None:
    page = glossary_notebook(COURSE)
    nbformat.validate(page)
    for lesson in COURSE.lessons:
        assert f"]({lesson.id}/{lesson.id}.ipynb)" in page.cells[0].source
    assert glossary_drift(COURSE) == [], "run: vitlab build"
    for name in ("course.toml", "solutions/glossary.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"))
    other = load_course(tmp_path)
    assert glossary_drift(other) == ["notebooks/glossary.ipynb differs from glossary.toml"]
    write_glossary(other)
    assert glossary_drift(other) == []
    (tmp_path / "solutions" / "glossary.toml").write_text('[terms]\n"a" = ["05"]\n')
    with pytest.raises(CourseError, match="expected lines"):
        read_glossary(other)


def test_a_course_without_the_file_has_no_page(tmp_path) -> None:
    (tmp_path / "course.toml").write_text((ROOT / "course.toml").read_text("utf-8"))
    course = load_course(tmp_path)
    write_glossary(course)
    assert not (tmp_path / "notebooks").exists()
    assert glossary_drift(course) == []
