"""For every question: the solution and every unusual right answer score full, every mistake less, with its own hint."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from grading.course import load_course
from grading.judging.bank import Entry
from grading.judging.reference import load_reference
from grading.lesson_builder.expectations import public_expectations
from helpers.checks import card, expectations
from helpers.checks.blanks import still_blank
from helpers.checks.check import draw
from helpers.checks.points import points_of
from helpers.checks.probing import probe_all
from helpers.checks.question import Expected, public_rng
from helpers.checks.verdict import Verdict, arrays_only, judge_answer
from helpers.checks.wire_format import Answer, Arrays, Failure, decode, encode
from helpers.questions import find
from tests.conftest import ROOT

COURSE = load_course(ROOT)
LESSONS = [lesson.id for lesson in COURSE.lessons if COURSE.source(lesson.id).exists()]
SEEDS = (1, 20_261_121)
DRAWN = 5  # wrong answers of each question whose card is drawn
_references: dict[str, tuple] = {}


def lesson_reference(lesson: str):
    """A lesson's reference, its public expectations and secret cases for two seeds; computed once per process."""
    if lesson not in _references:
        reference = load_reference(COURSE.source(lesson), COURSE.bank(lesson))
        secret = {q: [reference.secret(q, seed) for seed in SEEDS] for q in reference.answers}
        _references[lesson] = (reference, as_shipped(lesson, public_expectations(reference)), secret)
    return _references[lesson]


def as_shipped(lesson: str, expected: dict[str, Expected]) -> dict[str, Expected]:
    """The same expectations, written to a file and read back, as students have them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "expected.safetensors"
        path.write_bytes(expectations.to_bytes(lesson, expected))
        return expectations.read(path)


def judged(lesson: str, qid: str, answer, *, seed_number: int = 0) -> Verdict:
    """As in grading: public and secret cases, through the wire format."""
    _, expected, secrets = lesson_reference(lesson)
    question = find(qid)
    public = list(question.cases(public_rng(qid)))
    secret = secrets[qid][seed_number]
    cases = {f"public/{i}": r for i, r in enumerate(probe_all(question, answer, public))}
    cases |= {f"secret/{i}": r for i, r in enumerate(probe_all(question, answer, secret[0]))}
    blob = encode(Answer(qid, cases))
    verdict = judge_answer(question, decode(blob, question=qid), public=(public, expected[qid]), secret=secret)
    assert not verdict.faults, verdict.faults
    return verdict


def in_one_process(lesson: str) -> pytest.MarkDecorator:
    """A lesson's reference takes seconds to compute: its tests share one."""
    return pytest.mark.xdist_group(f"bank-{lesson}")


def questions():
    return [
        pytest.param(lesson, qid, id=f"{lesson}-{qid}", marks=in_one_process(lesson))
        for lesson in LESSONS
        for qid in load_reference(COURSE.source(lesson), COURSE.bank(lesson)).answers
    ]


def entries(kind: str):
    found = []
    for lesson in LESSONS:
        bank = load_reference(COURSE.source(lesson), COURSE.bank(lesson)).bank
        found += [
            pytest.param(lesson, e, id=f"{lesson}-{e.question}-{e.name}", marks=in_one_process(lesson))
            for e in getattr(bank, kind)
        ]
    return found


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_the_solution_scores_full(lesson: str, qid: str) -> None:
    for number in range(len(SEEDS)):
        verdict = judged(lesson, qid, lesson_reference(lesson)[0].answers[qid], seed_number=number)
        assert verdict.passed, card.as_text(verdict)


@pytest.mark.parametrize(("lesson", "entry"), entries("rights"))
def test_an_unusual_right_answer_scores_full(lesson: str, entry: Entry) -> None:
    for number in range(len(SEEDS)):
        verdict = judged(lesson, entry.question, entry.answer, seed_number=number)
        assert verdict.passed, card.as_text(verdict)


