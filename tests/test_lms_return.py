"""The way back: Canvas's and Moodle's own tables, and feedback pages in the form in which each system takes them."""

from __future__ import annotations

import csv
import re
import zipfile
from pathlib import Path

import pytest
from nbgrader.utils import notebook_hash

from grading.course import Course, CourseError
from grading.extensions import Extension, Extensions
from grading.intake.record import Record
from grading.lms.export import export
from grading.lms.give_back import FORMS, Page, ReturnTo, give_back, return_lines
from grading.lms.roster import Roster, read_roster
from grading.lms.scores import Score
from tests.lms_class import COLUMN, LESSON

CANVAS = f"""\
Student,ID,SIS User ID,SIS Login ID,Section,{COLUMN},Essay (778),Final Score
    Points Possible,,,,,50,3,(read only)
"Doe, Jane",101,=S-1,jdoe,A,1,2,
"+Roe, Rob",102,S-2,rroe,A,EX,2,
"Poe, Pat",103,S-3,ppoe,B,7.5,2,
"Moe, Max",104,S-4,mmoe,B,,2,
"Student, Test",9,,x,B,,,
"""


def roster(tmp_path: Path, text: str, name: str = "in.csv") -> Roster:
    (tmp_path / name).write_text(text, "utf-8")
    return read_roster(tmp_path / name)


def table(path: Path, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(path.read_text("utf-8-sig").splitlines(), delimiter=delimiter))


def test_canvas_keeps_what_it_has_where_there_is_no_score(course: Course, tmp_path: Path) -> None:
    theirs = roster(tmp_path, CANVAS)
    granted = Extensions({("mmoe", ""): Extension(excused=True)})
    people = roster(tmp_path, "id,name\njdoe,Jane Doe\nrroe,R\nppoe,P\nmmoe,M\n", "r.csv")
    scores = {LESSON: {"jdoe": Score(7.5, 15), "rroe": Score(15, 15)}}
    done = export(course, scores, tmp_path / "o.csv", form="canvas", roster=theirs, people=people, extensions=granted)
    assert table(done.path) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", COLUMN],
        ["    Points Possible", "", "", "", "", "50"],
        ["Doe, Jane", "101", "'=S-1", "jdoe", "A", "25"],
        ["'+Roe, Rob", "102", "S-2", "rroe", "A", "EX"],
        ["Poe, Pat", "103", "S-3", "ppoe", "B", "7.5"],
        ["Moe, Max", "104", "S-4", "mmoe", "B", "EX"],
    ]
    assert done.summary == "1 scores written, 1 excused, 2 cells kept as the LMS has them"
    assert not done.warnings


def test_a_grade_typed_for_a_file_that_could_not_be_read_stays(course: Course, tmp_path: Path) -> None:
    scores = {LESSON: {"ppoe": Score(0, 15), "jdoe": Score(0, 15)}}
    of = {"ppoe": Record("canvas", doubts=("handed in a PDF",)), "jdoe": Record("canvas", chosen="x.ipynb")}
    theirs = roster(tmp_path, CANVAS)
    done = export(course, scores, tmp_path / "o.csv", form="canvas", roster=theirs, records={LESSON: of})
    cells = {row[3]: row[5] for row in table(done.path)}
    assert (cells["ppoe"], cells["jdoe"]) == ("7.5", "0")


def test_a_late_hand_in_without_a_time_is_never_passed_over(course: Course, tmp_path: Path) -> None:
    lesson = course.lesson(LESSON).model_copy(update={"late_penalty_per_day": 0.1})
    strict = course.model_copy(update={"lessons": (lesson,)})
    scores = {LESSON: {"jdoe": Score(7.5, 15), "ppoe": Score(7.5, 15)}}
    known = Record("canvas", chosen="x", late=True, handed_in="2027-01-16T00:00:00+00:00")
    records = {LESSON: {"jdoe": Record("canvas", chosen="x", late=True), "ppoe": known}}
    for form in ("csv", "canvas"):
        theirs = roster(tmp_path, CANVAS)
        done = export(strict, scores, tmp_path / "o.csv", form=form, roster=theirs, records=records)
        (warning,) = done.warnings
        assert "no late penalty was taken off for jdoe," in warning


