"""Collecting classes of 120 with every oddity: the right file, the right student, and no entry that stops the rest."""

from __future__ import annotations

import io
import json
import os
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grading.intake.contents import LessonContents, contents_of
from grading.intake.find_submissions import find_submissions
from grading.lms import unpack
from grading.lms.collect import collect
from grading.lms.collect_report import report_lines
from grading.lms.downloads import exchange_time, layout_of, read_name
from grading.lms.needs_person import read_doubts, write_found
from grading.lms.roster import Roster, read_roster
from tests.conftest import ROOT
from tests.lms_class import (
    LESSON,
    OTHER,
    Student,
    answered,
    canvas_files,
    canvas_gradebook,
    download,
    make_class,
    moodle_files,
    moodle_worksheet,
    zipped,
)  # fmt: skip

SMALL = LessonContents({})


@pytest.fixture(scope="module")
def contents() -> LessonContents:
    paths = {path.stem: path for path in (ROOT / "notebooks").glob("*/*.ipynb") if path.stem == path.parent.name}
    return contents_of({lesson: path.read_text("utf-8") for lesson, path in paths.items()})


@pytest.fixture(scope="module")
def students() -> list[Student]:
    return make_class(120)


def mark_of(path: Path) -> str:
    try:
        return json.loads(path.read_bytes())["metadata"].get("mark", "")
    except ValueError:
        return "-"


def roster_of(tmp_path: Path, text: str) -> Roster:
    (tmp_path / "roster-in.csv").write_text(text, "utf-8")
    return read_roster(tmp_path / "roster-in.csv")


@pytest.mark.parametrize("system", ["canvas", "moodle", "moodle flat", "moodle blind"])
def test_a_class_of_120(system: str, students: list[Student], contents: LessonContents, tmp_path: Path) -> None:
    if system == "canvas":
        files, roster = canvas_files(students), roster_of(tmp_path, canvas_gradebook(students))
        ids = {s.id: s.id for s in students}
    else:
        files = moodle_files(students, flat="flat" in system, blind="blind" in system)
        roster = roster_of(tmp_path, moodle_worksheet(students))
        ids = {s.id: f"{s.id}@uni.example" for s in students}
    into = tmp_path / "submitted"
    found = collect(download(files, tmp_path / "d.zip"), LESSON, into, roster, contents=contents)
    assert found.kind == system.split()[0]
    assert not found.unmatched
    assert set(found.missing) == {ids[s.id] for s in students if not s.files}
    assert set(found.without) == {ids[s.id] for s in students if s.files and not s.graded}
    for student in students:
        told = " ".join(found.doubts.get(ids[student.id], ()))
        assert bool(told) == bool(student.asks), (student.oddity, told)
        assert all(words in told for words in student.asks), (student.oddity, told)
        here = into / ids[student.id] / LESSON / f"{LESSON}.ipynb"
        assert (mark_of(here) if here.exists() else "") == student.graded, student.oddity
        assert not (here.parent / "timestamp.txt").exists(), "a hand-in does not say when it came"
        kept = {p.read_bytes() for p in here.parent.rglob("*") if p.is_file()} if student.files else set()
        own = [c for name, c in student.files.items() if name != "timestamp.txt"]
        assert all(c in kept for c in own), f"{student.oddity}: every file is kept"
    text = "\n".join(report_lines(found, roster.names))
    assert text.isprintable() or not set(text) & set("\x1b\u202e")
    again = collect(tmp_path / "d.zip", LESSON, into, roster, contents=contents)
    assert len(again.unchanged) == len(found.placed)
    assert not again.new, "what was told is not told again"
    assert again.doubts == found.doubts


def test_what_needs_a_person_is_kept_for_the_report_and_on_the_submission(
    students: list[Student], contents: LessonContents, tmp_path: Path
) -> None:
    some = students[:16]
    roster = roster_of(tmp_path, canvas_gradebook(some))
    found = collect(download(canvas_files(some), tmp_path / "d.zip"), LESSON, tmp_path / "submitted", roster,
                    contents=contents)  # fmt: skip
    write_found(found, LESSON, tmp_path)
    doubts = {doubt.student: doubt.text for doubt in read_doubts(tmp_path, [LESSON])}
    assert "a PDF" in doubts["s007"]
    submissions = {s.student: s for s in find_submissions(tmp_path / "submitted", [LESSON]).submissions}
    assert submissions["s007"].path is None
    assert "a PDF" in submissions["s007"].problem
    assert any(f"lesson {OTHER}" in note for note in submissions["s006"].notes)


def test_without_a_roster_numbers_keep_people_of_one_name_apart(students: list[Student], tmp_path: Path) -> None:
    two = [s for s in students if s.name == students[1].name]
    assert len(two) == 2
    for s in two:
        s.files = {f"{LESSON}.ipynb": answered(mark=s.id)}
    for name, files in (("c", canvas_files(two)), ("m", moodle_files(two))):
        found = collect(download(files, tmp_path / f"{name}.zip"), LESSON, tmp_path / name)
        assert len(found.placed) == 2, found.unmatched
        assert {mark_of(path) for path in found.placed.values()} == {s.id for s in two}


