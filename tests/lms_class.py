"""A made-up class of any size, as Canvas and Moodle would let a teacher download it, with every oddity in turn.

Each oddity says what must come of it: which file is graded, whether a person is asked to look, or that it is refused.
"""

from __future__ import annotations

import copy
import csv
import io
import itertools
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grading.course import load_course
from tests.conftest import ROOT

LESSON, OTHER = "02_positional_encoding", "01_patches"
COLUMN = f"{load_course(ROOT).lesson(LESSON).title} (777)"  # Canvas calls the assignment as the course does
FIRST = (
    "Ada", "Björn", "Chloé", "Daan", "Émile", "Fatma", "Giulia", "Hoàng", "Ítalo", "Jürgen", "Kenji", "Łukasz", "Mei",
    "Ngozi", "Ólafur", "Pınar", "Quentin", "Renée", "Søren", "Tomáš", "Ümit", "Vůj", "Wojciech", "Xóchitl", "Yiğit",
)  # fmt: skip
LAST = ("Ashdown", "Brøgger", "Çelik", "Dvořák", "Eriksson", "Fabbri", "García-López", "Händel", "Ibáñez", "Jansen")
HandIn = dict[str, bytes]  # file name to content


def notebook(lesson: str) -> dict:
    """The released notebook of a lesson."""
    return json.loads((ROOT / "notebooks" / lesson / f"{lesson}.ipynb").read_text("utf-8"))


def answered(lesson: str = LESSON, share: float = 1.0, mark: str = "") -> bytes:
    """A lesson with a share of its answers filled in; `mark` makes it one student's own."""
    book = copy.deepcopy(notebook(lesson))
    asked = [c for c in book["cells"] if c["metadata"].get("vitlab", {}).get("role") in ("answer", "written")]
    for cell in asked[: round(share * len(asked))]:
        source = "".join(cell["source"])
        cell["source"] = source.replace("___", "0") if "___" in source else f"An answer. {mark}"
        cell["source"] += f"\n# {mark}" if cell["cell_type"] == "code" else ""
    book["metadata"]["mark"] = mark
    return json.dumps(book).encode()


def zipped(files: HandIn) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@dataclass
class Student:
    """One student: what was handed in, and what must come of it.

    Attributes:
        graded: the mark of the notebook that must be graded; "" when none can be.
        asks: words of which one stands in what a person is told; empty when nobody should be asked.
    """

    id: str
    first: str
    last: str
    number: int
    oddity: str
    files: HandIn = field(default_factory=dict)
    graded: str = ""
    asks: tuple[str, ...] = ()
    late: bool = False

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


def _plain(s: Student) -> None:
    s.files, s.graded = {f"{LESSON}.ipynb": answered(mark=s.id)}, s.id


def _late(s: Student) -> None:
    _plain(s)
    s.late = True


def _untouched_beside(s: Student) -> None:
    s.files = {"zz_final.ipynb": answered(share=0), "a.ipynb": answered(mark=s.id), "extra.ipynb": b"{}"}
    s.graded = s.id


def _wrong_lesson_beside(s: Student) -> None:
    s.files = {f"{LESSON}.ipynb": answered(OTHER, mark="other"), "Untitled3.ipynb": answered(mark=s.id)}
    s.graded = s.id


def _half_beside(s: Student) -> None:
    s.files = {f"{LESSON} (2).ipynb": answered(share=0.4, mark="half"), f"{LESSON}.ipynb": answered(mark=s.id)}
    s.graded, s.asks = s.id, ("several files with answers",)


def _in_zip(s: Student) -> None:
    inner = zipped({"deep/more/work.ipynb": answered(mark=s.id), "deep/old.ipynb": answered(share=0)})
    s.files, s.graded = {"my work.zip": zipped({"inside.zip": inner, "data.csv": b"1"})}, s.id


def _wrong_lesson(s: Student) -> None:
    s.files, s.graded, s.asks = {f"{LESSON}.ipynb": answered(OTHER, mark=s.id)}, s.id, (f"lesson {OTHER}",)


def _pdf(s: Student) -> None:
    s.files, s.asks = {"Lösung.pdf": b"%PDF-1.4"}, ("a PDF",)


def _word(s: Student) -> None:
    s.files, s.asks = {"answers.docx": b"PK\x03\x04docx", "page.html": b"<html>"}, ("a Word document",)


def _empty(s: Student) -> None:
    s.files, s.asks, s.graded = {f"{LESSON}.ipynb": b""}, ("is empty",), "-"


def _torn(s: Student) -> None:
    s.files, s.asks, s.graded = {f"{LESSON}.ipynb": answered(mark=s.id)[:3000]}, ("cannot be read",), "-"


def _untouched(s: Student) -> None:
    s.files, s.asks, s.graded = {f"{LESSON}.ipynb": answered(share=0, mark=s.id)}, ("no answer is filled in",), s.id