def test_semicolons_and_decimal_commas_stay(course: Course, tmp_path: Path) -> None:
    lines = [f"Student;ID;SIS Login ID;Section;{COLUMN}", "    Points Possible;;;;12,5"]
    theirs = roster(tmp_path, "\n".join([*lines, '"Doe, Jane";1;jdoe;A;']))
    done = export(course, {LESSON: {"jdoe": Score(5, 15)}}, tmp_path / "o.csv", form="canvas", roster=theirs)
    above, row = table(done.path, ";")[1:]
    assert (above[-1], row) == ("12,5", ["Doe, Jane", "1", "jdoe", "A", "4,17"])


def test_a_missing_column_is_named_with_those_there_are(course: Course, tmp_path: Path) -> None:
    theirs = roster(tmp_path, CANVAS.replace(COLUMN, "Codes (777)"))
    done = export(course, {LESSON: {"jdoe": Score(5, 15)}}, tmp_path / "o.csv", form="canvas", roster=theirs)
    (warning,) = done.warnings
    assert "Its assignments are: Codes (777), Essay (778)" in warning


def test_moodles_worksheet_gets_grades_comments_and_no_formula(course: Course, tmp_path: Path) -> None:
    heads = "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,Bewertung kann geändert werden,"
    heads += "Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),Feedback als Kommentar\n"
    rows = 'Teilnehmer/in91,=1+1,a@b,x,,"100,00",Ja,-,-,\nTeilnehmer/in92,@B,c@d,x,"3,00","100,00",Ja,-,-,gut\n'
    scores = {LESSON: {"a@b": Score(5, 15, remarks="W2a: a < b")}}
    done = export(course, scores, tmp_path / "o.csv", form="moodle", roster=roster(tmp_path, heads + rows))
    first, second = table(done.path)[1:]
    assert first == ["Teilnehmer/in91", "'=1+1", "a@b", "x", "33,33", "100,00", "Ja", "-", "-", "W2a: a &lt; b"]
    assert second == ["Teilnehmer/in92", "'@B", "c@d", "x", "3,00", "100,00", "Ja", "-", "-", "gut"]


def test_rows_are_matched_by_number_login_and_name(course: Course, tmp_path: Path) -> None:
    rows = ["id,name,email,canvas_id", "a1,Ada,,101", "b2,X,rroe@uni.example,", "c3,Pat Poe,,", "d4,Max Moe,,"]
    people = roster(tmp_path, "\n".join(rows), "r.csv")
    scores = {LESSON: {one: Score(15, 15) for one in ("a1", "b2", "c3")}}
    done = export(course, scores, tmp_path / "o.csv", form="canvas", roster=roster(tmp_path, CANVAS), people=people)
    assert [row[5] for row in table(done.path)[2:]] == ["50", "EX", "50", ""]


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, Page]:
    found = {}
    for student in ("ada", "bob"):
        path = tmp_path / f"{student}.html"
        path.write_text(f"<p>{student}</p>")
        found[student] = Page(student, path, waits=student == "bob")
    return found


RECORDS = {
    "ada": Record("moodle", chosen="x.ipynb", number="9001", name="Ada O'Ash-Down"),
    "bob": Record("moodle", chosen="x.ipynb", number="9002"),
}


def imported_by_moodle(names: list[str]) -> dict[str, str]:
    """As importziplib.php takes a path apart: number to file."""
    found = {}
    for name in names:
        head, *rest = name.split("/")
        info = head.split("_", 4)
        assert (info[2], info[3], len(info)) == ("assignsubmission", "file", 5)
        assert info[1].isdigit()
        found[info[1]] = "/".join([info[4], *rest]).lstrip("/")
    return found