@pytest.mark.parametrize(
    ("files", "who", "whose"),
    [
        ({"doejane_101_1_x_222_assignsubmission_file_.ipynb": b"{}"}, "jdoe", "jdoe"),
        ({"doejane_101_1_bob_1_222_x.ipynb": b"{}"}, "jdoe", "jdoe"),
        ({"doejane_101_1_Copy of Bob Jones - x.ipynb": b"{}"}, "jdoe", "jdoe"),
        ({"jonesbob_101_1_x.ipynb": b"{}"}, "", "its number is jdoe's and its name is bjones's"),
        ({"doejane_999_1_x.ipynb": b"{}"}, "", "has the number 999, and jdoe on the roster has 101"),
        ({"Jane Doe_101_assignsubmission_file_/Bob Jones_222_assignsubmission_file_/x.ipynb": b"{}"}, "jdoe", "jdoe"),
        ({"jdoe/bob+02_positional_encoding+2099-01-01 00:00:00 UTC/x.ipynb": b"{}", "bjones/y.ipynb": b"[]"},
         "bjones jdoe", "jdoe"),
        ({"Jane Doe - Bob Jones - x.ipynb": b"{}", "Bob Jones - y.ipynb": b"[]"}, "bjones jdoe", "jdoe"),
    ],
)  # fmt: skip
def test_nobody_hands_in_for_somebody_else(files: dict[str, bytes], who: str, whose: str, tmp_path: Path) -> None:
    roster = roster_of(
        tmp_path, "id,name,canvas_id,moodle_id\njdoe,Jane Doe,101,101\nbjones,Bob Jones,222,222\n"
    )  # fmt: skip
    (tmp_path / "d.zip").write_bytes(zipped(files))
    found = collect(tmp_path / "d.zip", LESSON, tmp_path / "sub", roster)
    assert sorted(found.placed) == who.split()
    if not who:
        assert whose in found.unmatched[0][1]


def test_two_that_claim_to_be_one_student_are_both_refused(tmp_path: Path) -> None:
    """On a disk that knows no case, or one Unicode form, they would be one folder."""
    for first, second in (("Ada", "ada"), (unicodedata.normalize("NFC", "Zoë"), "ZOË")):
        (tmp_path / "d.zip").write_bytes(
            zipped({f"{first}/a.ipynb": b"{}", f"{second}/a.ipynb": b"[]", "eve/a.ipynb": b"1"})
        )
        found = collect(tmp_path / "d.zip", LESSON, tmp_path / f"sub{second}")
        assert list(found.placed) == ["eve"]
        assert len(found.unmatched) == 2
        assert all("claims to be" in why for _, why in found.unmatched)


def bomb(name: str, size: int) -> bytes:
    return zipped({name: b" " * size})


