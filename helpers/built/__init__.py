"""What was built in earlier lessons, from one place.

    PatchEmbedding, TransformerEncoderBlock = built("PatchEmbedding", "TransformerEncoderBlock")

gives each part as the first of these that there is:

1. the student's own, kept when its check passed (helpers/portfolio);
2. in an instructor's checkout, the solution's;
3. a stand-in (helpers/built/stand_ins.py): another design for the same job. It is no answer to the part's own
   question, so that nothing in this package answers what is still to be filled in.

While a class is graded there are stand-ins only, the same for everyone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from helpers.built import loading, stand_ins
from helpers.plots.style import in_notebook
from helpers.portfolio.folder import folder
from helpers.portfolio.parts import PARTS, Part

__all__ = ["built"]


def built(*names: str) -> Any:
    """The parts with these names: one alone, or several as a tuple. One line says where they come from.

    Raises:
        KeyError: there is no such part; the message lists those there are.
    """
    unknown = [name for name in names if name not in PARTS]
    if unknown or not names:
        raise KeyError(f"no part {', '.join(map(repr, unknown)) or 'was named'}; there are {', '.join(PARTS)}")
    found = [_find(PARTS[name]) for name in names]
    if in_notebook() and not loading.under_way():
        _say(names, [source for _, source in found])
    parts = tuple(part for part, _ in found)
    return parts[0] if len(parts) == 1 else parts


def _find(part: Part) -> tuple[Callable[..., Any], str]:
    if os.environ.get("VITLAB_BUILT") == "stand-ins" or "VITLAB_EXAM_SEED" in os.environ:
        return getattr(stand_ins, part.name), "stand-in"
    work_folder = folder()
    answer = work_folder / "answers" / f"{part.question}.py" if work_folder is not None else None
    trouble = ""
    if answer is not None and answer.is_file():
        try:
            return loading.own(answer, part.name), "yours"
        except Exception as error:
            trouble = f" ({answer.name} of your answers can't be used: {type(error).__name__}: {error})"
    solution = loading.solution(part)
    if solution is not None and not trouble:
        return solution, "solution"
    return getattr(stand_ins, part.name), f"stand-in{trouble}"


def _say(names: tuple[str, ...], sources: list[str]) -> None:
    words = {"yours": "your own", "solution": "the solution's"}
    told = []
    for name, source in zip(names, sources, strict=True):
        part = PARTS[name]
        if source in words:
            told.append(f"{name}: {words[source]} ({part.question})")
        else:
            trouble = source.removeprefix("stand-in")
            told.append(f"{name}: a stand-in until {part.question} of lesson {part.lesson[:2]} has passed{trouble}")
    print("; ".join(told) + ".")
