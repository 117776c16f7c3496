"""Judges an executed notebook: reads the arrays its checks recorded, writes cards and scores. Runs no student code."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock

from nbformat import NotebookNode, from_dict

from grading.course import Course
from grading.judging.cells_to_run import role_of
from grading.judging.pictures import Pictures
from grading.judging.reference import Reference, load_reference
from grading.judging.seeds import seed_of
from helpers.checks.card import card
from helpers.checks.check import notes_of
from helpers.checks.expectations import read as read_expectations
from helpers.checks.later_cells import in_words, missing_in_text
from helpers.checks.parsing import parse
from helpers.checks.question import Case, Expected, public_rng
from helpers.checks.replay import REPLAYED
from helpers.checks.result import picture_alt
from helpers.checks.verdict import Verdict, arrays_only, judge_answer, no_answer, not_started
from helpers.checks.wire_format import MIME, Answer, Arrays, BadAnswer, decode
from helpers.questions import find

_MACHINERY = re.compile(
    r"vnd\.vitlab|VITLAB_\w+|helpers\.checks|helpers\.questions(?!\.leaderboard import validation)"
    r"|from helpers import questions|judge_answer|ExamAnswer|_repr_mimebundle_|__torch_function__"
)
ONE_AT_A_TIME = Lock()  # matplotlib and torch's random state are global


def fresh_seed() -> int:
    """A new secret seed."""
    return secrets.randbits(128)


def judge_of(course: Course, lesson: str, seed: int, device: str = "cpu") -> Judge:
    """The judge of a course's lesson under `seed`, for submissions that ran on `device`."""
    course.activate()
    reference = load_reference(course.source(lesson), course.bank(lesson))
    return Judge(reference, course.expectations(lesson), seed, course.limits.answer_mb, device)


def device_of(sandbox: str, *, gpu: bool) -> str:
    """The type of the device on which answers run: bubblewrap shows no GPU unless it is told to; "none" hides none."""
    if sandbox == "none":
        from helpers.device import device

        return device().type
    return "cuda" if gpu else "cpu"