@pytest.mark.parametrize(("lesson", "entry"), entries("mistakes"))
def test_a_mistake_scores_less_and_gets_its_own_hint(lesson: str, entry: Entry) -> None:
    verdict = judged(lesson, entry.question, entry.answer)
    assert verdict.score < verdict.points, card.as_text(verdict)
    assert not verdict.passed
    assert verdict.known_mistake
    assert verdict.hint == entry.hint, f"{entry.name} gets another mistake's hint: {verdict.hint}"


@pytest.mark.parametrize(("lesson", "entry"), [row for row in entries("mistakes") if row.values[1].claims])
def test_what_a_hint_states_is_true_of_its_mistake_and_false_of_the_solution(lesson: str, entry: Entry) -> None:
    assert entry.claims is not None
    assert entry.claims(entry.answer), f"false of {entry.name}: {entry.hint}"
    assert not entry.claims(lesson_reference(lesson)[0].answers[entry.question]), "true of the solution as well"


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_points_come_in_quarters(lesson: str, qid: str) -> None:
    points = lesson_reference(lesson)[1][qid].points
    worth = points_of(find(qid).criteria, points)
    assert sum(worth.values()) == points
    assert all(worth[c.id] >= 0.25 for c in find(qid).criteria if c.share), worth


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_a_blank_scores_zero_and_says_not_started(lesson: str, qid: str) -> None:
    def blank(*_: object, **__: object) -> None:
        still_blank(3, "x = ___")

    verdict = judged(lesson, qid, blank)
    assert (verdict.score, verdict.status) == (0, "not started")
    assert "line 3" in verdict.hint


@pytest.mark.parametrize(("lesson", "qid"), questions())
@pytest.mark.parametrize("content", ["zeros", "ones", "noise"])
def test_a_constant_or_noise_earns_nothing(lesson: str, qid: str, content: str) -> None:
    """Arrays of the right shape and names with nothing in them: what a forger without the answer could send."""
    import numpy as np

    _, expected, secrets = lesson_reference(lesson)
    question, rng = find(qid), np.random.default_rng(0)
    public = list(question.cases(public_rng(qid)))
    secret = secrets[qid][0]
    make = {"zeros": np.zeros, "ones": np.ones, "noise": rng.standard_normal}[content]
    cases = {}
    for part, arrays in (("public", expected[qid].arrays), ("secret", secret[1].arrays)):
        for i, row in enumerate(arrays):
            cases[f"{part}/{i}"] = Arrays({k: np.asarray(make(a.shape), np.float32) for k, a in row.items()})
    verdict = judge_answer(question, Answer(qid, cases), public=(public, expected[qid]), secret=secret)
    assert verdict.score == 0, card.as_text(verdict)
    assert not verdict.faults, verdict.faults


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_replaying_public_arrays_earns_nothing(lesson: str, qid: str) -> None:
    """Who hands in the public expected arrays, which everybody has, in place of the secret answers gets no point."""
    reference, expected, _ = lesson_reference(lesson)
    question = find(qid)
    public = list(question.cases(public_rng(qid)))
    arrays = [Arrays(row) for row in expected[qid].arrays]
    for seed in range(100, 120):
        secret = reference.secret(qid, seed)
        cases = {f"{part}/{i}": a for part in ("public", "secret") for i, a in enumerate(arrays)}
        verdict = judge_answer(question, Answer(qid, cases), public=(public, expected[qid]), secret=secret)
        assert verdict.score == 0, f"seed {seed}\n{card.as_text(verdict)}"


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_malformed_arrays_are_no_fault_of_the_judge(lesson: str, qid: str) -> None:
    """Missing names, other shapes, nan: a verdict, never an exception."""
    import numpy as np

    _, expected, secrets = lesson_reference(lesson)
    question = find(qid)
    public = list(question.cases(public_rng(qid)))
    names = list(expected[qid].arrays[0])
    for odd in (np.zeros(()), np.zeros((0, 3)), np.full((2, 3, 4, 5, 6), np.nan), np.zeros(7, bool)):
        for content in ({}, {names[0]: odd}, dict.fromkeys(names, odd)):
            cases = {f"{p}/{i}": Arrays(content) for p in ("public", "secret") for i in range(50)}
            verdict = judge_answer(question, Answer(qid, cases), public=(public, expected[qid]), secret=secrets[qid][0])
            assert verdict.score == 0
            assert not verdict.faults, verdict.faults


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_the_bank_is_large_enough(lesson: str, qid: str) -> None:
    bank = lesson_reference(lesson)[0].bank
    assert len(bank.rights_of(qid)) >= 3, "at least three unusual right answers"
    mistakes = bank.mistakes_of(qid)
    assert len(mistakes) >= 6, "at least six mistakes"
    assert len({m.hint for m in mistakes}) == len(mistakes), "each mistake has its own hint"


