"""docs/writing-a-lesson.md, followed word for word; and what is said when an author slips."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grading.cli import app, main
from grading.course import Course, load_course
from grading.engine.journal import read_results
from grading.lesson_builder.author_errors import known_questions
from grading.lesson_builder.lesson import build_lesson, drift
from grading.lesson_source.source import LessonError
from grading.new_lesson import make_lesson
from helpers import course_folder
from helpers.questions import every_question
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "writing-a-lesson.md").read_text("utf-8")
_BLOCK = re.compile(r"(?:`([\w./-]+)`:\n\n)?```(sh|python)\n(.*?)```", re.DOTALL)


@pytest.fixture(autouse=True)
def _own_course(monkeypatch: pytest.MonkeyPatch):
    """Each test works with a course of its own, and leaves the process with none."""
    before = course_folder._chosen
    yield
    course_folder._chosen = before
    every_question()


def carry_out(line: str) -> None:
    """One line of a shell block: our own command in this process, and the three others that the page uses."""
    command, *words = shlex.split(line, comments=True)
    if command == "vitlab":
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, f"{line}\n{result.output}"
    elif command == "mkdir":
        Path(words[-1]).mkdir(parents=True)
    elif command == "cp":
        shutil.copy(*words)
    else:
        raise AssertionError(f"the page uses a command that this test doesn't know: {line}")


def test_the_page_makes_a_lesson_that_builds_and_grades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first_part = PAGE.partition("## What is written by hand")[0]
    steps = _BLOCK.findall(first_part)
    assert {kind for _, kind, _ in steps} == {"sh", "python"}
    for path, kind, text in steps:
        if kind == "python":
            assert Path(path).is_file(), f"{path}: `vitlab new` writes another name than the page says"
            Path(path).write_text(text, "utf-8")
            continue
        for line in text.strip().splitlines():
            if line.startswith("cd "):
                monkeypatch.chdir(line.removeprefix("cd "))
            else:
                carry_out(line)
    (outcome,) = read_results(Path("course_data"))
    assert (outcome.status, outcome.score, outcome.max) == ("graded", 3.0, 3.0)
    assert Path("course_data", outcome.feedback).is_file()
    assert "16 Standardise" in Path("README.md").read_text("utf-8")


LESSON = "16_mine"


@pytest.fixture
def fresh(tmp_path: Path) -> Course:
    """A course of data with the lesson that `vitlab new` makes."""
    (tmp_path / "course.toml").write_text(
        '# kept\n[course]\nid = "c"\ntitle = "C"\nrepository = "a/b"\nref = "main"\n\n'
        '[[lessons]]\nid = "ps1"\ntitle = "Old"\nminutes = 5\n'
    )
    make_lesson(load_course(tmp_path), LESSON, title="Mine", minutes=10)
    return load_course(tmp_path)


def change(path: Path, old: str, new: str) -> int:
    """Replace a text in a file, once; the line on which it stands."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    return text[: text.index(old)].count("\n") + 1


def _build(course: Course) -> None:
    known_questions(course)
    build_lesson(course, LESSON)


def refused(course: Course) -> str:
    """What `vitlab build` says."""
    with pytest.raises(LessonError) as error:
        _build(course)
    said = str(error.value)
    assert "\n" not in said
    assert "Traceback" not in said
    return said.replace(f"{course.root}/", "")


def test_a_new_lesson_builds_as_it_is(fresh: Course) -> None:
    build_lesson(fresh, LESSON)
    assert drift(fresh, LESSON) == []
    text = (fresh.root / "course.toml").read_text("utf-8")
    assert text.startswith("# kept\n")
    assert [lesson.id for lesson in fresh.lessons] == ["ps1", LESSON]


