"""The public expectations of a lesson: one safetensors file, built by `vitlab build`."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from helpers.checks.fingerprint import Fingerprint
from helpers.checks.question import Expected
from helpers.checks.wire_format import read_metadata
from helpers.course_folder import expected_folder


def to_bytes(lesson: str, questions: dict[str, Expected]) -> bytes:
    """Safetensors bytes; the same questions always give the same bytes."""
    tensors: dict[str, np.ndarray] = {}
    meta: dict[str, Any] = {"lesson": lesson, "questions": {}}
    for qid, expected in questions.items():
        for i, arrays in enumerate(expected.arrays):
            tensors |= {f"{qid}/{i}/{name}": np.asarray(a, order="C") for name, a in arrays.items()}
        meta["questions"][qid] = {
            "points": expected.points,
            "cases": len(expected.arrays),
            "needed": list(expected.needed),
            "mistakes": [
                {"hint": m.hint, "marks": list(m.marks), "fails": list(m.fails), "wrong": list(m.wrong)}
                for m in expected.mistakes
            ],
        }
    return save_tensors(tensors, metadata={"expected": json.dumps(meta, sort_keys=True)})


def read(path: Path) -> dict[str, Expected]:
    """Read one lesson's expectations."""
    blob = path.read_bytes()
    meta = json.loads(read_metadata(blob)["expected"])
    arrays = load_tensors(blob)
    questions = {}
    for qid, entry in meta["questions"].items():
        cases: list[dict[str, np.ndarray]] = [{} for _ in range(entry["cases"])]
        for name, array in arrays.items():
            question, _, rest = name.partition("/")
            if question == qid:
                number, _, key = rest.partition("/")
                cases[int(number)][key] = array
        mistakes = tuple(
            Fingerprint(m["hint"], tuple(m["marks"]), tuple(m.get("fails", ())), tuple(m.get("wrong", ())))
            for m in entry["mistakes"]
        )
        questions[qid] = Expected(entry["points"], tuple(cases), mistakes, tuple(entry.get("needed", ())))
    return questions


def every_question() -> dict[str, Expected]:
    """Expectations of all lessons whose file is there."""
    return _all_in(expected_folder())


@lru_cache(maxsize=1)
def _all_in(folder: Path) -> dict[str, Expected]:
    found: dict[str, Expected] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= read(path)
    return found
