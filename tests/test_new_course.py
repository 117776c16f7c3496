"""`vitlab init`: a course that is data, with its own name, and nothing of anybody's data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from grading.cli import app
from grading.course import Course, CourseError, Lesson, Level, LimitSettings, Settings, load_course
from grading.engine.grade import grade
from grading.engine.keys import lesson_version
from grading.lesson_builder.lesson import student_notebook_at
from grading.lesson_builder.notebook import without_outputs
from grading.new_course import make_course
from tests.classroom import filled, hand_in, released, solutions
from tests.test_docs import broken

LESSONS = ["02_positional_encoding", "03_patch_embedding"]
QUESTION = '''\
"""A question that only this course asks."""

from course_questions._ranges import LARGEST
from helpers.checks.question import Case, Criterion, Finding, Question


class Double(Question):
    id = "Q90"
    title = "twice"
    signature = "double(n)"
    criteria = (Criterion("twice", "returns 2 n"),)

    def cases(self, rng):
        return [Case("a number", n=int(rng.integers(1, LARGEST)))]

    def probe(self, answer, case):
        return {"out": answer(case["n"])}

    def judge(self, case, expected, got):
        return [Finding("twice", bool(expected["out"] == got["out"]))]


QUESTIONS = (Double(),)
'''
SOURCE = """\
# %% [markdown]
# # Twice {{badge}}
# %% tags=["bootstrap"]
# %% tags=["setup"]
from helpers import check
# %% tags=["answer"] question="Q90"
# Q90: twice
def double(n):
    return 2 * n  # BLANK
# %% tags=["check"] question="Q90" points=4
check("Q90", double)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, course) -> Path:
    target = tmp_path_factory.mktemp("courses") / "spring"
    return make_course(course, target, course_id="spring", title="Vision, spring", lessons=LESSONS)


