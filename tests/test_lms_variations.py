"""Downloads as they come in real classes: layouts, endings, languages, copies, groups, hidden names."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from grading.course import CourseError
from grading.intake.contents import LessonContents, contents_of
from grading.intake.record import read_record
from grading.lms.collect import Collected, collect
from grading.lms.collect_report import report_lines
from grading.lms.groups import Groups, read_groups
from grading.lms.roster import Roster, read_roster
from tests.conftest import ROOT
from tests.lms_class import LESSON, OTHER, answered, zipped

A, B, BLANK = answered(mark="a"), answered(mark="b"), answered(share=0)
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section
    Points Possible,,,,
"Doe, Jane",101,U1,jdoe,A
"Smith, John",102,U2,jsmith,A
"Smith, John",103,U3,jsmith2,A
"Ölçer, Ünal",104,U4,uolcer,A
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,Last modified (submission)
Participant 9001,Jane Doe,jdoe@u,,,100.00,Yes,-
Participant 9002,John Smith,jsmith@u,,,100.00,Yes,-
Participant 9003,Ünal Ölçer,uolcer@u,,,100.00,Yes,-
"""
OWN = """\
id,first_name,last_name,email
jdoe,Jane,Doe,jane.doe@uni.example
jsmith,John,Smith,john.smith@uni.example
uolcer,Ünal,Ölçer,uo@uni.example
"""
TWINS = "id,first_name,last_name\njs1,John,Smith\njs2,John,Smith\n"
DECOMPOSED = "U\u0308nal O\u0308lc\u0327er"  # as a Mac writes it


@pytest.fixture(scope="module")
def contents() -> LessonContents:
    return contents_of({one: (ROOT / "notebooks" / one / f"{one}.ipynb").read_text("utf-8") for one in (LESSON, OTHER)})


def roster_of(tmp_path: Path, text: str) -> Roster:
    (tmp_path / "people.csv").write_text(text, "utf-8")
    return read_roster(tmp_path / "people.csv")


