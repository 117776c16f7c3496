"""Near-identical answers: copies are found whatever was done to hide them, honest likeness is not."""

from __future__ import annotations

import random
import time
from math import log2

import pytest

from grading.similarity import alike
from grading.similarity.ast_features import form_of
from grading.similarity.similar_pairs import NEAR, threshold

PLACE = ("02_positional_encoding", "Q1")
GIVEN = '''# Q1
def code(seq_len, d, n=10000):
    """The code."""
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = ___
            P[k, 2 * i] = ___
    return P
'''


def wrote(rng: random.Random) -> str:
    """One student's own way: habits common and rare, as a class has them."""

    def habit(*ways: str) -> str:  # the first is everybody's, the last hardly anybody's
        return rng.choices(ways, weights=[0.6**k for k in range(len(ways))])[0]

    steps = habit(
        "torch.arange(0, d, 2)", "torch.arange(d // 2) * 2", "2 * torch.arange(d // 2)", "torch.arange(d)[::2]"
    )
    power = habit("n ** ({} / d)", "torch.pow(n, {} / d)", "torch.exp({} * (math.log(n) / d))", "float(n) ** ({} / d)")
    place = habit(
        "torch.arange(seq_len)[:, None]",
        "torch.arange(seq_len).unsqueeze(1)",
        "torch.arange(seq_len).view(-1, 1)",
        "torch.arange(seq_len).reshape(seq_len, 1)",
        "torch.arange(0, seq_len).float().unsqueeze(-1)",
    )
    start = habit(
        "torch.zeros(seq_len, d)", "torch.empty(seq_len, d)", "torch.zeros((seq_len, d))", "torch.ones(seq_len, d)"
    )
    call = habit("torch.{}({})", "({1}).{0}()", "torch.{}(({}).float())", "torch.{}(input={})")
    check = habit("", "    assert d % 2 == 0\n", "    d = int(d)\n", "    n = float(n)\n", "    print(seq_len, d)\n")
    a, p = habit("angle", "angles", "x", "theta"), habit("P", "out", "pe", "result")
    return (
        f"def code(seq_len, d, n=10000):\n{check}    rates = {power.format(steps)}\n    {a} = {place} / rates\n"
        f"    {p} = {start}\n    {p}[:, 0::2] = {call.format('sin', a)}\n    {p}[:, 1::2] = {call.format('cos', a)}\n"
        f"    return {p}\n"
    )


def a_class(students: int, seed: int = 0) -> dict[str, str]:
    rng = random.Random(seed)
    return {f"s{n:03d}": wrote(rng) for n in range(students)}


ODD = '''def code(seq_len, d, n=10000):
    """My own way."""
    rows = []
    for position in range(seq_len):
        row = []
        for column in range(d):
            pair = column - column % 2
            turn = position * math.pow(n, -pair / d)
            row.append(math.cos(turn - (0.5 * math.pi if column == pair else 0.0)))
        rows.append(tuple(row))
    return torch.tensor(rows)
'''
DISGUISED = {
    "as it is": ODD,
    "renamed": ODD.replace("position", "p").replace("column", "col").replace("rows", "table").replace("row", "line"),
    "comments and layout": ODD.replace('    """My own way."""\n', "    # all by myself\n\n").replace(", ", ",  "),
    "annotated": ODD.replace("seq_len, d, n", "seq_len: int, d: int, n", 1),
    "another constant": ODD.replace("0.5", "0.50001"),
    "a line more": ODD.replace("    return", "    print(len(rows))\n    return"),
}


def found(answers, known=()):
    return [group.students for group in alike({PLACE: answers}, {PLACE: GIVEN}, {PLACE[0]: known})]


@pytest.mark.parametrize("students", [10, 27, 100, 500])
@pytest.mark.parametrize("disguise", DISGUISED)
def test_two_students_with_the_same_odd_answer_are_named(students: int, disguise: str) -> None:
    answers = a_class(students) | {"s003": ODD, "s007": DISGUISED[disguise]}
    groups = found(answers)
    assert ("s003", "s007") in groups
    tie = alike({PLACE: answers}, {PLACE: GIVEN}, {})[0].ties[0]
    assert (tie.share == 1) == (disguise in ("as it is", "renamed", "comments and layout", "annotated"))
    assert tie.texts == (ODD, DISGUISED[disguise])


