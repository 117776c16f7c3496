"""`OUT/collected/LESSON.json`: what the last `vitlab collect` found, for the report and for a teacher's own tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grading.intake.record import RECORD, Record, read_record
from grading.lms.collect import Collected
from grading.tables import write_file

FOLDER = "collected"


@dataclass(frozen=True)
class Doubt:
    """One thing that a person should look at; `student` is "" where no student was found."""

    lesson: str
    student: str
    text: str


def write_found(found: Collected, lesson: str, out: Path) -> Path:
    """Keep what was found out about a download beside the submissions."""
    value = {
        "lesson": lesson,
        "kind": found.kind,
        "collected_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "needs_person": [{"student": s, "text": text} for s, texts in sorted(found.doubts.items()) for text in texts],
        "not_placed": [{"file": name, "text": why} for name, why in found.unmatched],
        "left_out": [{"file": name, "text": why} for name, why in found.refused],
        "chosen": found.chosen,
        "nothing_to_grade": found.without,
        "handed_in_nothing": found.missing,
        "late_without_time": found.late,
    }
    path = out / FOLDER / f"{lesson}.json"
    write_file(path, json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "replace"))
    return path


def read_doubts(out: Path, lessons: Sequence[str]) -> list[Doubt]:
    """What a person should look at, by lesson and student; nothing where nothing was collected."""
    doubts: list[Doubt] = []
    for lesson in lessons:
        try:
            value = json.loads((out / FOLDER / f"{lesson}.json").read_text("utf-8"))
            doubts += [Doubt(lesson, str(one["student"]), str(one["text"])) for one in value["needs_person"]]
            for key in ("not_placed", "left_out"):
                doubts += [Doubt(lesson, "", f"{one['file']}: {one['text']}") for one in value[key]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return doubts


def read_records(submitted: Path, lessons: Sequence[str]) -> dict[str, dict[str, Record]]:
    """What was noted of each hand-in, by lesson and student."""
    found: dict[str, dict[str, Record]] = {lesson: {} for lesson in lessons}
    if not submitted.is_dir():
        return found
    for student in sorted(submitted.iterdir()):
        for lesson in lessons:
            if (student / lesson / RECORD).is_file():
                found[lesson][student.name] = read_record(student / lesson)
    return found
