"""The check machinery on a question of its own: scores, hints, cards, blanks, errors, the wire format."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, seeding
from helpers.checks.card import as_text, card
from helpers.checks.fingerprint import Fingerprint, mark, matching_hint
from helpers.checks.points import points_of
from helpers.checks.probing import probe_all, raises
from helpers.checks.question import Expected, case_rng, public_rng
from helpers.checks.replay import REPLAYED
from helpers.checks.result import Result
from helpers.checks.seeding import seed_torch
from helpers.checks.tolerances import tolerance
from helpers.checks.verdict import failing, judge_answer
from helpers.checks.wire_format import Answer, Arrays, BadAnswer, Failure, collect, decode, encode, to_array
from helpers.device import device
from helpers.portfolio.lessons import counts_for_the_total, lessons


class Squares(Question):
    id = "Q99"
    title = "Squares and cubes"
    signature = "powers(x) -> (2, n)"
    criteria = (
        Criterion("shape", "two rows", share=0),
        Criterion("squares", "the first row holds squares", hint="look at the first row"),
        Criterion("cubes", "the second row holds cubes"),
        Criterion("empty", "an empty input gives an empty result", share=0.5),
    )

    def cases(self, rng):
        yield Case("three numbers", criteria=("shape", "squares", "cubes"), x=np.array([1.0, 2.0, 3.0]))
        yield Case("drawn", criteria=("shape", "squares", "cubes"), x=rng.standard_normal(5) + 4)
        yield Case("empty", criteria="empty", x=np.zeros(0))

    def probe(self, answer, case):
        return {"powers": answer(torch.tensor(case["x"]))}

    def judge(self, case, expected, got):
        yield same_shape("shape", expected["powers"], got["powers"])
        yield same_shape("empty", expected["powers"], got["powers"])
        if got["powers"].shape == expected["powers"].shape:
            yield same("squares", expected["powers"][0], got["powers"][0], got.tolerance)
            yield same("cubes", expected["powers"][1], got["powers"][1], got.tolerance)
        else:
            yield Finding("squares", False)
            yield Finding("cubes", False)


Q = Squares()


def right(x):
    return torch.stack([x**2, x**3])


def expected_on(cases) -> tuple:
    return tuple(dict(r) for r in probe_all(Q, right, cases))


PUBLIC = list(Q.cases(public_rng(Q.id)))
SECRET = list(Q.cases(case_rng(Q.id, 5)))


def verdict_of(answer, *, grading: bool = True, mistakes=()):
    public = (PUBLIC, Expected(4, expected_on(PUBLIC), tuple(mistakes)))
    secret = (SECRET, Expected(4, expected_on(SECRET)))
    recorded = {f"public/{i}": r for i, r in enumerate(probe_all(Q, answer, PUBLIC))}
    recorded |= {f"secret/{i}": r for i, r in enumerate(probe_all(Q, answer, SECRET))}
    return judge_answer(Q, Answer(Q.id, recorded), public=public, secret=secret if grading else None)


def test_a_right_answer_scores_full() -> None:
    verdict = verdict_of(right)
    assert (verdict.score, verdict.points, verdict.status, verdict.hint) == (4, 4, "correct", "")


@pytest.mark.parametrize("kind", ["double", "numpy", "list", "gradients"])
def test_any_form_of_a_right_answer_scores_full(kind: str) -> None:
    def answer(x):
        out = right(x)
        return {
            "double": out.double(),
            "numpy": out.numpy(),
            "list": out.tolist(),
            "gradients": out.clone().requires_grad_(),
        }[kind]

    assert verdict_of(answer).passed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_an_answer_in_half_precision_fails_and_the_card_says_so(dtype: torch.dtype) -> None:
    def answer(x):
        return right(x + 0.3).to(dtype)

    public = (PUBLIC, Expected(4, tuple(dict(r) for r in probe_all(Q, lambda x: right(x + 0.3), PUBLIC))))
    record = Answer(Q.id, {f"public/{i}": r for i, r in enumerate(probe_all(Q, answer, PUBLIC))})
    verdict = judge_answer(Q, decode(encode(record), question=Q.id), public=public)
    assert not verdict.passed
    assert str(dtype).removeprefix("torch.") in verdict.hint


def test_the_judge_sets_the_tolerance() -> None:
    half = Case("half", x=np.zeros(2, np.float16))
    assert tolerance(Case("one", x=np.zeros(2, np.float32))) == tolerance(Case("two", x=np.zeros(2)))
    assert tolerance(Case("one", x=np.zeros(2)), "cuda") < 5e-4 < tolerance(half)


def test_half_of_the_criteria_earns_their_share() -> None:
    verdict = verdict_of(lambda x: torch.stack([x**2, x**2]))
    assert verdict.status == "partial"
    assert verdict.score == 1.75 + 0.75
    assert [line.state for line in verdict.lines] == ["met", "met", "not met", "met"]


def test_an_error_in_one_case_costs_only_its_criteria() -> None:
    def answer(x):
        if len(x) == 0:
            raise ValueError("nothing to do")
        return right(x)

    verdict = verdict_of(answer)
    assert verdict.score == 1.75 + 1.5
    assert verdict.lines[-1].state == "not reached"
    assert "ValueError: nothing to do" in verdict.hint


def test_an_answer_that_knows_only_the_public_cases_is_found_out() -> None:
    known = {tuple(c["x"]): torch.tensor(e["powers"]) for c, e in zip(PUBLIC, expected_on(PUBLIC), strict=True)}

    def answer(x):
        return known.get(tuple(x.numpy()), torch.zeros(2, len(x)))

    assert verdict_of(answer, grading=False).passed
    verdict = verdict_of(answer)
    assert verdict.score < 4 * 0.5
    assert "drawn for grading" in as_text(verdict)


def test_details_never_quote_a_secret_case() -> None:
    def answer(x):
        return right(x) + (0 if len(x) < 4 else 1234.5)

    public = (PUBLIC[:1], Expected(4, expected_on(PUBLIC[:1])))
    secret = (SECRET, Expected(4, expected_on(SECRET)))
    cases = {f"public/{i}": r for i, r in enumerate(probe_all(Q, answer, PUBLIC[:1]))}
    cases |= {f"secret/{i}": r for i, r in enumerate(probe_all(Q, answer, SECRET))}
    verdict = judge_answer(Q, Answer(Q.id, cases), public=public, secret=secret)
    assert not verdict.passed
    text = card(verdict)
    for number in np.concatenate([SECRET[1]["x"], SECRET[1]["x"] ** 2]):
        assert f"{number:.4g}" not in text


def test_a_known_mistake_is_named() -> None:
    def swapped(x):
        return torch.stack([x**3, x**2])

    marks = tuple(mark(Q, *row) for row in zip(PUBLIC, expected_on(PUBLIC), probe_all(Q, swapped, PUBLIC), strict=True))
    known = Fingerprint("your rows changed places", marks)
    verdict = verdict_of(lambda x: torch.stack([x * x * x, x * x]), mistakes=[known])
    assert (verdict.hint, verdict.known_mistake) == ("your rows changed places", True)
    seen = verdict_of(lambda x: torch.stack([x, x]), mistakes=[known])
    assert not seen.known_mistake
    assert seen.hint.startswith("Not met: the first row holds squares: 2 of 3 values differ; at [1] expected 4, got 2")


def test_a_mistake_that_raises_is_known_by_its_error() -> None:
    def crash(x):
        return x.reshape(7, 11)

    marks = tuple(mark(Q, *row) for row in zip(PUBLIC, expected_on(PUBLIC), probe_all(Q, crash, PUBLIC), strict=True))
    assert verdict_of(crash, mistakes=[Fingerprint("a reshape", marks)]).hint == "a reshape"


def test_returning_nothing_is_said_in_words() -> None:
    assert "is a `return` missing?" in verdict_of(lambda x: None).hint


def test_the_error_names_the_students_line() -> None:
    source = "def answer(x):\n    y = x + 1\n    return y.no_such_thing\n"
    import linecache

    linecache.cache["<answer test>"] = (len(source), None, source.splitlines(keepends=True), "<answer test>")
    scope: dict = {}
    exec(compile(source, "<answer test>", "exec"), scope)
    verdict = verdict_of(scope["answer"])
    assert verdict.status == "error"
    assert verdict.failure is not None
    assert (verdict.failure.line, verdict.failure.source) == (3, "return y.no_such_thing")
    assert "Line 3 of your cell (`return y.no_such_thing`) raised AttributeError" in verdict.hint


def test_the_students_random_state_is_left_alone() -> None:
    import random

    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    wanted = (torch.rand(1).item(), np.random.rand(), random.random())
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    probe_all(Q, lambda x: torch.rand(2, len(x)), PUBLIC)
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == wanted


def test_seeding_is_torchs_own_without_notes_for_accelerators_that_are_not_there() -> None:
    """`torch.manual_seed` keeps a stack trace for each kind of them, at ten times the cost."""
    if device().type != "cpu":
        pytest.skip("here the accelerator is seeded")
    torch.manual_seed(5)
    wanted = torch.rand(3)
    before = len(torch.cuda._queued_calls)
    seed_torch(5)
    assert torch.equal(torch.rand(3), wanted)
    probe_all(Q, lambda x: torch.rand(2, len(x)), PUBLIC)
    assert len(torch.cuda._queued_calls) == before


def test_an_accelerators_random_state_is_left_alone_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Accelerator:
        state = "the student's"

        def get_rng_state(self):
            return self.state

        def set_rng_state(self, state):
            self.state = state

        def manual_seed(self, seed):
            self.state = f"seed {seed}"

    there = Accelerator()
    monkeypatch.setattr(seeding, "_accelerator", lambda: there)
    with seeding.seeded(7):
        assert there.state == "seed 7"
    assert there.state == "the student's"


def test_raises_tells_the_right_error_from_another() -> None:
    def fail(error):
        raise error

    assert raises(lambda: 1, ValueError) == 0
    assert raises(lambda: fail(ValueError()), ValueError) == 1
    assert raises(lambda: fail(KeyError()), ValueError) == 2


def test_cards_escape_what_students_control() -> None:
    def answer(x):
        raise ValueError("<script>alert(1)</script>")

    html = card(verdict_of(answer))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


# ---- the wire format ----


def test_what_is_encoded_is_decoded() -> None:
    arrays = Arrays({"a": np.arange(6.0).reshape(2, 3), "b": np.array([True])}, dtypes={"a": "float16"})
    failure = Failure("ValueError", "no", 3, "x = 1", "# Q6: a block", "a note")
    answer = Answer("Q1", {"public/0": arrays, "public/1": failure})
    back = decode(encode(answer), question="Q1")
    assert back.cases["public/1"] == answer.cases["public/1"]
    assert back.cases["public/0"].dtypes == {"a": "float16"}
    np.testing.assert_array_equal(back.cases["public/0"]["a"], arrays["a"])


def blob(**meta) -> bytes:
    base = {"version": 2, "question": "Q1", "failures": {}, "dtypes": {}}
    return save({"public/0/a": np.zeros(2)}, metadata={"answer": json.dumps(base | meta)})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a safetensors file"),
        (b"\x00" * 4, "not a safetensors file"),
        (b"\xff" * 64, "not a safetensors file"),
        (b"\x80\x04\x95pickle", "not a safetensors file"),
        (blob(question="Q2"), "of question 'Q2'"),
        (blob(version=99), "version 99"),
        (blob(failures=[1]), "can't be read"),
        (blob(failures={"public/0": {"kind": "x"}}), "can't be read"),
        (blob(dtypes={"public/0": "loose"}), "can't be read"),
        (blob()[:-3], "can't be read"),
        (save({"a": np.zeros(1)}), "can't be read"),
    ],
)
def test_a_malformed_answer_says_what_was_found(content: bytes, says: str) -> None:
    with pytest.raises(BadAnswer, match=says):
        decode(content, question="Q1")


def test_an_oversized_answer_is_not_read() -> None:
    with pytest.raises(BadAnswer, match="at most 100 are read"):
        decode(blob(), question="Q1", max_bytes=100)


@pytest.mark.parametrize("claim", [1e9, "float16", {"a": "float16"}, {"a": ["float16"]}])
def test_a_claimed_dtype_buys_no_tolerance(claim: object) -> None:
    with contextlib.suppress(BadAnswer):
        back = decode(blob(dtypes={"public/0": claim}), question="Q1")
        assert back.cases["public/0"].tolerance == 1e-4


def test_objects_never_become_arrays() -> None:
    for value in ("text", object(), {"a": 1}, b"bytes"):
        with pytest.raises(TypeError, match="a tensor was expected"):
            to_array(value)
    assert collect({"x": torch.ones(2, dtype=torch.bfloat16)}).dtypes == {"x": "bfloat16"}


def test_a_tuple_of_unequal_shapes_is_said_in_words() -> None:
    with pytest.raises(TypeError, match=r"returned a tuple of arrays of the shapes \(2,\), \(3, 3\); one tensor"):
        to_array((torch.ones(2), torch.ones(3, 3)))


# ---- points, replays, facts that a kernel claims ----


@pytest.mark.parametrize(("shares", "points", "wanted"), [
    ((0, 1, 1, 1), 4, [0, 1.5, 1.25, 1.25]), ((1, 1, 2), 3, [0.75, 0.75, 1.5]), ((0, 0), 4, [0, 0]),
    ((3, 3, 1, 1), 6, [2.25, 2.25, 0.75, 0.75]), ((1,) * 7, 4, [0.75, 0.75, 0.5, 0.5, 0.5, 0.5, 0.5]),
])  # fmt: skip
def test_points_are_quarters_that_add_up(shares, points, wanted) -> None:
    found = points_of([Criterion(str(k), "", share) for k, share in enumerate(shares)], points)
    assert list(found.values()) == wanted
    assert sum(wanted) in (points, 0)


def test_one_case_spoilt_on_purpose_does_not_hide_a_replay() -> None:
    public, secret = replay_cases(4)
    arrays = [Arrays(e) for e in public[1].arrays]
    cases = {f"{part}/{i}": a for part in ("public", "secret") for i, a in enumerate(arrays)}
    for spoilt in range(4):
        broken = cases | {f"secret/{spoilt}": Arrays({"out": np.zeros(9)})}
        broken |= {f"secret/{(spoilt + 1) % 4}": Failure("ValueError", "on purpose")}
        verdict = judge_answer(Doubles(), Answer("Q98", broken), public=public, secret=secret)
        assert (verdict.score, verdict.hint) == (0, REPLAYED)
    order = {f"secret/{i}": arrays[i - 1] for i in range(4)}
    assert judge_answer(Doubles(), Answer("Q98", cases | order), public=public, secret=secret).hint == REPLAYED


class Doubles(Question):
    """A question with a fact that the kernel reports about itself, and one that is asked at another size again."""

    id, title, signature = "Q98", "Doubles", "double(x) -> 2 x"
    criteria = (
        Criterion("values", "the values"),
        Criterion("kind", "it is a layer", counts_with=("values",)),
        Criterion("sizes", "at other sizes as well"),
    )

    def cases(self, rng):
        return [Case(str(n), criteria="sizes" if n == 3 else ("values", "kind"), x=rng.random(9)) for n in range(4)]

    def probe(self, answer, case):
        return {"out": answer(case["x"]), "layer": True}

    def judge(self, case, expected, got):
        values = same("values", expected["out"], got["out"], got.tolerance)
        yield values
        yield Finding("kind", bool(got["layer"].all()))
        yield Finding("sizes", values.ok, values.detail, of="values")


def replay_cases(points: float):
    def drawn(seed):
        cases = Doubles().cases(np.random.default_rng(seed))
        return cases, Expected(points, tuple({"out": 2 * c["x"], "layer": np.array(True)} for c in cases))

    return drawn(0), drawn(1)


def doubles(answer):
    public, secret = replay_cases(3)
    cases = {f"public/{i}": r for i, r in enumerate(probe_all(Doubles(), answer, public[0]))}
    cases |= {f"secret/{i}": r for i, r in enumerate(probe_all(Doubles(), answer, secret[0]))}
    return judge_answer(Doubles(), Answer("Q98", cases), public=public, secret=secret)


def test_a_claim_counts_only_beside_values() -> None:
    assert doubles(lambda x: 2 * x).score == 3
    verdict = doubles(lambda x: 3 * x)
    assert [line.state for line in verdict.lines] == ["not met", "met", "not reached"]
    assert verdict.score == 0
    assert verdict.lines[1].detail == "this counts once the criteria about values are met"


def test_what_fails_at_every_size_costs_once() -> None:
    class Both(Doubles):
        criteria = (*Doubles.criteria[:2], Criterion("sign", "the sign"), Criterion("sizes", "at other sizes as well"))

        def judge(self, case, expected, got):
            yield from list(super().judge(case, expected, got))
            right = bool((np.sign(got["out"]) == np.sign(expected["out"])).all())
            yield Finding("sign", right)
            yield Finding("sizes", right, of="sign")

        def cases(self, rng):
            deep = ("values", "kind", "sign")
            return [Case(str(n), criteria="sizes" if n == 3 else deep, x=rng.random(9)) for n in range(4)]

    public, _ = replay_cases(4)
    public = (Both().cases(np.random.default_rng(0)), public[1])
    record = {f"public/{i}": r for i, r in enumerate(probe_all(Both(), lambda x: 3 * x, public[0]))}
    verdict = judge_answer(Both(), Answer("Q98", record), public=public)
    assert [line.state for line in verdict.lines] == ["not met", "met", "met", "met"]


# ---- hints ----


def test_one_more_oddity_does_not_hide_a_known_mistake() -> None:
    """The mistake is recognised on the cases that it shows on; the candidate must explain all that failed."""

    def swapped(x):
        return torch.stack([x**3, x**2])

    def known(answer, hint):
        recorded = probe_all(Q, answer, PUBLIC)
        public = Expected(4, expected_on(PUBLIC))
        marks = tuple(mark(Q, *row) for row in zip(PUBLIC, public.arrays, recorded, strict=True))
        return Fingerprint(hint, marks, *failing(Q, PUBLIC, public, recorded))

    def with_an_oddity(x):
        return swapped(x) + (0.5 if len(x) == 5 else 0)

    mistakes = [known(swapped, "swapped"), known(lambda x: torch.stack([x, x**3]), "no square")]
    assert verdict_of(with_an_oddity, mistakes=mistakes).hint == "swapped"
    more = verdict_of(lambda x: with_an_oddity(x) if len(x) else torch.ones(2, 7), mistakes=mistakes)
    assert more.hint.startswith("Not met"), "the candidate does not explain the empty input"


def test_a_mistake_that_agrees_on_less_than_half_of_the_wrong_cases_is_not_named() -> None:
    """It was made on one case by chance; what it says would be false of the others."""
    cases = [Case(f"{n} numbers", x=np.arange(n, dtype=np.float32)) for n in (3, 4, 5)]
    expected = [{"powers": np.zeros(n)} for n in (3, 4, 5)]

    def named(agreeing: int) -> str:
        own = [Arrays({"powers": np.full(n, 1.0 + (k >= agreeing))}) for k, n in enumerate((3, 4, 5))]
        theirs = [Arrays({"powers": np.ones(n)}) for n in (3, 4, 5)]
        marks = tuple(mark(Q, *row) for row in zip(cases, expected, theirs, strict=True))
        known = Fingerprint("ones", marks, fails=("squares",), wrong=(0, 1, 2))
        return matching_hint([known], Q, cases, expected, own, unmet={"squares"}, wrong={0, 1, 2})

    assert [named(count) for count in (1, 2, 3)] == ["", "ones", "ones"]


def test_a_mistake_that_fails_other_criteria_is_not_named_though_its_marks_are_alike() -> None:
    """n = 9999 gives nearly the numbers of half precision; it fails fewer criteria, so it is another mistake."""
    cases = [Case("3 numbers", x=np.arange(3, dtype=np.float32))]
    expected, theirs = [{"powers": np.ones(3)}], [Arrays({"powers": np.full(3, 1.0001)})]
    known = Fingerprint("half", (mark(Q, cases[0], expected[0], theirs[0]),), ("squares", "cubes"), (0,))

    def named(unmet: set[str]) -> str:
        own = [Arrays({"powers": np.full(3, 0.9999)})]
        return matching_hint([known], Q, cases, expected, own, unmet=unmet, wrong={0}, publicly=unmet)

    assert named({"squares", "cubes"}) == "half"
    assert named({"squares", "cubes", "shape"}) == ""


def test_an_error_about_shapes_names_a_mistake_by_its_numbers_only() -> None:
    cases, expected = [Case("3 numbers", x=np.arange(3, dtype=np.float32))], [{"powers": np.ones(3)}]

    def named(kind: str, message: str) -> str:
        theirs = Failure(kind, "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)")
        known = Fingerprint("an axis", (mark(Q, cases[0], expected[0], theirs),), (), (0,))
        return matching_hint([known], Q, cases, expected, [Failure(kind, message)], unmet={"squares"}, wrong={0})

    assert named("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)") == "an axis"
    assert named("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (2x3 and 6x5)") == ""
    assert named("IndexError", "mat1 and mat2 shapes cannot be multiplied (2x3 and 6x5)") == "an axis"


def test_an_error_in_the_cell_of_another_question_names_that_cell() -> None:
    import linecache

    source = "# Q6: the residual connection\ndef residual(x):\n    return x.no_such_thing\n"
    linecache.cache["<answer other>"] = (len(source), None, source.splitlines(keepends=True), "<answer other>")
    scope: dict = {}
    exec(compile(source, "<answer other>", "exec"), scope)
    assert "Line 3 of the cell of Q6 (`return x.no_such_thing`)" in verdict_of(lambda x: scope["residual"](x)).hint


def test_a_question_beside_the_total_gives_nbgrader_no_number() -> None:
    """Its maximum there is 0, and "partial credit cannot be greater than maximum points"."""
    beside = [q for lesson in lessons() for q in lesson.get("beside_the_total", ())]
    assert beside
    assert not any(counts_for_the_total(q) for q in beside)
    assert counts_for_the_total("Q1")
    verdict = verdict_of(right)
    assert float(repr(Result(verdict))) == verdict.score
    with pytest.raises(ValueError, match="could not convert"):
        float(repr(Result(verdict, counts=False)))
