"""Rosters, downloads from Moodle, Canvas, Google Classroom and nbgrader's exchange, and grades in their columns."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from grading.cli import app
from grading.course import CourseError
from grading.intake.find_submissions import find_submissions, read_timestamp
from grading.lms.collect import collect
from grading.lms.collect_report import report_lines
from grading.lms.downloads import kind_of, read_name
from grading.lms.export import Score, export, read_scores
from grading.lms.roster import plain, read_roster, squeezed
from grading.nbgrader_plugin.gradebook import commands_on_path

LESSON = "05_attention"
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Attention (777),Attention again (778),Final Score
    Points Possible,,,,,12,3,(read only)
"Doe, Jane",101,S-1,jdoe,A,,,
"Müller, Jörg Hans",102,S-2,jmueller,A,,,
"Li, Na",103,S-3,nli,B,,,
"Li, Na",104,S-4,nli2,B,,,
Test Student,105,,abc,A,,,
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,Last modified (submission),\
Last modified (grade),Feedback comments
Participant 9001,Jane Doe,jane@uni.example,Submitted for grading,,100.00,Yes,"Friday, 15 January 2027, 10:00",-,
Participant 9002,Jörg Hans Müller,jorg@uni.example,No submission,,100.00,Yes,-,-,
"""


@pytest.fixture
def write(tmp_path):
    def writer(name, text, encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return writer


def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return out.getvalue()


def test_canvas_roster(write):
    roster = read_roster(write("canvas.csv", CANVAS, "utf-8-sig"))
    assert roster.kind == "canvas"
    assert [(p.id, p.number, p.name) for p in roster] == [
        ("jdoe", "101", "Jane Doe"), ("jmueller", "102", "Jörg Hans Müller"), ("nli", "103", "Na Li"),
        ("nli2", "104", "Na Li"),
    ]  # fmt: skip


def test_moodle_worksheet_and_a_plain_list(write):
    moodle = read_roster(write("m.csv", MOODLE))
    assert [(p.id, p.number) for p in moodle] == [("jane@uni.example", "9001"), ("jorg@uni.example", "9002")]
    typed = read_roster(write("p.csv", "id;first_name;last_name;email\nada;Ada;Lovelace;a@b\nörn;Örn;Á;\n", "latin-1"))
    assert [(p.id, p.name) for p in typed] == [("ada", "Ada Lovelace"), ("örn", "Örn Á")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no student"),
        ("colour,size\nred,3\n", "its columns are colour, size; expected `id`"),
        ("id,name\na,x\na,y\n", "has a more than once"),
    ],
)
def test_a_roster_that_is_none_is_named(write, text, says):
    with pytest.raises(CourseError, match=says):
        read_roster(write("r.csv", text))


def test_a_missing_roster_is_named(tmp_path):
    with pytest.raises(CourseError, match="can't be read: No such file"):
        read_roster(tmp_path / "none.csv")


def test_names_are_alike_without_accents_and_order():
    assert plain("Müller, Jörg") == plain("jorg MULLER")
    assert "mullerjorghans" in squeezed("Jörg Hans Müller")
    assert "doejane" in squeezed("Jane Doe")


@pytest.mark.parametrize(
    ("path", "who", "number", "file"),
    [
        ("Jane Doe_9001_assignsubmission_file/my notebook.ipynb", "Jane Doe", "9001", "my notebook.ipynb"),
        ("Jane Doe_9001_assignsubmission_file_/05.ipynb", "Jane Doe", "9001", "05.ipynb"),
        ("Jane Doe_9001_assignsubmission_file_05_attention.ipynb", "Jane Doe", "9001", "05_attention.ipynb"),
        ("Participant_9001_assignsubmission_file/05.ipynb", "", "9001", "05.ipynb"),
        ("doejane_101_5555_05_attention-2.ipynb", "doejane", "101", "05_attention.ipynb"),
        ("doejane_LATE_101_5555_05_attention.ipynb", "doejane", "101", "05_attention.ipynb"),
        ("Homework/Jane Doe - 05_attention.ipynb", "Jane Doe", "", "05_attention.ipynb"),
        ("Copy of Jane Doe - 05_attention.ipynb", "Jane Doe", "", "05_attention.ipynb"),
        ("jdoe+05_attention+2027-01-15 23:59:00 UTC+x7/05_attention.ipynb", "jdoe", "", "05_attention.ipynb"),
        ("jdoe/05_attention/05.ipynb", "jdoe", "", "05.ipynb"),
        ("jdoe.ipynb", "jdoe", "", "jdoe.ipynb"),
    ],
)
def test_names_in_downloads(path, who, number, file):
    named = read_name(path)
    assert (named.who, named.number, named.file) == (who, number, file)


