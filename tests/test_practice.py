"""Demonstrations that the student writes from some level on: what each level shows; a blank one stops nothing."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from grading.course import Level, load_course
from grading.judging.cells_to_run import role_of
from grading.lesson_builder.lesson import student_notebook_at
from grading.lesson_builder.line_counts import lines_of_course
from grading.lesson_source.blanks import BlankError
from grading.lesson_source.practice import make_practice
from grading.lesson_source.source import LessonError, read_source
from helpers.checks.blanks import BlankTransformer
from tests.conftest import ROOT

COURSE = load_course(ROOT)
PRACTISED = [one.id for one in COURSE.lessons if read_source(COURSE.source(one.id)).practice()]
LOOP = '''# The loop
def fit(model, steps=3):
    """Train."""
    for _ in range(steps):
        model.step()


def error(model):
    """The error."""
    return model.error()
'''


def test_it_is_given_below_its_level_and_shows_signatures_and_docstrings_from_there_on() -> None:
    made = make_practice(LOOP, "open")
    assert made.solution == made.texts[Level.guided] == made.texts[Level.standard] == LOOP
    assert made.texts[Level.open] == (
        '# The loop\ndef fit(model, steps=3):\n    """Train."""\n    ___\n\n\n'
        'def error(model):\n    """The error."""\n    ___\n'
    )
    assert made.written == {Level.guided: 0, Level.standard: 0, Level.open: 3}
    assert make_practice(LOOP, "standard").written == {Level.guided: 0, Level.standard: 3, Level.open: 3}


@pytest.mark.parametrize(
    ("source", "level", "says"),
    [
        (LOOP, "guided", "standard"),
        (LOOP.replace('    """Train."""\n', ""), "open", "fit needs a docstring"),
        (LOOP + "print(1)\n", "open", "definitions, constants and imports"),
        ("x = 1\n", "open", "at least one function"),
        ("def f(:\n", "open", "not valid Python"),
    ],
)
def test_a_cell_that_cannot_be_practised_is_refused(source: str, level: str, says: str) -> None:
    with pytest.raises(BlankError, match=says):
        make_practice(source, level)


def test_an_answer_is_no_practice_cell(tmp_path) -> None:
    path = tmp_path / "01_x.py"
    path.write_text('# %% tags=["bootstrap"]\n# %% tags=["setup"] write_from="open"\n' + LOOP)
    with pytest.raises(LessonError, match=r"01_x\.py:2: write_from belongs on a demonstration"):
        read_source(path)


@pytest.mark.parametrize("lesson", PRACTISED)
def test_at_open_the_notebook_holds_no_line_of_their_bodies_and_does_not_fold_them(lesson: str) -> None:
    cells = read_source(COURSE.source(lesson)).practice()
    shown = [c for c in student_notebook_at(COURSE.at_level(Level.open), lesson).cells if c.cell_type == "code"]
    for cell in cells:
        (found,) = [c for c in shown if c.source == cell.blanked.texts[Level.open].rstrip("\n")]
        assert role_of(found) == "demo"
        assert "jupyter" not in found.metadata
        assert "fold" not in found.metadata["vitlab"]
        assert "student" not in found.metadata["vitlab"]
        assert not [c for c in shown if c.source == cell.source]


@pytest.mark.parametrize("lesson", PRACTISED)
def test_a_blank_one_runs_and_what_needs_it_waits(lesson: str) -> None:
    """Each definition of a blank practice cell is one that `written` finds, and some cell of the lesson asks it."""
    source = read_source(COURSE.source(lesson))
    asked = "\n".join(cell.source for cell in source.cells if "written(" in cell.source)
    shell = InteractiveShell()
    shell.ast_transformers.append(BlankTransformer())
    with capture_output():
        assert shell.run_cell("from torch import nn\nimport torch\nimport torch.nn.functional as F").success
        shell.run_cell("from helpers import written")
        for cell in source.practice():
            result = shell.run_cell(cell.blanked.texts[Level.open])
            assert result.success, cell.line
    names = [
        line.split("(")[0].split(" ")[1].rstrip(":")
        for cell in source.practice()
        for line in cell.source.splitlines()
        if line.startswith(("def ", "class "))
    ]
    for name in names:
        assert name in asked, name
        with capture_output() as out:
            assert shell.run_cell(f"written({name})").result is False, name
        assert f"This cell comes alive once {name} is written." in out.stdout
    with capture_output():
        for cell in source.practice():
            assert shell.run_cell(cell.source).success
        assert shell.run_cell(f"written({', '.join(names)})").result is True


def test_a_student_writes_at_least_what_was_promised() -> None:
    counts = lines_of_course(COURSE, [lesson.id for lesson in COURSE.lessons])
    total = {level: sum(count.written[level] for count in counts) for level in Level}
    assert total[Level.standard] >= 450
    assert total[Level.open] >= 700