def vitlab(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A command typed in a course's folder. The engine is found as it would be if it was installed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VITLAB_COURSE")}
    return subprocess.run(
        [sys.executable, "-m", "grading", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=check,
    )


def test_it_has_the_lessons_asked_for_and_no_others(made: Path) -> None:
    loaded = load_course(made)
    assert loaded.course.id == "spring"
    assert loaded.course.title == "Vision, spring"
    assert [one.id for one in loaded.lessons] == LESSONS
    for folder in ("solutions", "notebooks"):
        assert sorted(p.name for p in (made / folder).iterdir() if p.is_dir()) == LESSONS
    assert not list(made.rglob("__pycache__"))


def test_it_is_data_and_holds_no_copy_of_the_engine(made: Path) -> None:
    assert sorted(p.name for p in made.iterdir()) == [
        ".gitignore", "README.md", "course.toml", "expected", "nbgrader_config.py", "notebooks", "requirements.txt",
        "roster.csv", "solutions",
    ]  # fmt: skip
    assert sorted(p.name for p in (made / "expected").iterdir()) == [
        *(f"{lesson}.safetensors" for lesson in LESSONS),
        "lessons.toml",
    ]
    assert re.search(r"^vit-lab\[instructor\]==\d+\.\d+", (made / "requirements.txt").read_text(), re.MULTILINE)
    assert len((made / "nbgrader_config.py").read_text().splitlines()) < 10


def test_its_readme_is_about_its_own_lessons_and_leads_nowhere_else(made: Path) -> None:
    text = (made / "README.md").read_text("utf-8")
    assert broken(text, made / "README.md") == []
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert [row[3:5] for row in rows] == ["02", "03"]
    assert "| Q2 Patch embedding, Q2b " in rows[1], "each with its questions"
    assert "05_attention" not in text


def test_every_key_of_course_toml_stands_there_with_its_meaning(made: Path) -> None:
    text = (made / "course.toml").read_text("utf-8")
    for table in (Settings, LimitSettings, Lesson):
        for key, field in table.model_fields.items():
            assert field.description, f"{table.__name__}.{key} has no description"
            assert re.search(rf"^(# )?{key} = \S.* # {re.escape(field.description)}$", text, re.MULTILINE), key
    as_set = re.sub(r"^# (\w+ = )", r"\1", text.partition("# The lessons in")[0], flags=re.MULTILINE)
    assert Course(root=made, lessons=load_course(made).lessons, **tomllib.loads(as_set)), "the examples are valid"


def test_an_unknown_key_names_the_known_ones(tmp_path: Path, course: Course) -> None:
    text = (course.root / "course.toml").read_text("utf-8")
    for wrong, place, known in (
        ('[course]\ndeu = "x"', "course.deu", "id, title, repository, ref"),
        ("[[lessons]]\nlate = 1", "lessons.0.late", "id, title, minutes, due, late_penalty_per_day"),
        ("[limits]\nseconds = 1", "limits.seconds", "cell_seconds, total_seconds"),
        ("[marks]\na = 1\n[course]", "marks", "course, limits, lessons"),
    ):
        old = wrong.rpartition("\n")[2] if wrong.endswith("]") else wrong.partition("\n")[0]
        (tmp_path / "course.toml").write_text(text.replace(old, wrong, 1), "utf-8")
        with pytest.raises(CourseError, match=rf"{re.escape(place)}: there is no such key; the keys there are {known}"):
            load_course(tmp_path)


def test_a_lesson_may_be_called_by_its_number(made: Path) -> None:
    assert load_course(made).lesson("03").id == "03_patch_embedding"
    for wrong in ("3", "0", "", "03_"):
        with pytest.raises(CourseError, match="no lesson"):
            load_course(made).lesson(wrong)


def test_the_commands_work_in_it_after_it_was_moved(course: Course, made: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(made, tmp_path / "moved, été")
    assert "03_patch_embedding: as its source builds it" in vitlab(moved, "build", "--check").stdout
    before = (moved / "expected" / "03_patch_embedding.safetensors").read_bytes()
    vitlab(moved, "build", "03_patch_embedding")
    assert (moved / "expected" / "03_patch_embedding.safetensors").read_bytes() == before
    vitlab(moved, "bundle")
    with zipfile.ZipFile(moved / "vitlab-students.zip") as archive:
        names = {name.removeprefix("spring/") for name in archive.namelist()}
        archive.extractall(tmp_path / "student")
    assert {name.partition("/")[0] for name in names} == {
        "README.txt",
        "environment.yml",
        "requirements.txt",
        "pyproject.toml",
        "notebooks",
        "helpers",
    }
    assert {name for name in names if name.endswith(".safetensors")} == {
        f"helpers/course/expected/{lesson}.safetensors" for lesson in LESSONS
    }
    code = (
        "import sys; sys.path.insert(0, '../..'); import helpers; print(helpers.__file__)\n"
        "from helpers.checks.expectations import every_question\n"
        "print(*sorted(every_question())); print(helpers.progress())"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "student" / "spring" / "notebooks" / LESSONS[0],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert shown[0].startswith(str(tmp_path / "student"))
    assert shown[1].split() == sorted(question for lesson in LESSONS for question in solutions(course, lesson))
    assert [line[:2] for line in shown[3:]] == ["02", "03"], "the course map has its lessons and no others"


def add_lesson(folder: Path) -> Course:
    """A lesson of the course's own, with a question module that imports another file beside it."""
    (folder / "questions").mkdir()
    (folder / "questions" / "double.py").write_text(QUESTION)
    (folder / "questions" / "_ranges.py").write_text("LARGEST = 1000\n")
    (folder / "solutions" / "90_double").mkdir()
    (folder / "solutions" / "90_double" / "90_double.py").write_text(SOURCE)
    with (folder / "course.toml").open("a") as file:
        file.write('\n[[lessons]]\nid = "90_double"\ntitle = "Twice"\nminutes = 5\n')
    return load_course(folder)


@pytest.mark.parametrize("warm", [False, True])
def test_a_lesson_with_its_own_question_is_built_bundled_and_graded(made: Path, tmp_path: Path, warm: bool) -> None:
    folder = shutil.copytree(made, tmp_path / "course")
    own = add_lesson(folder)
    vitlab(folder, "build", "90_double")
    right = {"Q90": "# Q90: twice\ndef double(n):\n    return n + n"}
    hand_in(tmp_path / "in", "ada", "90_double", filled(own, "90_double", right))
    hand_in(tmp_path / "in", "bo", "90_double", filled(own, "90_double", {"Q90": "def double(n):\n    return n"}))
    hand_in(tmp_path / "in", "cy", "90_double", released(own, "90_double"))
    limits = own.limits.model_copy(update={"cell_seconds": 200, "total_seconds": 400})  # torch is imported in a cell
    own = own.model_copy(update={"limits": limits})
    outcomes = grade(own, ["90_double"], submissions=tmp_path / "in", out=tmp_path / "out", jobs=1, warm=warm)
    assert {o.student: (o.status, o.score) for o in outcomes} == {
        "ada": ("graded", 4.0),
        "bo": ("graded", 0.0),
        "cy": ("graded", 0.0),
    }

    vitlab(folder, "bundle", "--to", str(tmp_path / "students.zip"))
    with zipfile.ZipFile(tmp_path / "students.zip") as archive:
        archive.extractall(tmp_path / "student")
    path = tmp_path / "student" / "spring" / "notebooks" / "90_double" / "90_double.ipynb"
    nbformat.write(filled(own, "90_double", right), path)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VITLAB_COURSE")}
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--inplace", str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "4/4 points" in path.read_text("utf-8") or "correct" in path.read_text("utf-8")


def test_a_course_made_from_one_at_another_level_has_notebooks_of_that_level(course: Course, tmp_path: Path) -> None:
    folder = make_course(course.at_level(Level.open), tmp_path / "new", course_id="x", title="X", lessons=["01"])
    own = load_course(folder)
    assert own.level("01_patches") == Level.open
    lying_there = nbformat.read(own.student_notebook("01_patches"), as_version=4)
    assert without_outputs(lying_there) == without_outputs(student_notebook_at(own, "01_patches"))
    assert without_outputs(lying_there) != without_outputs(student_notebook_at(course, "01_patches"))


def test_a_question_of_its_own_takes_the_place_of_one_of_the_engines(made: Path, tmp_path: Path) -> None:
    from helpers.questions import find

    folder = shutil.copytree(made, tmp_path / "course")
    add_lesson(folder)
    module = folder / "questions" / "double.py"
    module.write_text(module.read_text().replace('"Q90"', '"Q1"'))
    load_course(folder)
    assert find("Q1").title == "twice"
    assert find("Q2").id == "Q2"
    (folder / "questions" / "again.py").write_text(module.read_text())
    load_course(folder).activate()
    from helpers.questions import _questions

    _questions.cache_clear()
    with pytest.raises(ValueError, match=r"question 'Q1' is defined twice, second in .*questions/double\.py"):
        find("Q1")


def test_what_its_own_question_imports_counts_as_a_change_of_that_lesson_alone(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "course")
    own = add_lesson(folder)
    before = {lesson.id: lesson_version(own, lesson.id) for lesson in own.lessons}
    (folder / "questions" / "_ranges.py").write_text("LARGEST = 99\n")
    after = {lesson.id: lesson_version(own, lesson.id) for lesson in own.lessons}
    assert [lesson for lesson in before if before[lesson] != after[lesson]] == ["90_double"]


def test_nbgraders_own_commands_find_the_course(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "course")
    hand_in(folder / "course_data" / "submitted", "ada", LESSONS[0], filled_solution(folder))
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    for command in (["generate_assignment", "--create", "--force"], ["autograde", "--create"]):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command, LESSONS[0]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder / 'course_data' / 'gradebook.db'}") as gradebook:
        graded = gradebook.find_submission(LESSONS[0], "ada")
        assert graded.score == graded.max_code_score > 0


def filled_solution(folder: Path):
    own = load_course(folder)
    return filled(own, LESSONS[0], solutions(own, LESSONS[0]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"course_id": "a b"}, "a course id has letters"),
        ({"title": 'say "hi"'}, "without quotation marks"),
        ({"repository": "mine"}, "owner/name"),
        ({"lessons": ["77_none"]}, "no lesson '77_none'"),
    ],
)
def test_what_makes_no_course_is_refused_and_leaves_nothing(tmp_path, course, change, says) -> None:
    with pytest.raises(CourseError, match=says):
        make_course(course, tmp_path / "new", **{"course_id": "x", "title": "X", **change})
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, course: Course) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(CourseError, match="is there already"):
        make_course(course, tmp_path, course_id="x", title="X")
    with pytest.raises(CourseError, match="lies inside the course"):
        make_course(course, course.root / "inner", course_id="x", title="X")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_needs_a_folder_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of any course the lessons are those that come with the engine."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["init", "late-autumn", "--lesson", "01", "--repository", "me/mine"])
    assert result.exit_code == 0, result.output
    own = load_course(tmp_path / "late-autumn")
    assert (own.course.id, own.course.title, own.course.repository) == ("late-autumn", "Late autumn", "me/mine")
    assert (own.root / "roster.csv").read_text().startswith("id,first_name")
    assert "github.com/me/mine" in own.student_notebook("01_patches").read_text("utf-8")


def test_outside_of_a_course_a_command_says_what_to_do(tmp_path: Path) -> None:
    done = vitlab(tmp_path, "grade", "02", check=False)
    assert done.returncode == 2
    assert "vitlab init FOLDER" in done.stderr
    assert "Traceback" not in done.stderr
