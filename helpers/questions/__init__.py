"""The questions: how each is asked and judged. No module here contains an answer.

A course may bring modules of its own in its folder `questions/` (see `helpers.course_folder`). They are imported as
`course_questions.<module>`, and a question of theirs takes the place of one here that has the same id.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from helpers.course_folder import questions_folder

if TYPE_CHECKING:
    from helpers.checks.question import Question

COURSE_PACKAGE = "course_questions"


def every_question() -> dict[str, Question]:
    """All questions by id, in the order of their modules, the course's own last.

    Raises:
        ValueError: two modules define one id.
    """
    return _questions(questions_folder())


@lru_cache(maxsize=1)
def _questions(own: Path | None) -> dict[str, Question]:
    return _builtin() if own is None else _builtin() | _defined(COURSE_PACKAGE, _course_modules(own), own)


@lru_cache(maxsize=1)
def _builtin() -> dict[str, Question]:
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return _defined(__name__, modules, Path(__path__[0]))


def _course_modules(folder: Path) -> Iterable[ModuleType]:
    """The course's own modules; those of a course that this process worked with before are forgotten."""
    for name in [n for n in sys.modules if n.partition(".")[0] == COURSE_PACKAGE]:
        del sys.modules[name]
    package = ModuleType(COURSE_PACKAGE, "A course's own questions.")
    package.__path__ = [str(folder)]
    sys.modules[COURSE_PACKAGE] = package
    importlib.invalidate_caches()
    for found in pkgutil.iter_modules(package.__path__):
        if not found.name.startswith("_"):
            yield importlib.import_module(f"{COURSE_PACKAGE}.{found.name}")


def _defined(package: str, modules: Iterable[ModuleType], folder: Path) -> dict[str, Question]:
    found: dict[str, Question] = {}
    for module in modules:
        name = module.__name__.removeprefix(f"{package}.")
        for question in getattr(module, "QUESTIONS", ()):
            if question.id in found:
                raise ValueError(f"question {question.id!r} is defined twice, second in {folder / name}.py")
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
