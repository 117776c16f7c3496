"""A class shared among tutors: each gets a folder that formgrader opens without the network, results are merged.

A share holds the lesson's released notebook, the autograded notebooks of its students, and a small gradebook of its
own. Merging adds what the tutor gave to the course's gradebook, line by line with author and time; where somebody
else has scored the same answer meanwhile, both are named and nothing is overwritten.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
from sqlalchemy import func, select
from traitlets.config import Config

from grading.course import Course, CourseError
from grading.engine.current import open_gradebook
from grading.nbgrader_plugin.carry_over import put_in_place, record_unseen
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import Entry, GradebookWriter
from grading.nbgrader_plugin.hand_scores import HAND_SCORES, CellHistory, HandScore, add_hand_score, histories
from grading.nbgrader_plugin.rubrics import without_rubrics

ABOUT = "share.json"
_README = """\
# {lesson}: the share of {tutor}

{count} hand-ins to read. In this folder, with ViT Lab installed, run

    VITLAB_GRADER={tutor} jupyter lab

and open the menu Nbgrader, Formgrader, then Manual Grading. No network is needed.
When you are done, zip this folder and send it back.
"""


@dataclass(frozen=True)
class Conflict:
    """Two persons scored one answer."""

    student: str
    cell: str
    here: HandScore
    theirs: HandScore


@dataclass(frozen=True)
class Merged:
    """What came of merging one share.

    Attributes:
        added: scores and comments that were taken over.
        outdated: those among them that were given for an answer which has been replaced since.
    """

    tutor: str
    added: int
    outdated: int
    conflicts: tuple[Conflict, ...]


def split(
    course: Course, lesson: str, tutors: Sequence[str], *, out: Path, to: Path, db: str | None = None
) -> list[Path]:
    """Make one zip for each tutor, with about as many hand-ins to read for each.

    Args:
        out: the folder given to `vitlab grade`.
        to: the folder that the zips go into.

    Raises:
        CourseError: nothing of the lesson is graded, a tutor is named twice, or there are more tutors than hand-ins.
    """
    names = [name.strip() for name in tutors if name.strip()]
    if len(set(names)) < len(names) or not names or any(set(name) & set("/\\:") for name in names):
        raise CourseError(f"expected tutors' names, each once and without slashes; got {', '.join(tutors) or 'none'}")
    with open_gradebook(course, out, db) as (gradebook, _):
        if lesson in gradebook.lessons():
            gradebook.settle(lesson)
        held = gradebook.stored(lesson, gradebook.students(lesson))
        if len(held) < len(names):
            raise CourseError(f"{len(held)} hand-ins of {lesson} are graded, fewer than the {len(names)} tutors")
        # those with something to read first, so that the work is shared and not only the students
        order = sorted(held, key=lambda s: (not (held[s].waiting or held[s].read_again), s))
        return [
            _share(course, lesson, tutor, sorted(order[number :: len(names)]), Path(out).resolve(), Path(to), gradebook)
            for number, tutor in enumerate(names)
        ]


def _share(
    course: Course, lesson: str, tutor: str, students: Sequence[str], out: Path, to: Path, gradebook: GradebookWriter
) -> Path:
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / f"{lesson}-{tutor}"
        data = folder / "course_data"
        data.mkdir(parents=True)
        for name in ("course.toml", "nbgrader_config.py"):
            if (course.root / name).is_file():
                shutil.copy(course.root / name, folder / name)
        released = course.student_notebook(lesson)
        (folder / released.relative_to(course.root)).parent.mkdir(parents=True)
        shutil.copy(released, folder / released.relative_to(course.root))
        entries = []
        for student in students:
            autograded = Path("autograded", student, lesson, f"{lesson}.ipynb")
            (data / autograded).parent.mkdir(parents=True)
            shutil.copy(out / autograded, data / autograded)
            notebook = without_rubrics(nbformat.read(out / autograded, as_version=4))
            unread = notebook.metadata.get("vitlab", {}).get("status") == "unreadable"
            entries.append(Entry(student, lesson, None if unread else notebook))
        config = configure(Config(), folder, data, course=course)
        with GradebookWriter(config.CourseDirectory.db_url, config) as own:
            own.register_lesson(course.lesson(lesson), released)
            known = histories(gradebook.session(), lesson, students)
            gradebook.session().remove()
            for (student, cell), history in known.items():
                for given in history.given:
                    add_hand_score(own.session(), lesson, student, cell, given)
            own.session().commit()
            for failed in (e for e in own.save(entries).values() if isinstance(e, Exception)):
                raise failed
            given_before = own.session().scalar(select(func.max(HAND_SCORES.c.id))) or 0
        about = {"lesson": lesson, "tutor": tutor, "students": list(students), "given_before": given_before}
        (folder / ABOUT).write_text(json.dumps(about, indent=1), "utf-8")
        (folder / "README.md").write_text(_README.format(lesson=lesson, tutor=tutor, count=len(students)), "utf-8")
        made = shutil.make_archive(str(to / folder.name), "zip", scratch, folder.name)
    return Path(made)


def merge(course: Course, share: Path, *, out: Path, db: str | None = None) -> Merged:
    """Take over what a tutor gave in a share, a zip or its folder; merging it twice changes nothing.

    Raises:
        CourseError: it is no share, or of a lesson that this course's gradebook doesn't hold.
    """
    with _unpacked(share) as folder, open_gradebook(course, out, db) as (gradebook, _):
        about = _about(folder, share)
        lesson, tutor, students = about["lesson"], about["tutor"], about["students"]
        if lesson not in gradebook.lessons():
            raise CourseError(f"{share} is a share of {lesson}, of which nothing is in the gradebook of {out}")
        before, theirs = _given_in(course, folder, about)
        gradebook.settle(lesson)
        added, outdated, conflicts = 0, 0, []
        with gradebook.transaction() as session:
            ours = histories(session, lesson, students)
            for place, given in sorted(theirs.items()):
                history = ours.get(place, CellHistory())
                fresh = [one for one in given if one not in history.given]
                if not fresh:
                    continue
                last, here = fresh[-1], history.for_answer(fresh[-1].answer)
                if here is not None and here.given != last.given and here not in (*before.get(place, ()), *given):
                    conflicts.append(Conflict(*place, here, last))
                    continue
                for one in fresh:
                    add_hand_score(session, lesson, *place, one)
                added += 1
                outdated += last.answer != history.answer
            session.flush()
            put_in_place(session, lesson, students)
        gradebook.settle(lesson)
    return Merged(tutor, added, outdated, tuple(conflicts))


Given = dict[tuple[str, str], list[HandScore]]  # student, cell


def _given_in(course: Course, folder: Path, about: dict[str, Any]) -> tuple[Given, Given]:
    """What was given before the class was split, and by the tutor since."""
    lesson, students = about["lesson"], about["students"]
    config = configure(Config(), folder, folder / "course_data", course=course)
    with GradebookWriter(config.CourseDirectory.db_url, config) as own:
        with own.transaction() as session:
            record_unseen(session, lesson, students)
        where = HAND_SCORES.c.lesson == lesson, HAND_SCORES.c.student.in_(students)
        rows = own.session().execute(select(HAND_SCORES).where(*where).order_by(HAND_SCORES.c.id)).mappings().all()
        own.session().remove()
    before: Given = {}
    since: Given = {}
    for row in rows:
        one = HandScore(*(row[name] for name in ("answer", "score", "extra", "comment", "author", "at")))
        new = row["id"] > about["given_before"]
        if new and not one.author:
            one = replace(one, author=about["tutor"])
        (since if new else before).setdefault((row["student"], row["cell"]), []).append(one)
    return before, since


def _about(folder: Path, share: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        return {name: about[name] for name in ("lesson", "tutor", "students", "given_before")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"{share} is no share of a class ({error}): expected what `vitlab share split` made"
        ) from None


@contextmanager
def _unpacked(share: Path) -> Iterator[Path]:
    """The share's folder: whoever zipped it again may have put it into another one."""
    if not share.exists():
        raise CourseError(f"{share} is not there")
    with tempfile.TemporaryDirectory() as scratch:
        if share.is_dir():
            shutil.copytree(share, Path(scratch) / "share")  # a tutor's own files stay as they are
        elif zipfile.is_zipfile(share):
            shutil.unpack_archive(str(share), scratch, "zip")
        else:
            raise CourseError(f"{share} is neither a folder nor a zip")
        yield next((path.parent for path in sorted(Path(scratch).rglob(ABOUT))), Path(scratch))
