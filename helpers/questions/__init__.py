"""One module per lesson: how its questions are asked and judged. No module here contains an answer."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.checks.question import Question


@lru_cache(maxsize=1)
def every_question() -> dict[str, Question]:
    """All questions by id, in the order of their modules."""
    found: dict[str, Question] = {}
    for module in pkgutil.iter_modules(__path__):
        for question in importlib.import_module(f"{__name__}.{module.name}").QUESTIONS:
            if question.id in found:
                raise ValueError(
                    f"question {question.id!r} is defined twice, second in helpers/questions/{module.name}.py"
                )
            found[question.id] = question
    return found


def find(question_id: str) -> Question:
    """The question with this id.

    Raises:
        KeyError: no such question; the message lists those there are.
    """
    questions = every_question()
    if question_id not in questions:
        raise KeyError(f"no question {question_id!r}; there are {', '.join(sorted(questions))}")
    return questions[question_id]