def download(tmp_path: Path, files: dict[str, bytes], *, folder: bool = False) -> Path:
    source = tmp_path / ("download" if folder else "download.zip")
    if folder:
        for name, content in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
    else:
        with zipfile.ZipFile(source, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    return source


def marks(found: Collected) -> dict[str, str]:
    """By student whose notebook was placed."""
    return {
        student: json.loads(path.read_bytes())["metadata"].get("mark", "") for student, path in found.placed.items()
    }


MOODLE_FILE, MOODLE_TEXT = "assignsubmission_file", "assignsubmission_onlinetext"
CASES: dict[str, tuple[str, dict[str, bytes], dict[str, str]]] = {
    "canvas, late, resubmitted": (
        CANVAS, {"doejane_LATE_101_51_x-3.ipynb": A, "smithjohn_102_52_x.ipynb": B}, {"jdoe": "a", "jsmith": "b"},
    ),
    "canvas, other endings": (
        CANVAS,
        {"doejane_101_51_x.ipynb.txt": A, "smithjohn_102_52_x.json": B, "smithjohn_103_53_x.txt": A,
         "lerunal_104_54_x": B},
        {"jdoe": "a", "jsmith": "b", "jsmith2": "a", "uolcer": "b"},
    ),
    "canvas, unpacked with what was in it": (
        CANVAS, {"doejane_101_51_work/deep/x.ipynb": A, "smithjohn_102_52_x.ipynb": B}, {"jdoe": "a", "jsmith": "b"},
    ),
    "canvas, a zip of a zip": (
        CANVAS, {"submissions.zip": zipped({"doejane_101_51_x.ipynb": A, "smithjohn_102_52_x.ipynb": B})},
        {"jdoe": "a", "jsmith": "b"},
    ),
    "moodle, text typed beside a file": (
        MOODLE,
        {f"Jane Doe_9001_{MOODLE_FILE}/x.ipynb": A, f"Jane Doe_9001_{MOODLE_TEXT}/onlinetext.html": b"<p>see file",
         f"{DECOMPOSED}_9003_{MOODLE_FILE}_/sub/x.ipynb": B},
        {"jdoe@u": "a", "uolcer@u": "b"},
    ),
    "moodle, without folders": (
        MOODLE,
        {f"Jane Doe_9001_{MOODLE_FILE}_x.ipynb": A, f"Jane Doe_9001_{MOODLE_TEXT}_onlinetext.html": b"<p>",
         f"Ünal Ölçer_9003_{MOODLE_FILE}_x_1_{MOODLE_FILE}_.ipynb": B},
        {"jdoe@u": "a", "uolcer@u": "b"},
    ),
    "moodle, groups before the names": (
        OWN, {f"Group A-Jane Doe_9001_{MOODLE_FILE}/x.ipynb": A, f"Group A-John Smith_9002_{MOODLE_FILE}/x.ipynb": A},
        {"jdoe": "a", "jsmith": "a"},
    ),
    "moodle, packed by a Mac": (
        MOODLE,
        {f"all/Jane Doe_9001_{MOODLE_FILE}/x.ipynb": A, f"__MACOSX/all/Jane Doe_9001_{MOODLE_FILE}/._x.ipynb": b"x",
         "all/.DS_Store": b"x"},
        {"jdoe@u": "a"},
    ),
    "moodle, names hidden, no numbers on the roster": (
        OWN, {f"Participant_9001_{MOODLE_FILE}/x.ipynb": A, f"Participant_9002_{MOODLE_FILE}/x.ipynb": B},
        {"participant 9001": "a", "participant 9002": "b"},
    ),
    "canvas, anonymous": (
        CANVAS, {"anon_aB3xY_51_x.ipynb": A, "LATE_anon_Q93xY_52_x.ipynb": B},
        {"participant aB3xY": "a", "participant Q93xY": "b"},
    ),
    "classroom, copies in two languages": (
        OWN,
        {f"Jane Doe - {LESSON}.ipynb": A, f"Jane Doe - Copy of {LESSON}.ipynb": BLANK,
         f"Kopie von Ünal Ölçer - {LESSON}.ipynb": B, f"John Smith - {LESSON} (1).ipynb": B},
        {"jdoe": "a", "uolcer": "b", "jsmith": "b"},
    ),
    "forms": (
        OWN, {f"{LESSON} - Jane Doe.ipynb": A, f"{LESSON} - John Smith (1).ipynb": B}, {"jdoe": "a", "jsmith": "b"},
    ),
    "forms, each file named otherwise": (
        OWN,
        {"homework - Jane Doe.ipynb": A, f"{LESSON} (1) - John Smith.ipynb": B, "Untitled - Ünal Ölçer (2).ipynb": B},
        {"jdoe": "a", "jsmith": "b", "uolcer": "b"},
    ),
    "classroom, each file named otherwise": (
        OWN, {"Jane Doe - homework.ipynb": A, "John Smith - Untitled - 2.ipynb": B}, {"jdoe": "a", "jsmith": "b"},
    ),
    "drive, split into two zips": (
        OWN,
        {"HW-001.zip": zipped({f"HW/Jane Doe - {LESSON}.ipynb": A}),
         "HW-002.zip": zipped({f"HW/John Smith - {LESSON}.ipynb": B, "__MACOSX/HW/._x": b"x"})},
        {"jdoe": "a", "jsmith": "b"},
    ),
    "files with the lesson beside the student": (
        OWN, {f"jdoe_{LESSON}.ipynb": A, f"{LESSON}_jsmith.ipynb": B, "uolcer (1).ipynb": A, "uolcer.ipynb": BLANK},
        {"jdoe": "a", "jsmith": "b", "uolcer": "a"},
    ),
    "folders by name and email": (
        OWN, {"john.smith/x.ipynb": B, "jane.doe@uni.example/x.ipynb": A, f"{DECOMPOSED}/x.ipynb": B},
        {"jdoe": "a", "jsmith": "b", "uolcer": "b"},
    ),
    "two of one name, no numbers": (
        TWINS, {f"John Smith_9002_{MOODLE_FILE}/x.ipynb": A, f"John Smith_9003_{MOODLE_FILE}/x.ipynb": B}, {},
    ),
}  # fmt: skip
FOLDERS = {name for name in CASES if name.startswith(("canvas, unpacked", "drive", "files with", "folders"))}


@pytest.mark.parametrize("name", CASES)
def test_each_reaches_its_own(name: str, contents: LessonContents, tmp_path: Path) -> None:
    people, files, placed = CASES[name]
    source = download(tmp_path, files, folder=name in FOLDERS)
    found = collect(source, LESSON, tmp_path / "submitted", roster_of(tmp_path, people), contents=contents)
    assert marks(found) == placed
    assert bool(found.unmatched) == (not placed)
    assert not found.refused


def test_hidden_names_are_said_once_and_nobody_is_called_missing(contents: LessonContents, tmp_path: Path) -> None:
    people, files, _ = CASES["canvas, anonymous"]
    found = collect(download(tmp_path, files), LESSON, tmp_path / "s", roster_of(tmp_path, people), contents=contents)
    text = "\n".join(report_lines(found))
    assert text.count("has no names (anonymous grading)") == 1
    assert not found.missing
    assert read_record(found.placed["participant aB3xY"].parent).prefix == "anon_aB3xY_51_"


def grouped(tmp_path: Path, people: str, files: dict[str, bytes], groups: str, contents: LessonContents) -> Collected:
    roster = roster_of(tmp_path, people)
    (tmp_path / "groups.csv").write_text(groups)
    return collect(
        download(tmp_path, files), LESSON, tmp_path / "submitted", roster, contents=contents,
        groups=read_groups(tmp_path / "groups.csv", roster),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("people", "groups"),
    [
        (CANVAS, "name,canvas_user_id,login_id,group_name\nJane Doe,101,jdoe,Team 7\nÜnal Ölçer,104,uolcer,Team 7\n"),
        (OWN, "student,group\njdoe,Team 7\nÜnal Ölçer,Team 7\n"),
    ],
)
def test_one_file_counts_for_a_group(people: str, groups: str, contents: LessonContents, tmp_path: Path) -> None:
    files = {"team7_LATE_101_51_x.ipynb": A, "smithjohn_102_52_x.ipynb": B}
    found = grouped(tmp_path, people, files, groups, contents)
    assert marks(found) == {"jdoe": "a", "uolcer": "a", "jsmith": "b"}
    member = read_record(found.placed["uolcer"].parent)
    assert (member.group, member.by, member.late, member.prefix) == ("Team 7", "jdoe", True, "")
    assert read_record(found.placed["jsmith"].parent).group == ""
    assert "1 group handed in, 2 members in all" in "\n".join(report_lines(found))
    assert not found.doubts


def test_groups_that_are_left_out_at_a_second_collect_change_nothing(contents: LessonContents, tmp_path: Path) -> None:
    files = {"team7_LATE_101_51_x.ipynb": A, "smithjohn_102_52_x.ipynb": B}
    groups = "name,canvas_user_id,login_id,group_name\nJane Doe,101,jdoe,Team 7\nÜnal Ölçer,104,uolcer,Team 7\n"
    before = marks(grouped(tmp_path, CANVAS, files, groups, contents))
    roster, into = roster_of(tmp_path, CANVAS), tmp_path / "submitted"
    (tmp_path / "again").mkdir()
    again = download(tmp_path / "again", {"oelceruenal_104_53_x.ipynb": BLANK})
    with pytest.raises(CourseError, match=r"uolcer's, which somebody else uploaded: give --groups again"):
        collect(again, LESSON, into, roster, contents=contents)
    assert marks(grouped(tmp_path, CANVAS, files, groups, contents)) == before


def test_members_who_hand_in_different_files_are_told(contents: LessonContents, tmp_path: Path) -> None:
    files = {
        f"Jane Doe_9001_{MOODLE_FILE}/x.ipynb": answered(share=0.3, mark="half"),
        f"John Smith_9002_{MOODLE_FILE}/x.ipynb": B,
    }
    found = grouped(tmp_path, MOODLE, files, "email,team\njdoe@u,A\njsmith@u,A\n", contents)
    assert marks(found) == {"jdoe@u": "b", "jsmith@u": "b"}
    assert all("handed in different files" in found.doubts[student][-1] for student in found.placed)
    assert read_record(found.placed["jdoe@u"].parent).number == "9001", "the page goes back to the student's own place"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("student,team\njdoe,A\njdoe,B\n", "puts jdoe into A and into B"),
        ("student,colour\njdoe,A\n", "expected one for the group"),
        ("student,group\nnobody,A\n", "names no student of the roster"),
    ],
)
def test_a_wrong_list_of_groups_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(CourseError, match=says):
        read_groups(tmp_path / "groups.csv", roster_of(tmp_path, OWN))


def test_a_group_is_found_under_the_name_that_canvas_squeezes() -> None:
    groups = Groups({"Team 7": ("a",), "Team 71": ("b",)})
    assert (groups.called("team7"), groups.called("team71"), groups.called("team")) == (("a",), ("b",), ())
