"""``results.jsonl``: what the judge found, on disk line by line, so that a run killed at any moment can be taken up.

Three kinds of line, all appended, never changed:

- an outcome, written as soon as a submission is judged;
- ``{"saved": …}``, once its scores are in the gradebook and its page is written;
- ``{"again": …}``, when somebody asked for these submissions to be graded again.

Scores and comments by hand, late penalties and excuses are not in here but in the gradebook, which is what counts
(`current`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from grading.course import CourseError
from grading.engine.outcome import RESULTS, SubmissionOutcome
from grading.submission_id import SubmissionId


class Journal:
    """The results of an output folder.

    Attributes:
        latest: the last outcome of each submission.
        marks: for submissions whose last outcome was saved: what it was saved under (`keys.mark_of`).
        pages: for these: fingerprint of the grades that their page shows (`StoredGrades.fingerprint`).
        due: submissions to grade again though nothing changed.
        earlier: the last outcome of each file that a student handed in before the latest one, oldest first.
    """

    def __init__(self, folder: Path) -> None:
        self._path = Path(folder) / RESULTS
        self.latest: dict[SubmissionId, SubmissionOutcome] = {}
        self.marks: dict[SubmissionId, str] = {}
        self.pages: dict[SubmissionId, str] = {}
        self.due: set[SubmissionId] = set()
        self.earlier: dict[SubmissionId, list[SubmissionOutcome]] = {}
        if self._path.exists():
            with self._path.open("rb") as file:
                for line in file:
                    self._take(line)

    def _take(self, line: bytes) -> None:
        """One line; a torn one, which only a crash leaves, says nothing."""
        try:
            value = json.loads(line)
            if "saved" in value:
                self._saved(value["saved"])
            elif "again" in value:
                self.due |= {SubmissionId(*pair) for pair in value["again"]}
            else:
                self._outcome(SubmissionOutcome.from_dict(value))
        except (ValueError, TypeError, KeyError):
            pass

    def _outcome(self, outcome: SubmissionOutcome) -> None:
        submission_id = SubmissionId(outcome.student, outcome.lesson)
        before = self.latest.get(submission_id)
        if before is not None and _another_attempt(before, outcome):
            self.earlier.setdefault(submission_id, []).append(before)
        self.latest[submission_id] = outcome
        self.marks.pop(submission_id, None)
        self.pages.pop(submission_id, None)
        self.due.discard(submission_id)

    def _saved(self, entries: Iterable[Mapping[str, Any]]) -> None:
        for entry in entries:
            submission_id = SubmissionId(str(entry["student"]), str(entry["lesson"]))
            outcome = self.latest[submission_id]
            self.latest[submission_id] = replace(outcome, seconds={**outcome.seconds, **entry["seconds"]})
            self.marks[submission_id] = str(entry["mark"])
            self.pages[submission_id] = str(entry.get("page", ""))

    def add(self, outcome: SubmissionOutcome) -> None:
        """On disk when this returns."""
        self._outcome(outcome)
        self._append(outcome.to_json())

    def add_saved(
        self,
        saved: Mapping[SubmissionId, tuple[str, Mapping[str, float]]],
        pages: Mapping[SubmissionId, str] | None = None,
    ) -> None:
        """The mark, and seconds by stage, of outcomes that are in the gradebook and have their page.

        pages: fingerprints of the grades that the pages show.
        """
        if not saved:
            return
        entries = [
            {
                "student": i.student,
                "lesson": i.lesson,
                "mark": mark,
                "page": (pages or {}).get(i, ""),
                "seconds": dict(seconds),
            }
            for i, (mark, seconds) in ((SubmissionId(*key), value) for key, value in saved.items())
        ]
        self._saved(entries)
        self._append(json.dumps({"saved": entries}, ensure_ascii=False))

    def grade_again(self, ids: Iterable[SubmissionId]) -> None:
        """These count as not graded from now on, in runs to come too, until they are."""
        again = sorted(set(ids) & set(self.latest))
        if again:
            self.due |= set(again)
            self._append(json.dumps({"again": again}, ensure_ascii=False))

    def _append(self, line: str) -> None:
        new = not self._path.exists()
        with self._path.open("ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash cut the last line off: it must not take this one with it
                    file.write(b"\n")
            file.write(line.encode("utf-8", "replace") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            _sync_folder(self._path.parent)


def _another_attempt(before: SubmissionOutcome, now: SubmissionOutcome) -> bool:
    """Grading the same file again is none, and a fault of ours says nothing about a student."""
    known = before.content and now.content and before.content != now.content
    return bool(known) and before.status != "failed"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there entirely or, after a kill, as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_text(text, "utf-8", errors="replace")
    scratch.replace(path)


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keeps a second run out of an output folder; a killed one is no longer in it.

    Raises:
        CourseError: there is one.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CourseError(f"another run is grading into {folder}: wait for it, or give another --out") from None
    except OSError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_results(folder: Path) -> list[SubmissionOutcome]:
    """What the judge found, of all submissions of an output folder; of one graded more than once, the last result.

    A line cut off by a crash is passed over: its submission counts as not graded.
    """
    latest = Journal(folder).latest
    return [latest[key] for key in sorted(latest)]


def read_attempts(folder: Path) -> dict[tuple[str, str], list[SubmissionOutcome]]:
    """By student and lesson: one outcome for each different file that was graded, the latest one last."""
    journal = Journal(folder)
    return {place: [*journal.earlier.get(place, ()), outcome] for place, outcome in sorted(journal.latest.items())}