@pytest.mark.parametrize(("students", "classes"), [(10, 20), (27, 20), (100, 10), (500, 2)])
def test_a_class_in_which_nobody_copied_has_hardly_anybody_named(students: int, classes: int) -> None:
    named = [len(group) for seed in range(classes) for group in found(a_class(students, seed))]
    assert sum(named) <= 0.1 * classes * 2


@pytest.mark.parametrize("students", [27, 500])
def test_an_answer_that_many_gave_is_no_sign(students: int) -> None:
    many = max(5, students // 10)
    assert not found(a_class(students) | {f"s{n:03d}": ODD for n in range(many)})


def test_the_solution_and_the_known_answers_are_no_sign() -> None:
    answers = a_class(100) | {"s003": ODD, "s007": ODD}
    assert not found(answers, known=["import torch\n\n\n# %% [markdown]\n# Q1\n\n# %%\n" + ODD])


def test_what_the_notebook_gave_is_no_sign() -> None:
    """Two of a large class left a long text as it was, but for one short blank."""
    answers = a_class(500) | {"s003": GIVEN.replace("___", "1"), "s007": GIVEN.replace("___", "1")}
    assert not found(answers)
    assert not found({f"s{n}": GIVEN for n in range(30)}), "a blank is no answer"


def test_a_line_leaves_no_room() -> None:
    odd = "def ratio(a, b):\n    return b.flip(0).double().sum() / 17 - a.cumsum(-1)[..., 3]\n"
    usual = {f"s{n:03d}": f"def ratio(a, b):\n    return {'abcdefgh'[n % 2]} / {n % 3}\n" for n in range(500)}
    assert not found(
        usual | {"s003": "def ratio(a, b):\n    return a / 17\n", "s007": "def ratio(a, b):\n  return a / 17"}
    )
    assert found(usual | {"s003": odd, "s007": odd}), "unless it is long, and odd in several ways"


def test_several_small_likenesses_in_one_lesson_add_up() -> None:
    """No single one would be enough."""
    places = [(PLACE[0], f"Q{n}") for n in range(4)]
    short = "def code(a):\n    b = a.sum() / {}\n    return b.sqrt()\n"
    answers = {place: {f"s{n:03d}": short.format(n % 5) for n in range(100)} for place in places}
    for count, named in ((1, False), (4, True)):
        some = {place: dict(texts) for place, texts in answers.items()}
        for place in places[:count]:
            some[place] |= {"s003": short.format(55), "s007": short.format(55)}
        assert bool(alike(some, {}, {})) is named, count


def test_a_ring_is_one_group() -> None:
    answers = a_class(200) | dict.fromkeys(("s001", "s002", "s003"), ODD)
    assert found(answers) == [("s001", "s002", "s003")]


@pytest.mark.parametrize("text", ["def (", "x = '\0'", "(" * 5000, "-" * 15000 + "1", "a" * 10**6, "1" + "+1" * 9000])
def test_what_is_no_python_or_too_much_of_it_stops_nothing(text: str) -> None:
    assert ("s003", "s007") in found(a_class(27) | {"s003": ODD, "s007": ODD, "s001": text, "s002": text})


def test_magics_are_no_syntax_errors() -> None:
    assert form_of("%matplotlib inline\n!ls\nx = 1") is not None


def test_names_that_were_free_are_set_aside_and_others_are_not() -> None:
    base = "class A:\n    def f(self, x):\n        self.w = x\n        return torch.sin(self.w)"
    same = "class B:\n    def g(me, y):\n        me.w = y\n        return torch.sin(me.w)"
    assert form_of(base).whole == form_of(base.replace("x", "y").replace(".w", ".weight")).whole
    assert form_of(base).whole != form_of(base.replace("sin", "cos")).whole
    assert form_of(base).whole != form_of(base.replace("torch.sin(self.w)", "torch.sin(x)")).whole
    assert form_of(same) is not None
    swapped = "def f(a, b):\n    return b - a"
    assert form_of("def f(a, b):\n    return a - b").whole != form_of(swapped).whole


def test_500_students_take_seconds() -> None:
    answers = a_class(500)
    begin = time.process_time()
    found(answers)
    assert time.process_time() - begin < 5


def test_a_pair_must_share_about_three_odd_things() -> None:
    for students in (27, 100, 500):
        once = log2(students / 2)  # bits of what two of so many share
        assert 2 < threshold(students) / once < 3
    assert 0.5 < NEAR < 1