def core_questions():
    """Questions Q1 to Q8 that count: neither stretch questions nor blank pages, but for the first of these."""
    for row in questions():
        lesson, qid = row.values
        kind = load_reference(COURSE.source(lesson), COURSE.bank(lesson)).lesson.kind_of(qid)
        if re.fullmatch(r"Q[1-8][a-z]?", qid) and (not kind or qid == "Q5d"):
            yield row


@pytest.mark.parametrize(("lesson", "qid"), list(core_questions()))
def test_core_questions_know_the_twenty_commonest_mistakes(lesson: str, qid: str) -> None:
    bank = load_reference(COURSE.source(lesson), COURSE.bank(lesson)).bank
    assert len({m.hint for m in bank.mistakes_of(qid)}) >= 20, "twenty mistakes, each with its own hint"
    assert len(bank.rights_of(qid)) >= 5, "at least five unusual right answers"


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_cards_are_light_and_drawn_for_blank_wrong_and_right(lesson: str, qid: str) -> None:
    reference, expected, _ = lesson_reference(lesson)
    question = find(qid)
    public = list(question.cases(public_rng(qid)))
    mistakes = [m.answer for m in reference.bank.mistakes_of(qid)]
    some = mistakes[:: max(1, len(mistakes) // DRAWN)]  # a picture takes a quarter of a second
    for answer in (reference.answers[qid], None, *some):
        if answer is None:
            recorded = [Failure("StillBlank", "line 1 is still blank: ___")] * len(public)
        else:
            recorded = probe_all(question, answer, public)
        verdict = judge_answer(
            question,
            Answer(qid, {f"public/{i}": r for i, r in enumerate(recorded)}),
            public=(public, expected[qid]),
        )
        picture = draw(question, verdict, public, expected[qid].arrays, arrays_only(recorded))
        html = card.card(verdict, picture, "alt")
        assert len(html) < 30_000, f"{len(html)} bytes"
        if answer is None:
            wants_picture = question.picture(public[0], expected[qid].arrays[0], None) is not None
            assert (picture is not None) == wants_picture, "an untouched question still draws its target"


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_public_cases_are_the_same_for_everybody_and_secret_ones_are_not(lesson: str, qid: str) -> None:
    import numpy as np

    def drawn(cases):
        return [np.asarray(v).tolist() for c in cases for v in c.values()]

    question = find(qid)
    assert drawn(question.cases(public_rng(qid))) == drawn(question.cases(public_rng(qid)))
    (one, _), (two, _) = lesson_reference(lesson)[2][qid]
    assert drawn(one) != drawn(two), "secret cases must depend on the seed"
    assert drawn(one) != drawn(question.cases(public_rng(qid)))


@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_public_expectations_stay_small(lesson: str, qid: str) -> None:
    arrays = lesson_reference(lesson)[1][qid].arrays
    assert sum(a.nbytes for row in arrays for a in row.values()) < 400_000
