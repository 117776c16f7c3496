"""What a made-up student works with: the released notebook, and answers to put into it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import nbformat
from nbformat import NotebookNode

from grading.course import Course, CourseError
from grading.intake.code_analysis import look
from grading.judging.bank import Bank, Entry, load_bank
from grading.judging.cells_to_run import role_of
from grading.lesson_source.source import LessonSource, read_source
from helpers.checks.parsing import parse

_WRITTEN = (
    (
        "Because attention compares every token with every other and has no idea of their order: whatever order there "
        "is must be put into the tokens themselves. In the experiment above it is the second curve that shows it."
    ),
    (
        "A smaller patch keeps detail but the number of tokens grows with the square, and the cost with the square of "
        "that. So I would start large and only go down when the picture needs it."
    ),
    (
        "It has to work for any size. If it only fits the numbers we trained with, the first image of another size "
        "breaks it, and that is what we saw."
    ),
)


@dataclass(frozen=True)
class File:
    """What a student hands in: the file's name and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True)
class LessonKit:
    """One lesson as its students meet it, with everything that could be answered.

    Attributes:
        released: the student notebook as JSON.
        imports: what `mistakes.py` imports, by the name that is bound.
    """

    source: LessonSource
    released: str
    bank: Bank
    imports: Mapping[str, str]

    @property
    def lesson(self) -> str:
        return self.source.id

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """Ids of the questions that are answered in code, in order."""
        return tuple(cell.question for cell in self.source.of("answer"))

    def points(self, question: str) -> float:
        return self.source.checks()[question][0].points

    def name(self, question: str) -> str:
        """What the answer must define: the name that is handed to the check."""
        expression = self.source.checks()[question][1]
        read = [node.id for node in ast.walk(expression) if isinstance(node, ast.Name)]
        defined = {getattr(node, "name", "") for node in parse(self.solution(question)).body}
        return next(name for name in read if name in defined)

    def solution(self, question: str) -> str:
        return next(cell.source for cell in self.source.of("answer") if cell.question == question)

    def right(self, question: str, number: int) -> str:
        """An unusual right answer; the solution when the bank has none."""
        entries = self.bank.rights_of(question)
        return self.entry(entries[number % len(entries)]) if entries else self.solution(question)

    def mistake(self, question: str, number: int) -> str:
        """A wrong answer that students give."""
        entries = self.bank.mistakes_of(question)
        if not entries:
            raise CourseError(f"the bank of {self.lesson} has no mistake for {question}: the demo needs one")
        return self.entry(entries[number % len(entries)])

    def entry(self, entry: Entry) -> str:
        """A bank's entry as a student would have written it: in the place of the solution, with its imports."""
        name = self.name(entry.question)
        definition = entry.source(name)
        known = set().union(*(look(cell.source).binds for cell in self.source.of("setup")))
        needed = sorted(look(definition).reads & self.imports.keys() - known)
        return self.define(entry.question, "\n".join([*(self.imports[n] for n in needed), definition]))

    def define(self, question: str, definition: str) -> str:
        """The solution's cell with `definition` in the place of what is checked."""
        text = self.solution(question)
        node = next(n for n in parse(text).body if getattr(n, "name", "") == self.name(question))
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        lines = text.splitlines()
        return "\n".join([*lines[: first - 1], definition, *lines[node.end_lineno :]])

    def notebook(self, answers: Mapping[str, str] | None = None, *, written: int | None = None) -> NotebookNode:
        """The released notebook with these answers in it; `written` chooses what stands under written questions."""
        notebook = nbformat.reads(self.released, as_version=4)
        answers = dict(answers or {})
        texts = 0
        for cell in notebook.cells:
            question = cell.metadata.get("vitlab", {}).get("question", "")
            if role_of(cell) == "answer" and question in answers:
                cell.source = answers[question]
            elif role_of(cell) == "written" and written is not None:
                cell.source = _WRITTEN[(written + texts) % len(_WRITTEN)]
                texts += 1
        return notebook

    def solved(self, changes: Mapping[str, str] | None = None, *, written: int = 0) -> NotebookNode:
        """Everything answered as in the solution, but for `changes`."""
        return self.notebook({q: self.solution(q) for q in self.questions} | dict(changes or {}), written=written)

    def hand_in(self, notebook: NotebookNode, name: str = "") -> File:
        """As Jupyter saves it."""
        return File(name or f"{self.lesson}.ipynb", (nbformat.writes(notebook) + "\n").encode())


def make_kit(course: Course, lesson: str) -> LessonKit:
    """Read a lesson.

    Raises:
        CourseError: it hasn't been built.
    """
    released = course.student_notebook(lesson)
    if not released.exists():
        raise CourseError(f"{released.relative_to(course.root)} is not there: run `vitlab build {lesson}` first")
    bank = course.bank(lesson)
    imports = _imports(bank.read_text("utf-8")) if bank.exists() else {}
    return LessonKit(read_source(course.source(lesson)), released.read_text("utf-8"), load_bank(bank), imports)


def cell_at(notebook: NotebookNode, role: str, question: str) -> int:
    """Index of the cell with this role in this question."""
    for index, cell in enumerate(notebook.cells):
        if role_of(cell) == role and cell.metadata["vitlab"].get("question") == question:
            return index
    raise KeyError(f"no {role} cell of {question}")


def as_saved(notebook: NotebookNode) -> dict:
    """The JSON of a notebook, as Jupyter would save it, to be mangled freely."""
    return json.loads(nbformat.writes(notebook))


def made_up_id(*parts: object, length: int = 8) -> str:
    """A cell id as editors draw them, the same at every run."""
    return sha256("/".join(map(str, parts)).encode()).hexdigest()[:length]


def _imports(text: str) -> dict[str, str]:
    statements: Iterable[ast.stmt] = parse(text).body
    found = {}
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == "grading":
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                single = (
                    ast.Import([alias])
                    if isinstance(statement, ast.Import)
                    else (ast.ImportFrom(statement.module, [alias], statement.level))
                )
                found[(alias.asname or alias.name).split(".")[0]] = ast.unparse(single)
    return found