def test_one_bad_entry_is_named_and_the_rest_is_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_FILE", 2**20)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, name in enumerate(
            ["ok_1_1_a.ipynb", "ok_2_2_A.ipynb", f"ok_3_3_{'n' * 300}.ipynb", "ok_4_4_a\x1b[2J.ipynb"]
        ):
            archive.writestr(name, json.dumps({"cells": [], "at": at}))
        archive.writestr("big_5_5_a.ipynb", b" " * (2**20 + 1))
        archive.writestr("../out_6_6_a.ipynb", b"{}")
        link = zipfile.ZipInfo("link_7_7_a.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        device = zipfile.ZipInfo("device_8_8_a.ipynb")
        device.external_attr = 0o020666 << 16
        archive.writestr(device, "")
        archive.writestr("both_9_9_a", b"a file")
        archive.writestr("both_9_9_a/x.ipynb", b"a folder of the same name")
    data = bytearray(out.getvalue())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.getinfo("ok_2_2_A.ipynb").header_offset
    data[at + 6] |= 1  # its own header says locked, the table of contents does not
    (tmp_path / "d.zip").write_bytes(data)
    found = collect(tmp_path / "d.zip", LESSON, tmp_path / "deep" / "sub")
    assert {"ok_1", "ok_3", "ok_4"} <= set(found.placed)
    why = dict(found.refused)
    assert "larger than 1 MB" in why["big_5_5_a.ipynb"]
    assert "leads out" in why["../out_6_6_a.ipynb"]
    assert "link" in why["link_7_7_a.ipynb"]
    assert "special file" in why["device_8_8_a.ipynb"]
    assert "\x1b" not in "\n".join(report_lines(found))
    assert not list(tmp_path.rglob("out_6*"))


def test_links_and_special_files_in_a_folder_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    for student in ("ada", "bob"):
        (folder / student).mkdir(parents=True)
        (folder / student / "x.ipynb").write_text("{}")
    (folder / "eve").symlink_to(folder / "ada")
    (folder / "ada" / "y.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(folder / "bob" / "pipe.ipynb")
    found = collect(folder, LESSON, tmp_path / "sub")
    assert sorted(found.placed) == ["ada", "bob"]
    assert {name for name, _ in found.refused} == {"eve", "ada/y.ipynb", "bob/pipe.ipynb"}


@pytest.mark.parametrize(
    ("folder", "when"),
    [
        ("jdoe+02_positional_encoding+2027-01-15 23:59:00 UTC", "2027-01-15T23:59:00+00:00"),
        ("jdoe+02_positional_encoding+2027-01-15 23:59:00 UTC+a1b2c3", "2027-01-15T23:59:00+00:00"),
        ("jdoe+02_positional_encoding+2027-01-15 23:59:00.5 UTC+-0300", "2027-01-15T23:59:00.500000+00:00"),
        ("jdoe+02_positional_encoding+2027-01-15 23_59_00 UTC+EST5", "2027-01-15T23:59:00+00:00"),
        ("jdoe+02_positional_encoding+2027-01-15 23:59:00 +0100+x", "2027-01-15T22:59:00+00:00"),
        ("jdoe+02_positional_encoding+2027-07-15 23:59:00 CET+x_-", "2027-07-15T21:59:00+00:00"),
    ],
)
def test_the_exchanges_random_tail_is_no_time_zone(folder: str, when: str) -> None:
    named = read_name(f"{folder}/x.ipynb", layout_of([f"{folder}/x.ipynb"]))
    assert named is not None
    moment = exchange_time(named.when)
    assert moment is not None
    assert moment.isoformat() == when


def test_of_the_exchanges_hand_ins_the_latest_counts_unless_it_is_empty(
    contents: LessonContents, tmp_path: Path
) -> None:
    inbound = tmp_path / "inbound"
    for student, days in {
        "ada": [("14", 0.4, "first"), ("15", 1.0, "second")],
        "bob": [("14", 1.0, "first"), ("15", 0.0, "second")],
    }.items():
        for day, share, mark in days:
            folder = inbound / f"{student}+{LESSON}+2027-01-{day} 10:00:00 UTC+x{day}"
            folder.mkdir(parents=True)
            (folder / f"{LESSON}.ipynb").write_bytes(answered(share=share, mark=f"{student} {mark}"))
            (folder / "extra.ipynb").write_text("{}")
            (folder / "submission_secret.txt").write_text(f"secret {student} {day}")
    found = collect(inbound, LESSON, tmp_path / "sub", contents=contents)
    assert {mark_of(path) for path in found.placed.values()} == {"ada second", "bob first"}
    assert "ada" not in found.doubts
    assert "the latest hand-in" in " ".join(found.doubts["bob"])
    assert (tmp_path / "sub" / "bob" / LESSON / "timestamp.txt").read_text() == "2027-01-14 10:00:00 UTC"
    assert (tmp_path / "sub" / "bob" / LESSON / "submission_secret.txt").read_text() == "secret bob 14"


def test_a_pdf_after_a_notebook_leaves_the_notebook_to_be_graded(contents: LessonContents, tmp_path: Path) -> None:
    for files in ({"a_1_1_x.ipynb": answered(mark="m")}, {"a_1_2_x.pdf": b"%PDF", "b_2_3_x.ipynb": answered()}):
        (tmp_path / "d.zip").write_bytes(zipped(files))
        found = collect(tmp_path / "d.zip", LESSON, tmp_path / "sub", contents=contents)
    assert mark_of(tmp_path / "sub" / "a_1" / LESSON / f"{LESSON}.ipynb") == "m"
    assert "still the one that is graded" in " ".join(found.doubts["a_1"])


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(own=st.lists(NAMES, min_size=1, max_size=4), system=st.sampled_from(["canvas", "moodle", "exchange"]))
def test_no_name_that_a_student_chooses_reaches_another_student(own: list[str], system: str, tmp_path_factory) -> None:
    """Whatever the files of ada are called: they are ada's, bob's are bob's, and nothing is written elsewhere."""
    tmp_path = tmp_path_factory.mktemp("names")
    when = "2027-01-15 10:00:00 UTC+t"
    before = {
        "canvas": ("ada_1_{at}_", "bob_2_99_"),
        "moodle": ("Ada_1_assignsubmission_file_", "Bob_2_assignsubmission_file_"),
        "exchange": (f"ada+{LESSON}+{when}/", f"bob+{LESSON}+{when}/"),
    }
    mine, theirs = before[system]
    files = {theirs + "x.ipynb": b'{"cells": [], "b": 1}'}
    for at, name in enumerate(own):
        files[mine.format(at=at + 10) + name + ".ipynb"] = b'{"cells": [], "a": %d}' % at
    (tmp_path / "d.zip").write_bytes(zipped(files))
    (tmp_path / "roster-in.csv").write_text("id,name,canvas_id,moodle_id\nada,Ada,1,1\nbob,Bob,2,2\n")
    found = collect(tmp_path / "d.zip", LESSON, tmp_path / "out" / "sub", read_roster(tmp_path / "roster-in.csv"))
    assert set(found.placed) <= {"ada", "bob"}
    assert b'"b"' in found.placed["bob"].read_bytes()
    assert all(b'"b"' not in path.read_bytes() for path in (tmp_path / "out" / "sub" / "ada").rglob("*.ipynb"))
    assert {path.name for path in tmp_path.iterdir()} == {"d.zip", "roster-in.csv", "out"}
    assert "\x1b" not in "".join(report_lines(found))
