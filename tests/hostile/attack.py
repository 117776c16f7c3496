"""What one hostile submission is, and how it becomes a file of the lesson on positional encoding.

Unless it says otherwise an attack sits in Q1b, the cosine similarity; Q1 and Q1c are answered honestly and keep their
credit.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from grading.demo.lesson_kit import LessonKit, cell_at
from grading.judging.cells_to_run import role_of
from tests.hostile import attacks

LESSON = "02_positional_encoding"
TARGET = "Q1b"
WARM, COLD = "warm", "cold"
HONEST = {"Q1": 1.0, "Q1b": 1.0, "Q1c": 1.0}
NOTHING = "def cosine_similarity(P):\n    return None"
ZEROS = "def cosine_similarity(P):\n    return torch.zeros(len(P), len(P))"

PRELUDE = '''
def attempt(name, action):
    """Prints whether it was done or refused."""
    try:
        print(f"[{name}] done: {action()!r}"[:300], flush=True)
    except BaseException as error:
        print(f"[{name}] refused: {type(error).__name__}: {error}"[:300], flush=True)
'''

FORGED = '''
import base64
import json

import numpy as np

from helpers.checks import expectations
from helpers.checks.wire_format import MIME, Answer, Arrays, encode


def public_record(question="Q1b"):
    """The expected arrays of the public cases, as the answer to both parts."""
    rows = expectations.every_question()[question].arrays
    cases = {f"{part}/{i}": Arrays(row) for part in ("public", "secret") for i, row in enumerate(rows)}
    return encode(Answer(question, cases))


def bundle(blob, **more):
    return {"text/plain": "3.0", MIME: base64.b64encode(blob).decode(), **more}


class Record:
    def __init__(self, blob):
        self.blob = blob

    def __repr__(self):
        return "3.0"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return bundle(self.blob)


def raw_safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data
'''


@dataclass(frozen=True)
class Attack:
    """One submission.

    Attributes:
        attempts, must: what it tries, and what has to come of it; a line each.
        answer: the text of Q1b's cell.
        before, after: an extra cell in front of Q1b's answer, and one behind its check.
        forge: give its cells `public_record`, `bundle`, `Record` and `raw_safetensors`.
        edit: a change to the notebook's JSON, last of all.
        write: in place of all that: writes the submission's folder itself.
        scores: share of a question's points that is due; None where the attack destroys an answer of its own.
        status: what the outcome's status must be; several where the machine's speed decides.
        reason: what the outcome's reason, or a question's hint, must hold.
        refused, done: names given to `attempt` that must have been refused, or done.
        prints: further texts that its cells must have printed: the proof that the attack ran.
        suspicious: what a reason to look twice must say; "" where none is due.
        starts: warm, cold, or both.
    """

    attempts: str
    must: str
    answer: str | None = NOTHING
    before: str = ""
    after: str = ""
    forge: bool = False
    edit: Callable[[dict[str, Any], LessonKit], object] | None = None
    write: Callable[[Path, LessonKit, Mapping[str, str]], None] | None = None
    scores: Mapping[str, float | None] = field(default_factory=lambda: {"Q1": 1.0, "Q1b": 0.0, "Q1c": 1.0})
    status: tuple[str, ...] = ("graded",)
    reason: str = ""
    refused: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    prints: tuple[str, ...] = ()
    suspicious: str = ""
    starts: tuple[str, ...] = (WARM,)

    def hand_in(self, folder: Path, kit: LessonKit, names: Mapping[str, str]) -> None:
        """Write the submission into `folder`; `names` replaces `@NAME@` in its cells."""
        folder.mkdir(parents=True)
        if self.write is not None:
            self.write(folder, kit, names)
            return
        saved = self.notebook(kit)
        if self.edit is not None:
            self.edit(saved, kit)
        text = json.dumps(saved)
        for name, value in names.items():
            text = text.replace(f"@{name}@", value)
        (folder / f"{LESSON}.ipynb").write_text(text, "utf-8")

    def notebook(self, kit: LessonKit) -> dict[str, Any]:
        """The solved notebook with the attack in it, as JSON."""
        answer = {} if self.answer is None else {TARGET: self._with_tools(self.answer)}
        notebook = kit.solved(answer)
        if self.after:
            at = cell_at(notebook, "check", TARGET)
            notebook.cells.insert(at + 1, _extra("after", self._with_tools(self.after)))
        if self.before:
            at = cell_at(notebook, "answer", TARGET)
            notebook.cells.insert(at, _extra("before", self._with_tools(self.before)))
        return json.loads(nbformat.writes(notebook))

    def _with_tools(self, source: str) -> str:
        tools = PRELUDE if "attempt(" in source else ""
        tools += FORGED if self.forge else ""
        return f"{tools}\n{source.strip()}" if tools else source.strip()


def _extra(name: str, source: str) -> nbformat.NotebookNode:
    return nbformat.from_dict(
        {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    )


def cells_of(saved: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """A saved notebook's cells of a role."""
    return [cell for cell in saved["cells"] if role_of(nbformat.from_dict(cell)) == role]


def bank() -> dict[str, Attack]:
    """All attacks by name."""
    found = {}
    for module in sorted(pkgutil.iter_modules(attacks.__path__), key=lambda m: m.name):
        found[module.name] = importlib.import_module(f"{attacks.__name__}.{module.name}").ATTACK
    return found