def test_canvas_zip(write, tmp_path):
    roster = read_roster(write("canvas.csv", CANVAS))
    zipped = write(
        "submissions.zip",
        archive(
            {
                "doejane_101_5001_05_attention.ipynb": "first",
                "doejane_101_5001_05_attention-1.ipynb": "second",
                "mullerjorghans_LATE_102_5002_attention final.ipynb": "late",
                "strangersam_999_5003_05.ipynb": "whose?",
                "lina_555_5004_05.ipynb": "which of two?",
                "doejane_101_5001_notes.pdf": "no notebook",
            }
        ),
    )
    found = collect(zipped, LESSON, tmp_path / "sub", roster)
    assert found.kind == "canvas"
    assert (tmp_path / "sub" / "jdoe" / LESSON / f"{LESSON}.ipynb").read_text() == "second"
    assert (tmp_path / "sub" / "jmueller" / LESSON / f"{LESSON}.ipynb").read_text() == "late"
    assert found.missing == ["nli", "nli2"]
    text = "\n".join(report_lines(found))
    assert "strangersam is not on the roster" in text
    assert "lina may be nli, nli2: give the roster the LMS's numbers" in text
    assert "1 student handed in late: jmueller. The LMS's download does not say when" in text
    assert f"for instance {tmp_path / 'sub' / 'jmueller' / LESSON / 'timestamp.txt'}." in text, "not there yet"
    stamp = tmp_path / "sub" / "jmueller" / LESSON / "timestamp.txt"
    stamp.write_text("2027-01-16 01:30 UTC", "utf-8")  # as the note says
    assert read_timestamp(stamp) == (datetime(2027, 1, 16, 1, 30), "")
    assert "2 files for whom nobody was found" in text
    assert (tmp_path / "sub" / "jdoe" / LESSON / ".others" / "notes.pdf").read_text() == "no notebook"
    assert [s.student for s in find_submissions(tmp_path / "sub", [LESSON]).submissions] == ["jdoe", "jmueller"]


def test_moodle_zip_with_and_without_folders(write, tmp_path):
    roster = read_roster(write("m.csv", MOODLE))
    zipped = write(
        "m.zip",
        archive(
            {
                "Jane Doe_9001_assignsubmission_file/mine.ipynb": "jane",
                "Muller Jorg Hans_4242_assignsubmission_file_a.ipynb": "by name",
                "Jane Doe_9001_assignsubmission_onlinetext/onlinetext.html": "words",
            }
        ),
    )
    found = collect(zipped, LESSON, tmp_path / "sub", roster)
    assert set(found.placed) == {"jane@uni.example", "jorg@uni.example"}
    assert not found.unmatched


def test_the_exchange_keeps_the_time_and_takes_the_last(tmp_path):
    for when, text in (("2027-01-14 10:00:00 UTC", "old"), ("2027-01-15 10:00:00 UTC", "new")):
        folder = tmp_path / "inbound" / f"jdoe+{LESSON}+{when}+abc"
        folder.mkdir(parents=True)
        (folder / f"{LESSON}.ipynb").write_text(text)
        (folder / "timestamp.txt").write_text(when)
    other = tmp_path / "inbound" / "jdoe+06_encoder_block+2027-02-01 10:00:00 UTC"
    other.mkdir()
    (other / "06_encoder_block.ipynb").write_text("another lesson")
    collect(tmp_path / "inbound", LESSON, tmp_path / "sub")
    (submission,) = find_submissions(tmp_path / "sub", [LESSON]).submissions
    assert submission.path.read_text() == "new"
    assert submission.timestamp.isoformat() == "2027-01-15T10:00:00"


def test_collecting_again_changes_nothing_and_a_new_version_keeps_the_old(tmp_path):
    folder = tmp_path / "drive"
    folder.mkdir()
    (folder / "Jane Doe - 05_attention.ipynb").write_text("one")
    collect(folder, LESSON, tmp_path / "sub")
    assert collect(folder, LESSON, tmp_path / "sub").unchanged == ["Jane Doe"]
    (folder / "Jane Doe - 05_attention.ipynb").write_text("two")
    assert collect(folder, LESSON, tmp_path / "sub").replaced == ["Jane Doe"]
    place = tmp_path / "sub" / "Jane Doe" / LESSON
    assert (place / f"{LESSON}.ipynb").read_text() == "two"
    assert [p.read_text() for p in (place / ".earlier").iterdir()] == ["one"]
    (submission,) = find_submissions(tmp_path / "sub", [LESSON]).submissions
    assert not submission.notes


def test_a_hostile_zip_writes_nothing_outside(write, tmp_path):
    bad = archive({"../../evil.ipynb": "out", "/etc/evil.ipynb": "out", "a_1_2_x.ipynb": "fine", "C:\\evil.ipynb": "w"})
    found = collect(write("z.zip", bad), LESSON, tmp_path / "deep" / "sub")
    assert list(found.placed) == ["a_1"]
    assert len(found.refused) == 3
    assert not list(tmp_path.rglob("evil*"))


