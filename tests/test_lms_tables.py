"""Rosters, worksheets, times and extensions as systems and people write them, in several languages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from grading.course import Course, CourseError
from grading.extensions import Extension, Extensions, read_extensions
from grading.lms.columns import WORDS
from grading.lms.hand_in_times import read_times
from grading.lms.inputs import excused_there, times_of
from grading.lms.moments import day_first, read_lateness, read_moment
from grading.lms.roster import course_roster, read_roster

BERLIN = ZoneInfo("Europe/Berlin")
TEN = datetime(2027, 1, 15, 9, 0, tzinfo=UTC)
HEADS = {
    "en": (
        "Identifier",
        "Full name",
        "Email address",
        "Status",
        "Grade",
        "Maximum grade",
        "Grade can be changed",
        "Last modified (submission)",
        "Last modified (grade)",
        "Feedback comments",
    ),
    "de": (
        "ID",
        "Vollständiger Name",
        "E-Mail-Adresse",
        "Status",
        "Bewertung",
        "Bestwertung",
        "Bewertung kann geändert werden",
        "Zuletzt geändert (Abgabe)",
        "Zuletzt geändert (Bewertung)",
        "Feedback als Kommentar",
    ),
    "fr": (
        "Identifiant",
        "Nom complet",
        "Adresse de courriel",
        "Statut",
        "Note",
        "Note maximale",
        "La note peut être modifiée",
        "Dernière modification (travail remis)",
        "Dernière modification (note)",
        "Feedback par commentaires",
    ),
    "es": (
        "Identificador",
        "Nombre completo",
        "Dirección de correo",
        "Estado",
        "Calificación",
        "Calificación máxima",
        "La calificación puede ser cambiada",
        "Última modificación (entrega)",
        "Última modificación (calificación)",
        "Comentarios de retroalimentación",
    ),
    "pt": (
        "Identificador",
        "Nome completo",
        "Endereço de email",
        "Status",
        "Nota",
        "Nota máxima",
        "Nota pode ser alterada",
        "Última modificação (envio)",
        "Última modificação (nota)",
        "Comentários de feedback",
    ),
    "it": (
        "Identificatore",
        "Nome completo",
        "Indirizzo email",
        "Stato",
        "Valutazione",
        "Punteggio massimo",
        "La valutazione può essere modificata",
        "Ultima modifica (consegna)",
        "Ultima modifica (valutazione)",
        "Commenti",
    ),
    "nl": (
        "Identificatie",
        "Volledige naam",
        "E-mailadres",
        "Status",
        "Cijfer",
        "Maximale cijfer",
        "Cijfer kan gewijzigd worden",
        "Laatst gewijzigd (inzending)",
        "Laatst gewijzigd (cijfer)",
        "Feedback opmerkingen",
    ),
    "none known": (
        "Kennung",
        "Wer",
        "Post",
        "Stand",
        "Punkte",
        "Höchstens",
        "Darf",
        "Abgegeben am",
        "Bewertet am",
        "Worte",
    ),
}
ROWS = {
    "en": ("Participant 9001", "Submitted for grading - 1 day 3 hours late", "Friday, 15 January 2027, 10:00 AM"),
    "de": (
        "Teilnehmer/in9001",
        "Zur Bewertung abgegeben - 1 Tag 3 Stunden zu spät -  - ",
        "Freitag, 15. Januar 2027, 10:00",
    ),
    "fr": (
        "Participant 9001",
        "Remis pour évaluation - En retard de 1 jour 3 heures",
        "vendredi 15 janvier 2027, 10:00",
    ),
    "es": (
        "Participante 9001",
        "Enviado para calificar - 1 día 3 horas después",
        "viernes, 15 de enero de 2027, 10:00",
    ),
    "pt": (
        "Participante 9001",
        "Enviado para avaliação - 1 dia 3 horas atrasado",
        "sexta-feira, 15 de janeiro de 2027 às 10:00",
    ),
    "it": ("Partecipante 9001", "Consegnato - In ritardo di 1 giorno 3 ore", "venerdì, 15 gennaio 2027, 10:00"),
    "nl": ("Deelnemer 9001", "Ingestuurd - 1 dag 3 uur te laat", "vrijdag, 15 januari 2027, 10:00"),
    "none known": ("Person 9001", "?", "2027-01-15 10:00"),
}
WORKSHEETS = {language: (",".join(HEADS[language]), *row) for language, row in ROWS.items()}


def put(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("language", WORKSHEETS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_worksheets_in_many_languages(language: str, encoding: str, delimiter: str, tmp_path: Path) -> None:
    heads, who, status, when = WORKSHEETS[language]
    row = [who, "Jörg Ñandú", "j@uni.example", status, "", "100,00", "Ja", when, "-", ""]
    quoted = delimiter.join(f'"{cell}"' for cell in row)
    path = put(tmp_path / "w.csv", f"{heads.replace(',', delimiter)}\n{quoted}\n", encoding)
    roster = read_roster(path)
    assert roster.kind == "moodle"
    (person,) = roster
    assert (person.name, person.email, person.numbers) == ("Jörg Ñandú", "j@uni.example", {"moodle": "9001"})
    assert {"grade": 4, "maximum": 5, "submitted": 7}.items() <= dict(roster.where).items()
    assert "comment" in roster.where or language == "none known"
    times = read_times(path, BERLIN)
    assert times.of["#9001"].when == TEN
    late = times.of["#9001"].late_by
    assert late == (timedelta(days=1, hours=3) if language != "none known" else None)


def test_words_are_bare() -> None:
    """Heads are compared without accents and case, so the words must be too."""
    from grading.lms.columns import bare

    for words in WORDS.values():
        assert [word for word in words if word != bare(word)] == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Friday, January 15, 2027, 10:00 AM", TEN), ("15.01.2027 10:00", TEN), ("15/01/2027, 10:00", TEN),
        ("1/15/2027 10:00 AM", TEN), ("2027-01-15T09:00:00Z", TEN), ("2027-01-15 09:00:00 UTC", TEN),
        ("2027-01-15 10:00:00 +0100", TEN), ("vendredi 15 janvier 2027 à 10h00", TEN), ("mar 5 enero 2027, 12:30 AM",
         datetime(2027, 1, 4, 23, 30, tzinfo=UTC)), ("02/03/2027 10:00", None), ("-", None), ("2027-01-15", None),
        ("Friday, 31 February 2027, 10:00", None), ("tomorrow", None),
    ],
)  # fmt: skip
def test_moments(text: str, read: datetime | None) -> None:
    assert read_moment(text, BERLIN) == read


def test_a_column_of_dates_tells_which_comes_first() -> None:
    assert day_first(["02/03/2027 10:00", "14/03/2027 10:00"]) is True
    assert day_first(["02/03/2027 10:00", "03/14/2027 10:00"]) is False
    assert day_first(["02/03/2027 10:00"]) is None
    assert read_moment("02/03/2027 10:00", UTC, days_first=True) == datetime(2027, 3, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize("status", ["Submitted for grading", "No submission - 3 days early", "Graded - 2 days overdue"])
def test_what_says_nothing_of_being_late(status: str) -> None:
    assert read_lateness(status) is None


def test_without_a_time_late_by_is_counted_from_the_due_date(tmp_path: Path) -> None:
    heads, who, status, _ = WORKSHEETS["en"]
    path = put(tmp_path / "w.csv", f'{heads}\n"{who}",A B,a@b,"{status}",,100,Yes,-,-,\n')
    due = datetime(2027, 1, 15, 22, 59, tzinfo=UTC)
    assert read_times(path, UTC, due).of["#9001"].when == due + timedelta(days=1, hours=3)


def test_a_time_that_does_not_agree_with_late_by_is_said(tmp_path: Path) -> None:
    heads, who, status, when = WORKSHEETS["en"]
    path = put(tmp_path / "w.csv", f'{heads}\n"{who}",A B,a@b,"{status}",,100,Yes,"{when}",-,\n')
    (note,) = read_times(path, UTC, datetime(2027, 1, 10, tzinfo=UTC)).notes
    assert "do not agree with `due`" in note


def test_canvas_tells_times_as_json_and_as_csv(tmp_path: Path) -> None:
    path = put(tmp_path / "s.json", '[{"user_id": 7, "submitted_at": "2027-01-15T09:00:00Z", "late": true}]')
    assert read_times(path, UTC).of["#7"].when == TEN
    path = put(tmp_path / "s.csv", "SIS Login ID;Submitted At\njdoe;2027-01-15T09:00:00Z\n")
    assert read_times(path, UTC).of["jdoe"].when == TEN
    with pytest.raises(CourseError, match=r"has the columns a, b; expected one for the student"):
        read_times(put(tmp_path / "x.csv", "a,b\n1,2\n"), UTC)


CANVAS_ROWS = {
    "semicolons": [
        "Student;ID;SIS User ID;SIS Login ID;Section", ";;;;Manual Posting", "    Points Possible;;;;",
        '"Doe, Jane";7;U1;jdoe;"A, B and C"', '"Student, Test";9;;x;A',
    ],
    "names apart": [
        "LastName,FirstName,ID,SIS User ID,SIS Login ID,Section", "Points Possible,,,,,", "Doe,Jane,7,U1,jdoe,A",
        "Student,Test,9,,x,A",
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", CANVAS_ROWS)
def test_canvas_exports(kind: str, tmp_path: Path) -> None:
    roster = read_roster(put(tmp_path / "c.csv", "\n".join(CANVAS_ROWS[kind]), "utf-8-sig"))
    assert roster.kind == "canvas"
    people = [(p.id, p.name, p.first, p.last, dict(p.numbers)) for p in roster]
    assert people == [("jdoe", "Jane Doe", "Jane", "Doe", {"canvas": "7"})]


def test_a_list_whose_ids_end_in_digits_is_no_worksheet(tmp_path: Path) -> None:
    roster = read_roster(put(tmp_path / "r.csv", "id,name,status,section\nstud101,A,ok,1\nstud102,B,ok,1\n"))
    assert (roster.kind, [p.id for p in roster]) == ("plain", ["stud101", "stud102"])


def test_the_courses_roster_counts_once_it_is_filled_in(tmp_path: Path) -> None:
    assert course_roster(tmp_path) is None
    put(tmp_path / "roster.csv", "id,first_name,last_name,email\njdoe,Jane,Doe,jane@example.org\n")
    assert course_roster(tmp_path) is None, "the example that init writes"
    put(tmp_path / "roster.csv", "id,first_name,last_name,email\nada,Ada,Ashdown,a@b.example\n")
    roster = course_roster(tmp_path)
    assert roster is not None
    assert [(p.id, p.first, p.last, p.email) for p in roster] == [("ada", "Ada", "Ashdown", "a@b.example")]


@pytest.fixture
def due_course(course: Course) -> Course:
    due = datetime(2027, 1, 15, 23, tzinfo=UTC)
    lessons = tuple(one.model_copy(update={"due": due, "late_penalty_per_day": 0.1}) for one in course.lessons[:3])
    return course.model_copy(update={"lessons": lessons})


def test_extensions(due_course: Course, tmp_path: Path) -> None:
    text = "student;lesson;due;extra days;excused\nÄda;01;2027-01-20T23:00:00Z;;\nbob;02;;2,5;\neve;;;;yes\n"
    granted = read_extensions(put(tmp_path / "e.csv", text), due_course)
    assert granted.due(due_course, "äDA", "01_patches") == datetime(2027, 1, 20, 23, tzinfo=UTC)
    assert granted.due(due_course, "ada", "01_patches") == due_course.lessons[1].due
    assert granted.extra_seconds(due_course.lesson("02")).get("bob") == 2.5 * 86_400
    assert granted.excused("eve", "00_why_transformers")
    assert not granted.excused("bob", "02_positional_encoding")
    assert read_extensions(put(tmp_path / "e.csv", "student,lesson,due,excused\n"), due_course) == Extensions()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("student,lesson\na,01\n", "expected the columns student and lesson, and one of due"),
        ("student,lesson,due\na,01,tomorrow\n", "row 2: due is 'tomorrow'; expected a time with its zone"),
        ("student,lesson,due\na,01,2027-01-20T23:00:00\n", "expected a time with its zone"),
        ("student,lesson,extra_days\na,01,two\n", "expected a number of days"),
        ("student,lesson,excused\na,77,yes\n", "no lesson '77'"),
        ("student,lesson,excused\na,01,perhaps\n", "excused is 'perhaps'"),
        ("student,lesson,excused\na,01,yes\nA,01,yes\n", "row 3 is the second row for A"),
        ("student,lesson,excused\na,01,\n", "grants nothing"),
    ],
)
def test_a_wrong_extension_is_named(text: str, says: str, due_course: Course, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=says):
        read_extensions(put(tmp_path / "e.csv", text), due_course)


def test_whom_canvas_excuses_is_said_until_the_course_excuses_them(due_course: Course, tmp_path: Path) -> None:
    submissions = [{"user_id": 1, "excused": True, "submitted_at": None}, {"user_id": 2, "submitted_at": None}]
    (tmp_path / "s.json").write_text(json.dumps(submissions))
    (tmp_path / "r.csv").write_text("id,canvas_id\nada,1\nbo,2\n")
    people = read_roster(tmp_path / "r.csv")
    lesson = due_course.lessons[0]
    times = times_of(lesson, people, tmp_path / "s.json", None)
    (said,) = excused_there(times, people, Extensions(), lesson.id)
    assert "excuses ada, " in said
    assert f"ada,{lesson.id},,,yes" in said
    granted = Extensions({("ada", lesson.id): Extension(excused=True)})
    assert excused_there(times, people, granted, lesson.id) == []