def test_a_check_without_its_question(fresh: Course) -> None:
    (question,) = {"Q" + str(max(int(q[1:]) for q in every_question() if q[1:].isdecimal()))}
    source = fresh.source(LESSON)
    source.write_text(source.read_text("utf-8").replace(question, "Q99"), "utf-8")
    fresh.bank(LESSON).write_text("")
    line = source.read_text("utf-8").splitlines().index('# %% tags=["check"] question="Q99" points=2') + 1
    assert refused(fresh).startswith(f"solutions/{LESSON}/{LESSON}.py:{line}: no module in ")


def test_a_question_module_with_a_slip(fresh: Course) -> None:
    line = change(fresh.questions / "mine.py", "from helpers.checks import Case", "from helpers.checks import Kase")
    course_folder._chosen = None
    fresh.activate()
    every_question.__globals__["_questions"].cache_clear()
    said = refused(fresh)
    assert said.startswith(f"questions/mine.py:{line}: ImportError")


def test_a_solution_that_raises_when_it_is_defined(fresh: Course) -> None:
    line = change(fresh.source(LESSON), "import torch\n", "import torch\nimport no_such_module\n") + 1
    assert refused(fresh).startswith(
        f"solutions/{LESSON}/{LESSON}.py:{line}: the setup cell raises ModuleNotFoundError"
    )


def test_a_solution_that_raises_when_it_is_asked(fresh: Course) -> None:
    line = change(fresh.source(LESSON), "mean = x.mean(0)  # BLANK", "mean = missing(x)  # BLANK")
    said = refused(fresh)
    assert said.startswith(f"solutions/{LESSON}/{LESSON}.py:{line}: the solution of ")
    assert "NameError: name 'missing' is not defined" in said


def test_a_mistake_without_its_import(fresh: Course) -> None:
    change(fresh.bank(LESSON), "x - x.mean(1, keepdim=True)", "x - np.mean(x, 1)")
    said = refused(fresh)
    assert re.match(rf"solutions/{LESSON}/mistakes.py:\d+: mean_over_the_columns can't run: name 'np'", said)


def test_a_bank_that_cannot_be_read(fresh: Course) -> None:
    line = change(fresh.bank(LESSON), "import torch\n", "import torch\nimport no_such_module\n") + 1
    assert refused(fresh).startswith(f"solutions/{LESSON}/mistakes.py:{line}: ModuleNotFoundError")


def test_two_mistakes_that_look_alike(fresh: Course) -> None:
    change(fresh.bank(LESSON), "return x - x.mean()", "return x - x.mean(1, keepdim=True)")
    said = refused(fresh)
    assert "mean_over_the_columns and one_mean_for_all give the same arrays" in said
    assert "seeded" in said


def test_a_mistake_that_is_right(fresh: Course) -> None:
    change(fresh.bank(LESSON), "return x - x.mean()", "return x - x.mean(0)")
    assert "one_mean_for_all gives the solution's arrays" in refused(fresh)


def test_an_entry_for_another_lesson(fresh: Course) -> None:
    text = fresh.bank(LESSON).read_text("utf-8")
    fresh.bank(LESSON).write_text(re.sub(r'@right\("Q\d+"\)', '@right("Q77")', text))
    assert "with_einsum is an answer to Q77, which the lesson doesn't ask" in refused(fresh)


def test_a_blank_whose_text_occurs_twice(fresh: Course) -> None:
    line = change(fresh.source(LESSON), "return x - mean\n", "return x - mean  # BLANK: x\n")
    change(fresh.source(LESSON), "return x - mean  # BLANK: x\n", "return x - mean * x / x  # BLANK: x\n")
    assert refused(fresh).startswith(f"solutions/{LESSON}/{LESSON}.py:{line}: ")


def test_the_command_says_it_without_a_traceback(
    fresh: Course, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change(fresh.source(LESSON), "mean = x.mean(0)  # BLANK", "mean = missing(x)  # BLANK")
    monkeypatch.setattr("sys.argv", ["vitlab", "build", LESSON, "--course", str(fresh.root)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("vitlab: ")
    assert "Traceback" not in said