def test_what_is_no_download_is_named(write, tmp_path):
    with pytest.raises(CourseError, match="is no zip that can be read"):
        collect(write("broken.zip", b"PK\x03\x04nonsense"), LESSON, tmp_path / "sub")
    with pytest.raises(CourseError, match="is not there; expected a zip"):
        collect(tmp_path / "nothing", LESSON, tmp_path / "sub")
    with pytest.raises(CourseError, match="holds no notebook"):
        collect(write("e.zip", archive({"readme.txt": "hello"})), LESSON, tmp_path / "sub")


def test_kinds():
    assert kind_of(["x/Jane_1_assignsubmission_file/a.ipynb"]) == "moodle"
    assert kind_of(["a_1_2_x.ipynb"]) == "canvas"
    assert kind_of(["jdoe/a.ipynb"]) == "folder"


def rows(path):
    return list(csv.reader(path.read_text("utf-8").splitlines()))


SCORES = {LESSON: {"jdoe": Score(10.5, 12), "jmueller": Score(0, 12, waits=True), "ghost": Score(3, 12)}}


def test_export_for_canvas(write, tmp_path, course):
    roster = read_roster(write("canvas.csv", CANVAS))
    done = export(course, SCORES, tmp_path / "out.csv", form="canvas", roster=roster)
    table = rows(done.path)
    assert table[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Attention (777)"]
    assert table[1] == ["    Points Possible", "", "", "", "", "12"]
    assert table[2] == ["Doe, Jane", "101", "S-1", "jdoe", "A", "10.5"]
    assert table[3][-1] == "0"
    assert table[4][-1] == ""
    assert any("ghost is graded but not on the roster" in note for note in done.notes)
    assert any("jmueller has ungraded written answers" in note for note in done.notes)
    assert done.students == 4


def test_export_for_moodle_scales_to_the_worksheet(write, tmp_path, course):
    roster = read_roster(write("m.csv", MOODLE))
    scores = {LESSON: {"jane@uni.example": Score(9, 12)}}
    done = export(course, scores, tmp_path / "out.csv", form="moodle", roster=roster)
    table = rows(done.path)
    assert table[0] == rows(write("again.csv", MOODLE))[0]
    assert table[1][4] == "75.00"
    assert table[2][4] == ""
    assert any("scaled to the worksheet's maximum of 100" in note for note in done.notes)


def test_plain_export_is_safe_to_open(tmp_path, course):
    done = export(course, {LESSON: {"=cmd|'calc'": Score(1, 2), "-5": Score(2, 2)}}, tmp_path / "o.csv", form="csv")
    table = rows(done.path)
    assert table[0] == ["student", "name", LESSON, "total", "out of"]
    assert {row[0] for row in table[1:]} == {"'=cmd|'calc'", "-5"}


@pytest.mark.parametrize("form", ["canvas", "moodle"])
def test_an_lms_needs_its_own_roster(form, tmp_path, course):
    with pytest.raises(CourseError, match="need its own export as --roster"):
        export(course, SCORES, tmp_path / "o.csv", form=form)


def test_scores_come_from_the_gradebook_less_the_penalty(tmp_path):
    commands_on_path()
    url = f"sqlite:///{tmp_path / 'g.db'}"
    with Gradebook(url) as gradebook:
        gradebook.add_assignment(LESSON)
        gradebook.add_notebook(LESSON, LESSON)
        gradebook.add_grade_cell("Q5-check", LESSON, LESSON, max_score=6, cell_type="code")
        gradebook.add_student("jdoe")
        submission = gradebook.add_submission(LESSON, "jdoe")
        (grade,) = submission.notebooks[0].grades
        grade.auto_score, grade.needs_manual_grade = 5.0, False
        submission.notebooks[0].late_submission_penalty = 1.5
        gradebook.db.commit()
    assert read_scores(url, [LESSON])[LESSON]["jdoe"] == Score(3.5, 6.0)
    with pytest.raises(CourseError, match="nothing of 06_encoder_block is in the gradebook"):
        read_scores(url, ["06_encoder_block"])
    result = CliRunner().invoke(app, ["export", "--db", url, "--to", str(tmp_path / "g.csv")])
    assert result.exit_code == 0, result.output
    assert rows(tmp_path / "g.csv")[1] == ["jdoe", "", "3.5", "3.5", "6"]


def test_the_command_reports_and_fails_when_somebody_is_unknown(write, tmp_path):
    roster = write("canvas.csv", CANVAS)
    zipped = write("s.zip", archive({"doejane_101_1_a.ipynb": "x", "who_7_2_a.ipynb": "y"}))
    arguments = ["collect", str(zipped), LESSON, "--roster", str(roster), "--into", str(tmp_path / "sub")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "canvas: 1 submission (1 new" in result.output
    assert "who is not on the roster" in result.output
