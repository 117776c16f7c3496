"""Reference answers ship encrypted: right answers open them, wrong ones and what everybody has do not."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import torch
from cryptography.fernet import Fernet

from grading.course import load_course
from grading.judging.reference import load_reference
from grading.lesson_builder.expectations import public_expectations
from grading.lesson_builder.sealed_answers import (
    _as_json,
    answers_text,
    opened_by_mistakes,
    seal,
    sealed_drift,
    write_sealed,
)
from helpers.checks import show_answer as showing
from helpers.checks.answer_key import Lock, Sealed, digits, every_sealed, key_from, numbers_of, opened, read_sealed
from helpers.checks.show_answer import remember_solved, show_answer
from helpers.questions import find
from tests.conftest import ROOT

COURSE = load_course(ROOT)
LESSONS = [lesson.id for lesson in COURSE.lessons]
NOT_SEALED = {"Q27", "Q8b"}  # an accuracy: their answers are no sets of arrays


def reference_of(lesson: str):
    return load_reference(COURSE.source(lesson), COURSE.bank(lesson))


def sealed_of(lesson: str):
    return read_sealed(COURSE.sealed_answers(lesson))


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_solution_and_every_known_style_open_the_answers(lesson: str) -> None:
    reference, sealed = reference_of(lesson), sealed_of(lesson)
    assert set(reference.answers) - set(sealed) <= NOT_SEALED
    for qid, one in sealed.items():
        text = answers_text(reference, qid)
        assert opened(find(qid), reference.answers[qid], one) == text, "run: vitlab build"
        for entry in reference.bank.rights_of(qid):
            assert opened(find(qid), entry.answer, one) == text, entry.name


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_mistake_opens_them(lesson: str) -> None:
    reference = reference_of(lesson)
    for qid, one in sealed_of(lesson).items():
        assert not opened_by_mistakes(reference, qid, one), f"{qid}: run `vitlab build {lesson}`"


def test_answers_are_sealed_anew_when_a_mistake_opens_them(tmp_path) -> None:
    """A mistake that joins the bank may agree in all numbers that were picked before."""
    reference, path = reference_of("02_positional_encoding"), tmp_path / "02.json"
    write_sealed(reference, path)
    before = read_sealed(path)["Q1b"]
    entry = next(e for e in reference.bank.mistakes_of("Q1b") if numbers_of(find("Q1b"), e.answer) is not None)
    right = numbers_of(find("Q1b"), reference.answers["Q1b"])
    wrong = numbers_of(find("Q1b"), entry.answer)
    agreeing = [p for p in before.locks[0].picks if digits(right, [p]) == digits(wrong, [p])]
    assert agreeing, "this mistake is told apart by every number: take another one"
    weak = seal_with(reference, "Q1b", tuple(agreeing))
    assert entry.name in opened_by_mistakes(reference, "Q1b", weak)
    everything = json.loads(path.read_text("utf-8"))
    everything["Q1b"] = _as_json(weak)
    path.write_text(json.dumps(everything), "utf-8")
    assert any("Q1b" in line for line in sealed_drift(reference, path))
    write_sealed(reference, path)
    assert not opened_by_mistakes(reference, "Q1b", read_sealed(path)["Q1b"])
    assert not sealed_drift(reference, path)


def seal_with(reference, qid: str, picks) -> Sealed:
    """The answers of a question under a lock of these numbers only."""
    salt, key = b"salt" * 4, Fernet.generate_key()
    secret = digits(numbers_of(find(qid), reference.answers[qid]), picks)
    lock = Lock(picks, Fernet(key_from(secret, salt)).encrypt(key).decode())
    text = Fernet(key).encrypt(answers_text(reference, qid).encode()).decode()
    return Sealed(base64.b64encode(salt).decode(), text, (lock,))


def test_public_expectations_and_guesses_open_nothing() -> None:
    """Who hands in the public arrays, zeros or noise, in the place of what an answer computes, gets no key."""
    lesson, qid = "05_attention", "Q5a"
    reference, one, question = reference_of(lesson), sealed_of(lesson)[qid], find("Q5a")
    right = numbers_of(question, reference.answers[qid])
    _, expected = reference.public(qid)
    public = [dict(row) for row in expected.arrays] * 2
    rng = np.random.default_rng(0)
    zeros = [{k: np.zeros_like(a) for k, a in row.items()} for row in right]
    noise = [{k: rng.normal(size=a.shape) for k, a in row.items()} for row in right]
    for lock in one.locks:
        for guess in (public, zeros, noise):
            assert digits(guess, lock.picks) != digits(right, lock.picks)


def test_rounding_of_another_machine_gives_the_same_key() -> None:
    reference, question = reference_of("05_attention"), find("Q5")
    one, right = sealed_of("05_attention")["Q5"], numbers_of(question, reference.answers["Q5"])
    rng = np.random.default_rng(1)
    for size in (1e-6, 1e-4, 2e-3):  # the last is about what TF32 loses
        other = [{k: a + size * rng.uniform(-1, 1, a.shape) * (a.dtype.kind == "f") * a.std() for k, a in row.items()}
                 for row in right]  # fmt: skip
        assert digits(other, one.locks[0].picks) == digits(right, one.locks[0].picks)
    torch.manual_seed(3)  # the state of the kernel has no part in it
    again = numbers_of(question, reference.answers["Q5"])
    assert digits(again, one.locks[0].picks) == digits(right, one.locks[0].picks)


def test_nothing_of_an_answer_stands_in_the_file() -> None:
    for lesson in LESSONS:
        text = COURSE.sealed_answers(lesson).read_text("utf-8")
        for one in json.loads(text).values():
            assert set(one) == {"salt", "text", "locks"}
            assert all(set(lock) == {"key", "picks"} for lock in one["locks"])
        for qid in sealed_of(lesson):
            for _, source in json.loads(answers_text(reference_of(lesson), qid)):
                assert not any(line.strip() in text for line in source.splitlines() if len(line.strip()) > 15)


def test_sealing_again_changes_nothing_and_a_changed_answer_is_sealed_anew(tmp_path) -> None:
    reference = reference_of("02_positional_encoding")
    path = tmp_path / "answers" / "02.json"
    write_sealed(reference, path)
    before = path.read_text("utf-8")
    write_sealed(reference, path)
    assert path.read_text("utf-8") == before
    again = seal(reference, "Q1", "another text")
    assert opened(find("Q1"), reference.answers["Q1"], again) == "another text"


def test_a_student_sees_them_once_the_check_has_passed(monkeypatch) -> None:
    monkeypatch.setattr(showing, "_solved", {})
    reference = reference_of("05_attention")
    assert show_answer("Q5a").said.startswith("Solve Q5a first")
    remember_solved("Q5a", reference.answers["Q5a"], passed=True)
    shown = show_answer("Q5a")
    titles = [title for title, _ in shown.shown]
    assert titles[0] == "The course's answer"
    assert len(titles) == 1 + len(reference.bank.rights_of("Q5a"))
    assert "def attention" in shown._repr_html_()
    wrong = reference.bank.mistakes_of("Q5a")[0].answer
    remember_solved("Q5a", wrong, passed=True)  # had somebody made the check say so
    assert "does not open" in show_answer("Q5a").said
    remember_solved("Q5a", wrong, passed=False)
    assert not show_answer("Q5a").shown


def test_without_the_package_or_the_file_it_says_what_to_do(monkeypatch) -> None:
    reference = reference_of("05_attention")
    monkeypatch.setattr(showing, "_solved", {"Q5a": reference.answers["Q5a"]})
    monkeypatch.setattr(showing, "every_sealed", dict)
    assert "feedback page" in show_answer("Q5a").said
    monkeypatch.setattr(showing, "every_sealed", every_sealed)
    monkeypatch.setitem(__import__("sys").modules, "cryptography.fernet", None)
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    assert "pip install cryptography" in show_answer("Q5a").said


def test_building_shows_no_warnings_of_what_answers_do(tmp_path, monkeypatch, recwarn) -> None:
    import warnings

    reference = reference_of("01_patches")
    qid = next(iter(reference.answers))
    answer = reference.answers[qid]

    def warned(*args, **kwargs):
        warnings.warn("converting a tensor", UserWarning, stacklevel=1)
        return answer(*args, **kwargs)

    monkeypatch.setitem(reference.answers, qid, warned)
    write_sealed(reference, tmp_path / "answers.json")
    public_expectations(reference)
    assert not [w for w in recwarn if "converting a tensor" in str(w.message)]
