"""A folder of submissions, tidy or not."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from grading.intake.find_submissions import FindError, Findings, Submission, find_submissions

LESSON, OTHER = "01_patches", "02_positional_encoding"


def put(path: Path, content: str = "{}", age: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def only(found: Findings) -> Submission:
    assert len(found.submissions) == 1, found
    return found.submissions[0]


def noted(notes: tuple[str, ...], *words: str) -> bool:
    return any(all(word in note for word in words) for note in notes)


def test_nbgraders_layout_is_read_with_its_timestamps(tmp_path: Path) -> None:
    for student in ("bo", "ada"):
        put(tmp_path / student / LESSON / f"{LESSON}.ipynb")
        put(tmp_path / student / OTHER / "anything.ipynb")
    put(tmp_path / "ada" / LESSON / "timestamp.txt", "2027-01-15 12:00:00.5 +0100\n")
    put(tmp_path / "bo" / LESSON / "timestamp.txt", "tomorrow-ish")
    found = find_submissions(tmp_path, [LESSON, OTHER])
    keys = [(s.student, s.lesson) for s in found.submissions]
    assert keys == [("ada", LESSON), ("ada", OTHER), ("bo", LESSON), ("bo", OTHER)]
    assert found.submissions[0].timestamp == datetime(2027, 1, 15, 11, 0, 0, 500000)
    assert found.submissions[2].timestamp is None
    assert noted(found.submissions[2].notes, "tomorrow-ish")
    assert found.notes == ()
    assert all(s.path and s.path.is_file() and not s.problem for s in found.submissions)


def test_only_the_lessons_asked_for_are_found(tmp_path: Path) -> None:
    put(tmp_path / "ada" / LESSON / "x.ipynb")
    put(tmp_path / "ada" / OTHER / "x.ipynb")
    put(tmp_path / "ada" / "01_pathces" / "x.ipynb")
    found = find_submissions(tmp_path, [LESSON], known=[LESSON, OTHER])
    assert only(found).lesson == LESSON
    assert noted(found.notes, "01_pathces", "none of the course's lessons")
    assert not noted(found.notes, OTHER)


def test_a_flat_folder_needs_exactly_one_lesson(tmp_path: Path) -> None:
    put(tmp_path / "ada.ipynb")
    put(tmp_path / "Åsa Öberg.ipynb")
    put(tmp_path / "README.md")
    found = find_submissions(tmp_path, [LESSON])
    assert [s.student for s in found.submissions] == ["ada", "Åsa Öberg"]
    assert noted(found.notes, "README.md")
    for lessons in ([], [LESSON, OTHER]):
        with pytest.raises(FindError, match="exactly one lesson"):
            find_submissions(tmp_path, lessons)


def test_second_downloads_in_a_flat_folder_are_one_students(tmp_path: Path) -> None:
    put(tmp_path / "ada.ipynb", age=9)
    newest = put(tmp_path / "ada (1).ipynb")
    submission = only(find_submissions(tmp_path, [LESSON]))
    assert (submission.student, submission.path) == ("ada", newest)
    assert noted(submission.notes, "'ada (1).ipynb'", "newest")


def test_one_folder_per_student_without_lessons_serves_a_single_lesson(tmp_path: Path) -> None:
    put(tmp_path / "ada" / "my work.ipynb")
    (tmp_path / "bo").mkdir()
    found = find_submissions(tmp_path, [LESSON])
    assert [(s.student, bool(s.problem)) for s in found.submissions] == [("ada", False), ("bo", True)]
    assert noted(find_submissions(tmp_path, [LESSON, OTHER]).notes, "my work.ipynb", "no lesson's folder")


def test_of_several_notebooks_the_lessons_name_wins_then_the_newest(tmp_path: Path) -> None:
    put(tmp_path / "ada" / LESSON / "old.ipynb", age=50)
    new = put(tmp_path / "ada" / LESSON / "new.ipynb", age=1)
    put(tmp_path / "ada" / LESSON / ".ipynb_checkpoints" / "new-checkpoint.ipynb")
    submission = only(find_submissions(tmp_path, [LESSON]))
    assert submission.path == new
    assert noted(submission.notes, "several notebooks", "'new.ipynb' is graded", "the newest", "'old.ipynb'")
    named = put(tmp_path / "ada" / LESSON / f"{LESSON}.ipynb", age=99)
    submission = only(find_submissions(tmp_path, [LESSON]))
    assert submission.path == named
    assert noted(submission.notes, "called like the lesson")


@pytest.mark.parametrize("name", ["x.ipynb.txt", "x.IPYNB", "x.ipynb.json", "x.zip", "x.py", "deep/er/x.ipynb"])
def test_other_names_of_a_notebook_are_understood(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "ada" / LESSON / name)
    put(tmp_path / "ada" / LESSON / "data.csv")
    assert only(find_submissions(tmp_path, [LESSON])).path == path


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "an empty folder"),
        (["report.pdf", "timestamp.txt"], "'report.pdf'"),
        (["a.py", "b.py"], "'a.py', 'b.py'"),
        ([".ipynb_checkpoints/x.ipynb"], "automatic copy"),
    ],
)
def test_a_submission_without_a_notebook_says_what_there_is(tmp_path: Path, files: list[str], said: str) -> None:
    (tmp_path / "ada" / LESSON).mkdir(parents=True)
    for name in files:
        put(tmp_path / "ada" / LESSON / name, "x")
    submission = only(find_submissions(tmp_path, [LESSON]))
    assert submission.path is None
    assert said in submission.problem
    assert f"expected {LESSON}.ipynb" in submission.problem


def test_links_are_not_followed_out_of_a_submission(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret" / "solution.ipynb")
    folder = tmp_path / "class"
    (folder / "ada" / LESSON).mkdir(parents=True)
    (folder / "ada" / LESSON / "x.ipynb").symlink_to(secret)
    (folder / "bo" / LESSON).mkdir(parents=True)
    (folder / "bo" / LESSON / "sub").symlink_to(secret.parent)
    put(folder / "cy" / LESSON / "real.ipynb")
    (folder / "cy" / LESSON / "link.ipynb").symlink_to("real.ipynb")
    (folder / "di").mkdir()
    (folder / "di" / LESSON).symlink_to(folder / "cy" / LESSON)
    (folder / "ed").symlink_to(folder / "cy")
    (folder / "fay" / LESSON).mkdir(parents=True)
    (folder / "fay" / LESSON / "timestamp.txt").symlink_to(secret)
    found = find_submissions(folder, [LESSON])
    by_student = {s.student: s for s in found.submissions}
    assert by_student["ada"].path is by_student["bo"].path is by_student["di"].path is None
    assert "link" in by_student["ada"].problem
    assert "link" in by_student["bo"].problem
    assert "link" in by_student["di"].problem
    assert by_student["cy"].path == folder / "cy" / LESSON / "real.ipynb"
    assert by_student["fay"].timestamp is None
    assert "ed" not in by_student
    assert noted(found.notes, "'ed' is a link")


def test_names_that_would_be_unsafe_in_paths_or_pages_are_refused(tmp_path: Path) -> None:
    for name in ("back\\slash", "new\nline", "right\u202eleft", "ok ünï-码"):
        put(tmp_path / name / LESSON / "x.ipynb")
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")) / LESSON / "x.ipynb")
    put(tmp_path / ".hidden" / LESSON / "x.ipynb")
    put(tmp_path / "__MACOSX" / LESSON / "x.ipynb")
    found = find_submissions(tmp_path, [LESSON])
    assert only(found).student == "ok ünï-码"
    assert len(found.notes) == 4
    for note in found.notes:
        note.encode()
        assert note.isprintable()


def test_two_spellings_of_one_name_are_not_two_students(tmp_path: Path) -> None:
    for name in ("Zoe\u0308", "Zo\u00eb"):
        put(tmp_path / name / LESSON / "x.ipynb")
    found = find_submissions(tmp_path, [LESSON])
    assert len(found.submissions) == 1
    assert noted(found.notes, "reads like another")


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(FindError, match="not there"):
        find_submissions(tmp_path / "nowhere", [LESSON])
    with pytest.raises(FindError, match="a file"):
        find_submissions(put(tmp_path / "x.txt"), [LESSON])
    (tmp_path / "empty").mkdir()
    assert find_submissions(tmp_path / "empty", [LESSON]).submissions == ()
