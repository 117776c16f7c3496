"""A lesson source that can't become a fair notebook is refused, naming file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grading.lesson_builder.notebook import carry_outputs, solution_notebook
from grading.lesson_source.source import LessonError, read_source

GOOD = """\
# %% [markdown]
# # A lesson {{badge}}
# %% tags=["bootstrap"]
# %% tags=["setup"]
import math
# %% tags=["answer"] question="Q1"
# Q1: double
def double(x):
    return 2 * x  # BLANK
# %% tags=["check"] question="Q1" points=2
check("Q1", double)
# %%
print("a demonstration")
# %% [markdown]
# **W1** (1 point). Why?
# %% [markdown] tags=["written"] question="W1" points=1
# The model answer.
# %% [markdown] tags=["rubric"]
# One point for saying so.
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "01_test.py"
    path.write_text(text)
    return path


def test_a_good_source_is_read(tmp_path: Path) -> None:
    lesson = read_source(write(tmp_path, GOOD))
    assert lesson.points == 3
    assert [c.role for c in lesson.cells] == ["", "bootstrap", "setup", "answer", "check", "", "", "written", "rubric"]
    assert list(lesson.checks()) == ["Q1"]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    return 2 * x  # BLANK", "    return 2 * x  # BLANK: y", 9, "occurs 0 times"),
        ("    return 2 * x  # BLANK", "    # BEGIN BLANK\n    return 2 * x", 9, "without an END"),
        (" points=2", "", 10, "needs points"),
        (" points=2", " points=0", 10, "needs points"),
        ('tags=["check"] question="Q1" points=2\ncheck("Q1", double)', 'tags=["solution"]\n1', 6, "no check"),
        ('check("Q1", double)', 'check("Q2", double)', 10, "checks 'Q2'"),
        ('check("Q1", double)', 'check("Q1", triple)', 10, "doesn't define"),
        ('check("Q1", double)', 'check("Q1", double); 1', 10, "exactly"),
        ('check("Q1", double)', "check(double)", 10, "exactly"),
        ('print("a demonstration")', "x = 1  # BLANK", 13, "outside an answer"),
        ('tags=["setup"]', 'tags=["setpu"]', 4, "unknown tag 'setpu'"),
        ('tags=["answer"] question="Q1"', 'tags=["answer"]', 6, "needs question"),
        ("# Q1: double\n", "", 7, "begins with the comment"),
        ('tags=["bootstrap"]', 'tags=["setup"]', 3, "bootstrap"),
        ('# %% [markdown] tags=["rubric"]\n# One point for saying so.\n', "", 16, "needs a rubric"),
        (' question="W1" points=1', ' question="W1"', 16, "needs points"),
        ("# **W1** (1 point). Why?", "# Why?", 16, "is asked in the cell before"),
    ],
)
def test_each_fault_is_named_with_file_and_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(LessonError, match=says) as caught:
        read_source(path)
    assert str(caught.value).startswith(f"{path}:{line}:"), caught.value


def test_a_question_asked_twice_is_refused(tmp_path: Path) -> None:
    again = '# %% tags=["answer"] question="Q1"\n# Q1: again\ndef f(x):\n    return x  # BLANK\n'
    with pytest.raises(LessonError, match="already has its answer cell on line 6"):
        read_source(write(tmp_path, GOOD + again))


def test_ids_are_unique_and_stay_when_other_cells_come(tmp_path: Path, course) -> None:
    one = solution_notebook(read_source(write(tmp_path, GOOD)), course.course)
    longer = GOOD.replace("# %%\nprint", "# %% [markdown]\n# more\n# %%\nprint")
    two = solution_notebook(read_source(write(tmp_path, longer)), course.course)
    ids = [cell.id for cell in two.cells]
    assert len(ids) == len(set(ids))
    assert {cell.id for cell in one.cells} <= set(ids)


def test_the_solution_keeps_no_marker_and_the_badge_points_at_it(tmp_path: Path, course) -> None:
    notebook = solution_notebook(read_source(write(tmp_path, GOOD)), course.course)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "BLANK" not in text
    assert "{{badge}}" not in text
    assert f"{course.course.repository}/blob/{course.course.ref}/solutions/01_test/01_test.ipynb" in text


def test_comments_for_tools_do_not_reach_readers(tmp_path: Path) -> None:
    noisy = GOOD.replace('print("a demonstration")', 'print("a demonstration")  # fmt: skip')
    lesson = read_source(write(tmp_path, noisy.replace("import math", "import math  # noqa: F401")))
    text = "\n".join(cell.source for cell in lesson.cells)
    assert "import math\n" in text + "\n"
    assert "fmt:" not in text
    assert "noqa" not in text


def test_outputs_stay_with_code_that_was_only_laid_out_anew() -> None:
    def notebook(*sources: str, outputs=()):
        cells = [new_code_cell(text, id=f"demo-{k}") for k, text in enumerate(sources)]
        for cell, text in zip(cells, outputs, strict=False):
            cell.outputs = [new_output("stream", text=text)]
        return new_notebook(cells=cells)

    old = notebook("print(f(1, 2))", "print(3)", "!ls", outputs=("one", "two", "three"))
    new = notebook("print(\n    f(1, 2)  # the same\n)", "print(4)", "!ls")
    carry_outputs(old, new)
    assert [[o.text for o in cell.outputs] for cell in new.cells] == [["one"], [], ["three"]]