class Judge:
    """Judges submissions of one lesson under one seed.

    Args:
        reference: the lesson's solution; trusted. It is run on the secret cases once, here.
        expectations: the built file with the public expectations.
        seed: what secret cases are drawn from (`sealing`).
        answer_mb: how much of one answer is read, in MiB.
        device: the type of the device that submissions run on, from which tolerances follow.

    Raises:
        FileNotFoundError: the expectations haven't been built.
    """

    def __init__(
        self, reference: Reference, expectations: Path, seed: int, answer_mb: float = 8, device: str = "cpu"
    ) -> None:
        self.reference, self.seed, self.answer_mb, self.device = reference, seed, answer_mb, device
        self._pictures = Pictures()
        self._public: dict[str, tuple[list[Case], Expected]] = {}
        self._secret: dict[str, tuple[list[Case], Expected]] = {}
        with ONE_AT_A_TIME:
            for qid, expected in read_expectations(expectations).items():
                question = find(qid)
                self._public[qid] = (list(question.cases(public_rng(qid))), expected)
                self._secret[qid] = reference.secret(qid, seed_of(question, seed))

    def judge_notebook(
        self, notebook: NotebookNode, stopped: Mapping[int, str] | None = None
    ) -> tuple[list[Verdict], list[str]]:
        """Replace each check cell's outputs, in place, by its card and score.

        Args:
            notebook: as it came out of the sandbox.
            stopped: why a cell didn't finish, by its index.

        Returns:
            one verdict per question, and reasons to look twice.
        """
        stopped = stopped or {}
        verdicts, suspicious = [], []
        answers = {
            cell.metadata["vitlab"].get("question"): i
            for i, cell in enumerate(notebook.cells)
            if role_of(cell) == "answer"
        }
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            if role_of(cell) != "check":
                if any(MIME in output.get("data", {}) for output in cell.outputs):
                    suspicious.append(f"cell {index + 1} emitted an answer record, which only checks do")
                    cell.outputs = [o for o in cell.outputs if MIME not in o.get("data", {})]
                continue
            question = str(cell.metadata["vitlab"]["question"])
            bundles = [o["data"][MIME] for o in cell.outputs if MIME in o.get("data", {})]
            if len(bundles) > 1:
                suspicious.append(f"the check of {question} emitted {len(bundles)} answer records; one is expected")
            reason = stopped.get(index) or (stopped.get(answers[question]) if question in answers else None)
            answer_cell = notebook.cells[answers[question]] if question in answers else None
            never_reached = cell.execution_count is None  # a cell above it ended the kernel, or the time was up
            if not bundles and reason is None and not never_reached and not _stopped_by_an_error(cell, answer_cell):
                suspicious.append(f"the check of {question} recorded nothing though nothing stopped it")
            if never_reached and reason is None and stopped:
                reason = f"This check was not run, because of a cell above it: {stopped[min(stopped)]}"
            verdict, picture = self._verdict(question, bundles, reason, cell, answer_cell)
            verdicts.append(verdict)
            if verdict.hint == REPLAYED:
                suspicious.append(f"the check of {question} recorded the arrays of public cases for hidden ones")
            html = card(verdict, picture, picture_alt(verdict))
            cell.outputs = [
                from_dict({  # not `new_output`, which takes milliseconds to look whether this is one
                    "output_type": "execute_result", "execution_count": cell.execution_count, "metadata": {},
                    "data": {"text/plain": repr(float(verdict.score)), "text/html": html},
                })
            ]  # fmt: skip
        return verdicts, suspicious + _machinery(notebook)

    def title(self, question: str) -> str:
        """A question's title."""
        return find(question).title

    def _verdict(
        self,
        qid: str,
        bundles: list[object],
        reason: str | None,
        cell: NotebookNode,
        answer_cell: NotebookNode | None,
    ) -> tuple[Verdict, bytes | None]:
        question, points = find(qid), self.reference.points[qid]
        if not bundles and reason is None and answer_cell is not None and _holds_nothing(answer_cell.source):
            return not_started(question, points, f"the cell of {qid} holds no code: {question.signature}"), None
        if not bundles:
            return no_answer(question, points, reason or _why_nothing(cell, answer_cell)), None
        try:
            answer = _decode(bundles[-1], qid, int(self.answer_mb * 2**20))
        except BadAnswer as error:
            return no_answer(question, points, f"the recorded answer could not be read: {error}"), None
        public, secret = self._public[qid], self._secret[qid]
        verdict = judge_answer(question, answer, public=public, secret=secret, device=self.device)
        shown = arrays_only(answer.of("public", len(public[0])))
        absent = missing_in_text(answer_cell.source, public[1].needed) if answer_cell is not None else []
        if verdict.status != "not started":
            notes = (*notes_of(question, shown), *([in_words(absent)] if absent else []))
            verdict = replace(verdict, notes=notes)
        if verdict.passed:  # as good as the target's own arrays, so the picture is the same for all
            shown = [Arrays(row) for row in public[1].arrays]
        with ONE_AT_A_TIME:
            picture = self._pictures.draw(question, verdict, public[0], public[1].arrays, shown)
        return verdict, picture


def _holds_nothing(source: str) -> bool:
    """Whether a cell holds nothing but comments and blank lines, as a blank page does before anything is written."""
    try:
        return not parse(source).body
    except (SyntaxError, ValueError):  # magics, code that is not finished, null bytes
        return False


def _stopped_by_an_error(*cells: NotebookNode | None) -> bool:
    return any(
        output.output_type == "error" for cell in cells if cell is not None for output in cell.get("outputs", [])
    )


def _machinery(notebook: NotebookNode) -> list[str]:
    """Student code that names parts of the grading machinery: no verdict, a reason to open the notebook."""
    return [
        f"cell {index + 1} names {match.group(0)!r}, which no answer needs"
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and role_of(cell) in ("answer", "extra", "demo")
        if (match := _MACHINERY.search(cell.source))
    ]


def _decode(record: object, question: str, max_bytes: int) -> Answer:
    text = "".join(record) if isinstance(record, list) else record
    if not isinstance(text, str):
        raise BadAnswer(f"expected base64 text, found {type(text).__name__}")
    if len(text) > max_bytes * 4 // 3 + 8:
        raise BadAnswer(f"answer of {len(text) * 3 // 4} bytes; at most {max_bytes} are read")
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAnswer(f"not base64: {error}") from None
    return decode(blob, question=question, max_bytes=max_bytes)


def _why_nothing(cell: NotebookNode, answer_cell: NotebookNode | None) -> str:
    for where, source in (("The answer's cell", answer_cell), ("The check", cell)):
        for output in source.outputs if source is not None and source.cell_type == "code" else []:
            if output.output_type == "error":
                name, text = str(output.get("ename", ""))[:80], str(output.get("evalue", ""))[:300]
                return f"{where} stopped with {name}: {text}"
    return "The check recorded no answer"
