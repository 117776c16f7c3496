"""Questions whose hidden inputs are handed in from outside: the seed that draws them would draw their key too.

An ordinary question's secret cases are drawn beside the student's code: the seed gives the inputs, and the key needs
the solution. Here the same draw gives both (an image and what is on it), so it happens where grades are made. The
kernel gets a file of inputs; the key, and the seed, stay outside.
"""

from __future__ import annotations

import base64
import json
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from helpers.checks.question import Case, Question
from helpers.checks.wire_format import read_metadata

FOLDER = "VITLAB_SEALED"


class SealedQuestion(Question):
    """A question that draws inputs and key together. Inputs of its cases are arrays."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Iterable[tuple[Case, Mapping[str, np.ndarray]]]:
        """Each case with the arrays that the judge compares with; the same code draws public and hidden cases."""

    def cases(self, rng: np.random.Generator) -> list[Case]:
        return [case for case, _ in self.draw(rng)]


def sealed(question: SealedQuestion, rng: np.random.Generator) -> str:
    """The inputs of all cases, without their key, as the text of a file."""
    cases = question.cases(rng)
    tensors = {
        f"{i}/{name}": np.asarray(value, order="C") for i, case in enumerate(cases) for name, value in case.items()
    }
    about = [{"name": case.name, "criteria": case.criteria} for case in cases]
    return base64.b64encode(save(tensors, metadata={"cases": json.dumps(about)})).decode()


def opened(text: str) -> list[Case]:
    """The cases in such a text."""
    blob = base64.b64decode(text)
    arrays = load(blob)
    return [
        Case(
            about["name"],
            criteria=tuple(about["criteria"]),
            **{name.partition("/")[2]: a for name, a in arrays.items() if name.partition("/")[0] == str(number)},
        )
        for number, about in enumerate(json.loads(read_metadata(blob)["cases"]))
    ]


def handed_in(question: Question) -> list[Case]:
    """The hidden cases that this kernel was given; none where it was given no file."""
    folder = os.environ.get(FOLDER)
    path = Path(folder or "", f"{question.id}.txt")
    return opened(path.read_text("ascii")) if folder and path.is_file() else []
