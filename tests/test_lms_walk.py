"""The whole way by commands, for Canvas and for Moodle, on a course of its own: from the download to deleted data."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from grading.course import load_course
from grading.new_course import make_course
from tests.conftest import ROOT
from tests.lms_class import answered

LESSON = "01_patches"
pytestmark = pytest.mark.xdist_group("lms-walk")  # each class is graded once for all tests of its system
PEOPLE = {  # id: name, number, the file that came
    "ada": ("Ada Ashdown", 101, "patches.ipynb"),
    "bo": ("Bo Çelik", 102, "patches (1).ipynb"),
    "kim1": ("Kim Kwon", 103, "a.ipynb"),
    "kim2": ("Kim Kwon", 104, "b.ipynb"),
    "pat": ("Pat Poe", 105, "answers.pdf"),
    "zoe": ("Zoë Zed", 106, ""),
}
ROSTER = "id,first_name,last_name,email,canvas_id,moodle_id\n" + "".join(
    f"{student},{name.split()[0]},{name.split()[1]},{student}@uni.example,{number},{number}\n"
    for student, (name, number, _) in PEOPLE.items()
)


@dataclass
class Way:
    """One system's own files: a download, its table of grades, the options of `return` and `export`.

    Attributes:
        collected: what `vitlab collect` said of the class.
    """

    system: str
    root: Path
    collected: str = ""

    def run(self, *arguments: str, fails: bool = False, root: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "grading", *arguments], cwd=root or self.root, capture_output=True, text=True,
            timeout=900, env={**os.environ, "PYTHONPATH": str(ROOT), "VITLAB_GRADER": "the tutor"}, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def download(self, files: dict[str, bytes], name: str = "download.zip") -> Path:
        path = self.root / name
        with zipfile.ZipFile(path, "w") as archive:
            for student, content in files.items():
                full, number, file = PEOPLE[student]
                if self.system == "moodle":
                    archive.writestr(f"{full}_{number}_assignsubmission_file/{file}", content)
                else:
                    late = "_LATE" if student == "bo" else ""
                    squeezed = "".join(reversed(full.lower().split()))
                    archive.writestr(f"{squeezed}{late}_{number}_{number + 500}_{file}", content)
        return path

    def times(self) -> list[str]:
        """Bo was a day late."""
        if self.system == "moodle":
            self.table("moodle-worksheet.csv")
            return ["--times", "moodle-worksheet.csv"]
        rows = [{"user_id": 102, "submitted_at": "2027-01-16T11:00:00Z", "late": True, "seconds_late": 82800}]
        (self.root / "times.json").write_text(json.dumps(rows))
        return ["--times", "times.json"]

    def table(self, name: str) -> Path:
        out = io.StringIO()
        write = csv.writer(out)
        if self.system == "canvas":
            write.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Patches (7)"])
            write.writerow(["    Points Possible", "", "", "", "", "10"])
            for full, number, _ in PEOPLE.values():
                write.writerow([", ".join(reversed(full.split())), number, "", "", "A", ""])
        else:
            write.writerow(["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum grade",
                            "Grade can be changed", "Last modified (submission)", "Feedback comments"])  # fmt: skip
            for student, (full, number, _) in PEOPLE.items():
                status = "Submitted - 23 hours late" if student == "bo" else "Submitted"
                when = "Saturday, 16 January 2027, 11:00 AM" if student == "bo" else "Friday, 15 January 2027, 9:00 AM"
                write.writerow([f"Participant {number}", full, f"{student}@uni.example", status, "", "10.00", "Yes",
                                when, ""])  # fmt: skip
        (self.root / name).write_text(out.getvalue(), "utf-8")
        return self.root / name

    def exported(self, root: Path | None = None) -> tuple[dict[str, str], str]:
        """Cell of the grade by student, and what was said."""
        roster = self.table("fresh.csv")
        said = self.run(
            "export", LESSON, "--for", self.system, "--roster", str(roster), "--to", "grades.csv",
            *(["--column", f"{LESSON}=Patches"] if self.system == "canvas" else []), root=root,
        )  # fmt: skip
        rows = list(csv.reader(((root or self.root) / "grades.csv").read_text("utf-8-sig").splitlines()))
        numbers = {str(number): student for student, (_, number, _) in PEOPLE.items()}
        key, cell = (1, 5) if self.system == "canvas" else (0, 4)
        return {numbers[n]: row[cell] for row in rows[1:] if (n := row[key].rsplit(" ", 1)[-1]) in numbers}, said

    def returned(self, *more: str) -> tuple[list[str], str]:
        """Names in the zip that `return` wrote, and what was said."""
        target = self.root / "back.zip"
        target.unlink(missing_ok=True)
        said = self.run("return", LESSON, "--for", self.system, "--to", str(target), *more)
        if not target.exists():
            return [], said
        with zipfile.ZipFile(target) as archive:
            return archive.namelist(), said


@pytest.fixture(scope="module", params=["canvas", "moodle"])
def way(request: pytest.FixtureRequest, tmp_path_factory) -> Way:
    root = tmp_path_factory.mktemp(request.param) / "course"
    make_course(load_course(ROOT), root, course_id="vision", title="Vision", lessons=[LESSON])
    settings = (root / "course.toml").read_text()
    asked = "due = 2027-01-15T12:00:00+00:00\nlate_penalty_per_day = 0.1\n"
    (root / "course.toml").write_text(settings.replace(f'id = "{LESSON}"\n', f'id = "{LESSON}"\n{asked}'))
    (root / "roster.csv").write_text(ROSTER, "utf-8")
    way = Way(request.param, root)
    files = {"ada": solution(), "bo": solution(), "kim1": answered(LESSON, mark="1"), "kim2": solution(),
             "pat": b"%PDF-1.4"}  # fmt: skip
    way.collected = way.run("collect", str(way.download(files)), LESSON, *way.times())
    way.run("grade", LESSON, "--jobs", "2")
    return way


def solution() -> bytes:
    return (ROOT / "solutions" / LESSON / f"{LESSON}.ipynb").read_bytes()


def by_hand(root: Path, change: Callable[[Gradebook], None]) -> None:
    with Gradebook(f"sqlite:///{root / 'course_data' / 'gradebook.db'}") as gradebook:
        change(gradebook)
        gradebook.db.commit()


def test_a_class_goes_from_the_lms_and_back(way: Way) -> None:
    assert "pat (Pat Poe): handed in 'answers.pdf' (a PDF)" in way.collected
    assert "1 student handed in nothing: zoe (Zoë Zed)" in way.collected
    grades, said = way.exported()
    assert "ungraded written answers" in said
    full = float(grades["ada"])
    assert 0 < full < 10
    assert float(grades["kim1"]) < float(grades["kim2"]) == full, "two people of one name"
    assert float(grades["bo"]) == pytest.approx(0.9 * full, abs=0.02), "a day late"
    assert grades["zoe"] == ""

    def score(gradebook: Gradebook) -> None:
        written = gradebook.find_grade("W1a", LESSON, LESSON, "ada")
        written.manual_score, written.needs_manual_grade = written.max_score, False
        gradebook.find_comment("W1a", LESSON, LESSON, "ada").manual_comment = "Well said: a < b, <word>."
        gradebook.find_grade("W1a", LESSON, LESSON, "bo").manual_score = 0.5

    by_hand(way.root, score)
    after, _ = way.exported()
    assert float(after["ada"]) > full
    assert float(after["bo"]) > float(grades["bo"])
    table = (way.root / "grades.csv").read_text("utf-8-sig")
    assert ("Well said: a &lt; b, &lt;word&gt;." in table) == (way.system == "moodle")
    way.run("report")
    assert "Kim Kwon (kim1)" in (way.root / "course_data" / "report.html").read_text("utf-8")

    names, said = way.returned()
    expected = {"ada": 101, "bo": 102, "kim1": 103, "kim2": 104, "pat": 105}
    assert sorted(int(part) for name in names for part in name.split("_") if part in map(str, expected.values())) == (
        sorted(expected.values())
    )
    page = way.root / "course_data" / "feedback" / "ada" / LESSON / f"{LESSON}.html"
    assert "Well said: a &lt; b, &lt;word&gt;." in page.read_text("utf-8")
    page = page.parents[2] / "pat" / LESSON / f"{LESSON}.html"
    assert "(a PDF), no notebook" in page.read_text("utf-8"), "the student reads the sentence that the teacher sees"
    again, said = way.returned()
    assert (again, "everybody has the latest page" in said) == ([], True)


def test_a_new_file_is_told_until_it_is_graded(way: Way) -> None:
    way.returned()
    way.run("collect", str(way.download({"kim1": solution()}, "again.zip")), LESSON)
    before, said = way.exported()
    warning = f"{LESSON}: 1 hand-in was collected and is not graded yet: kim1."
    assert warning in said
    assert warning in way.returned()[1]
    way.run("report")
    assert warning in (way.root / "course_data" / "report.html").read_text("utf-8")
    way.run("grade", LESSON, "--jobs", "1")
    after, said = way.exported()
    assert warning not in said
    assert float(after["kim1"]) > float(before["kim1"])
    names, _ = way.returned()
    assert len(names) == 1, "one page has changed"
    assert "_103_" in names[0]


def test_it_is_kept_restored_and_forgotten(way: Way) -> None:
    before, _ = way.exported()
    way.run("backup", "--to", "kept.zip")
    there = way.root.parent / "restored"
    shutil.unpack_archive(way.root / "kept.zip", there)
    assert way.exported(root=there)[0] == before
    assert "0 submissions" not in way.run("report", root=there)
    way.run("forget", "ada", "--yes")
    after, _ = way.exported()
    assert (after["ada"], after["kim2"]) == ("", before["kim2"])
    assert not list((way.root / "course_data").rglob("ada"))