def _broken_zip(s: Student) -> None:
    s.files, s.asks = {"work.zip": b"PK\x03\x04 and then nothing"}, ("no archive that can be read",)


def _impostor(s: Student) -> None:
    """Names that claim to be somebody else, wherever a student can put them."""
    s.files = {
        "x_9001_assignsubmission_file_.ipynb": answered(share=0.2, mark="trap"),
        "bob_1_999_x.ipynb": answered(share=0.2, mark="trap"),
        f"{LESSON}.ipynb": answered(mark=s.id),
        "timestamp.txt": b"2020-01-01 00:00:00 UTC",
    }
    s.graded, s.asks = s.id, ("several files with answers",)


def _odd_names(s: Student) -> None:
    s.files = {"\x1b[31mred\u202e.ipynb": answered(mark=s.id), f"{'n' * 150}.txt": b"long"}
    s.graded = s.id


def _nothing(s: Student) -> None:
    s.files = {}


ODDITIES: tuple[Callable[[Student], None], ...] = (
    _plain, _late, _untouched_beside, _wrong_lesson_beside, _half_beside, _in_zip, _wrong_lesson, _pdf, _word, _empty,
    _torn, _untouched, _broken_zip, _impostor, _odd_names, _nothing, _plain, _plain,
)  # fmt: skip


def make_class(size: int, seed: int = 7) -> list[Student]:
    """Students with unlike names but for two, who share one; every oddity comes up about equally often."""
    draw = random.Random(seed)
    names = [(first, last) for first, last in itertools.product(FIRST, LAST)]
    draw.shuffle(names)
    names = [names[at] if at < len(names) else (f"{names[at % 250][0]} {at}", "Kwon") for at in range(size)]
    if size > 3:
        names[2] = names[1]  # two people of one name
    students = []
    for at, (first, last) in enumerate(names):
        oddity = ODDITIES[at % len(ODDITIES)]
        student = Student(f"s{at:03d}", first, last, 1000 + at, oddity.__name__.strip("_"))
        oddity(student)
        students.append(student)
    return students


def squeezed(student: Student) -> str:
    """The name as Canvas writes it into a file's name: sortable name, lower-case, word characters alone."""
    return "".join(c for c in f"{student.last}{student.first}".lower() if c.isalnum() or c == "_")


def canvas_files(students: list[Student]) -> Iterator[tuple[str, bytes]]:
    attachment = itertools.count(50_000)
    for student in students:
        for name, content in student.files.items():
            late = "_LATE" if student.late else ""
            shown = "".join("_" if c in '\x00/\\:*?"<>|' else c for c in name)
            yield f"{squeezed(student)}{late}_{student.number}_{next(attachment)}_{shown}", content


def moodle_files(students: list[Student], *, flat: bool = False, blind: bool = False) -> Iterator[tuple[str, bytes]]:
    for student in students:
        who = "Participant" if blind else student.name.replace("_", " ")
        for name, content in student.files.items():
            between = "_" if flat else "_/"
            yield f"{who}_{student.number + 8000}_assignsubmission_file{between}{name}", content


def download(files: Iterator[tuple[str, bytes]], to: Path) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return to


def canvas_gradebook(students: list[Student], column: str = COLUMN, points: str = "50") -> str:
    """Canvas's gradebook export, with the second row, its test student and other assignments."""
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Essay (776)", column, "Final Score"])
    write.writerow(["    Points Possible", "", "", "", "", "10", points, "(read only)"])
    for s in students:
        row = [f"{s.last}, {s.first}", s.number, f"U{s.number}", s.id, "A", "8", "", "80"]
        write.writerow(row)
    write.writerow(["Student, Test", "9", "", "deadbeef", "A", "", "", ""])
    return out.getvalue()


def moodle_worksheet(students: list[Student]) -> str:
    """A German worksheet: semicolons' cousin, commas in numbers, an identifier without a blank."""
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow([
        "ID", "Vollständiger Name", "E-Mail-Adresse", "Status", "Bewertung", "Bestwertung",
        "Bewertung kann geändert werden", "Zuletzt geändert (Abgabe)", "Zuletzt geändert (Bewertung)",
        "Feedback als Kommentar",
    ])  # fmt: skip
    for s in students:
        status = "Zur Bewertung abgegeben" if s.files else "Keine Abgabe"
        status += " - 1 Tag 2 Stunden zu spät - " if s.late else ""
        when = "Sonntag, 17. Januar 2027, 01:59" if s.late else "Freitag, 15. Januar 2027, 10:00"
        write.writerow([
            f"Teilnehmer/in{s.number + 8000}", s.name, f"{s.id}@uni.example", status, "", "100,00", "Ja",
            when if s.files else "-", "-", "",
        ])  # fmt: skip
    return out.getvalue()