def test_moodles_zip_and_each_page_once(pages: dict[str, Page], tmp_path: Path) -> None:
    to = ReturnTo("moodle", tmp_path / "m.zip")
    done = give_back(LESSON, pages, tmp_path, to, records=RECORDS)
    assert (done.students, done.waits) == (["ada", "bob"], ["bob"])
    with zipfile.ZipFile(to.target) as archive:
        assert imported_by_moodle(archive.namelist()) == {"9001": "feedback.html", "9002": "feedback.html"}
        assert archive.read("Ada O'Ash-Down_9001_assignsubmission_file_/feedback.html") == b"<p>ada</p>"
    to.target.unlink()
    again = give_back(LESSON, pages, tmp_path, to, records=RECORDS)
    assert (again.students, again.had, to.target.exists()) == ([], ["ada", "bob"], False)
    assert "everybody has the latest page" in return_lines(again, to)[0]
    pages["bob"].path.write_text("graded")
    assert give_back(LESSON, pages, tmp_path, to, records=RECORDS).students == ["bob"]
    assert give_back(LESSON, pages, tmp_path, to, records=RECORDS, again=True).students == ["ada", "bob"]
    assert give_back(LESSON, pages, tmp_path, to, records=RECORDS, again=True, finished=True).students == ["ada"]


def test_moodles_numbers_come_from_the_worksheet_where_nothing_was_collected(pages, tmp_path: Path) -> None:
    heads = "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed\n"
    worksheet = roster(tmp_path, heads + "Participant 71,Ada Ash,ada@uni.example,,,100,Yes\n")
    people = roster(tmp_path, "id,name,email\nada,Ada Ash,ada@uni.example\nbob,Bob,\n", "r.csv")
    to = ReturnTo("moodle", tmp_path / "m.zip")
    done = give_back(LESSON, pages, tmp_path, to, records={}, people=people, worksheet=worksheet)
    with zipfile.ZipFile(to.target) as archive:
        assert archive.namelist() == ["Ada Ash_71_assignsubmission_file_/feedback.html"]
    assert done.left_out[0][0] == "bob"


def test_canvas_takes_pages_under_the_names_it_gave(pages: dict[str, Page], tmp_path: Path) -> None:
    records = {
        "ada": Record("canvas", chosen="02 (1).zip/deep/x.ipynb", number="101", prefix="ashada_LATE_101_5001_"),
        "bob": Record("canvas", chosen="text.html", number="102", prefix="bobbob_102_"),
    }
    to = ReturnTo("canvas", tmp_path / "c.zip")
    done = give_back(LESSON, pages, tmp_path, to, records=records)
    with zipfile.ZipFile(to.target) as archive:
        (name,) = archive.namelist()
    assert name == "ashada_LATE_101_5001_02 (1).html"
    assert [part for part in name.split("_") if part.isdigit()][:2] == ["101", "5001"], "person and attachment"
    assert "typed" in done.left_out[0][1]


def test_the_exchange_finds_pages_by_the_hand_ins_secret(pages: dict[str, Page], tmp_path: Path) -> None:
    folder = tmp_path / "submitted" / "ada" / LESSON
    folder.mkdir(parents=True)
    (folder / "submission_secret.txt").write_text("s3cret")
    records = {"ada": Record("exchange", chosen="mine.ipynb", prefix=f"ada+{LESSON}+2027-01-15 10:00:00 UTC+x")}
    to = ReturnTo("exchange", tmp_path / "exchange" / "feedback", "course")
    done = give_back(LESSON, pages, tmp_path, to, records=records, submitted=tmp_path / "submitted")
    page = to.target / f"{notebook_hash(secret='s3cret', notebook_id='mine')}.html"
    assert page.read_text() == "<p>ada</p>"
    assert oct(to.target.stat().st_mode)[-3:] == "711"
    assert [student for student, _ in done.left_out] == ["bob"]


def test_a_folder_lists_names_and_emails(pages: dict[str, Page], tmp_path: Path) -> None:
    people = roster(tmp_path, "id,name,email\nada,=Ada,a@b\n")
    to = ReturnTo("folder", tmp_path / "back")
    give_back(LESSON, pages, tmp_path, to, records={}, people=people)
    assert table(to.target / "students.csv")[1:] == [["ada", "'=Ada", "a@b", "ada.html"], ["bob", "", "", "bob.html"]]
    with pytest.raises(CourseError, match=re.escape(", ".join(FORMS))):
        give_back(LESSON, pages, tmp_path, ReturnTo("fax", tmp_path), records={})
