"""Markers in an answer become blanks; what can't be understood is refused with its line."""

from __future__ import annotations

import pytest

from grading.lesson_source.blanks import BlankError, make_blanks


def student(source: str) -> str:
    return make_blanks(source).student


def test_a_line_blank_keeps_its_left_hand_side() -> None:
    source = "def f(i, d):\n    denominator = 10 ** (2 * i / d)  # BLANK\n    return denominator\n"
    made = make_blanks(source)
    assert made.student == "def f(i, d):\n    denominator = ___\n    return denominator\n"
    assert made.solution == "def f(i, d):\n    denominator = 10 ** (2 * i / d)\n    return denominator\n"
    assert made.hidden == ("10 ** (2 * i / d)",)


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("P[k, 2 * i] = sin(a)", "P[k, 2 * i] = ___"),
        ("return x + self.fn(x)", "return ___"),
        ("x: int = 3 + 4", "x: int = ___"),
        ("x += y * 2", "x += ___"),
        ("y = (a + b)", "y = ___"),
        ("y = (a + b) * (c + d)", "y = ___"),
        ("y = f((a), (b))", "y = ___"),
        ("a, b = g('é', 1)", "a, b = ___"),
    ],
)
def test_each_kind_of_statement(statement: str, shown: str) -> None:
    assert student(f"def f():\n    {statement}  # BLANK\n") == f"def f():\n    {shown}\n"


def test_a_statement_over_several_lines_is_one_blank() -> None:
    source = "def f():\n    y = g(\n        1,\n        2,\n    )  # BLANK\n    return y\n"
    assert student(source) == "def f():\n    y = ___\n    return y\n"


def test_an_expression_blank_keeps_the_call_around_it() -> None:
    body = 't = repeat(self.t, "() n e -> b n e", b=b)  # BLANK: "() n e -> b n e", b=b'
    source = f"class A:\n    def f(self, b):\n        {body}\n"
    made = make_blanks(source)
    assert made.student.endswith("        t = repeat(self.t, ___)\n")
    assert made.solution.endswith('        t = repeat(self.t, "() n e -> b n e", b=b)\n')
    assert made.hidden == ('"() n e -> b n e", b=b',)


def test_two_expression_blanks_on_one_line() -> None:
    assert (
        student("def f():\n    y = g(a + 1, b + 2)  # BLANK: a + 1 # BLANK: b + 2\n")
        == "def f():\n    y = g(___, ___)\n"
    )


def test_a_region_states_its_size() -> None:
    source = "def f(x):\n    # BEGIN BLANK\n    y = x + 1\n    # why\n    z = y * 2\n\n    # END BLANK\n    return z\n"
    made = make_blanks(source)
    assert made.student == "def f(x):\n    # Your code here (about 2 lines).\n    ___\n    return z\n"
    assert "BLANK" not in made.solution
    assert made.hidden == ("y = x + 1", "z = y * 2")


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("def f():\n    # BEGIN BLANK\n    return 1\n", 2, "without an END"),
        ("def f():\n    return 1\n    # END BLANK\n", 3, "without a BEGIN"),
        ("def f():\n    # BEGIN BLANK\n    # END BLANK\n    return 1\n", 2, "empty region"),
        ("def f():\n    # BEGIN BLANK\n    x = 1  # BLANK\n    # END BLANK\n", 3, "inside the region"),
        ("def f():\n    return 1\n", 1, "without a blank"),
        ("x = 1  # BLANK\n", 1, "top level"),
        ("def f():\n    # BLANK\n    return 1\n", 2, "stands alone"),
        ("def f():\n    x = 1  # BLANKS\n", 2, "malformed"),
        ("def f():\n    x = 1  # BLANK 2\n", 2, "malformed"),
        ("def f():\n    x = g(1)  # BLANK: h(2)\n", 2, "occurs 0 times"),
        ("def f():\n    x = a + a  # BLANK: a\n", 2, "occurs 2 times"),
        ("def f():\n    x = (  # BLANK\n        1)\n", 2, "goes on to line 3"),
        ("def f():\n    import os  # BLANK\n", 2, "no value to blank"),
        ("def f(:\n    x = 1  # BLANK\n", 1, "not valid Python"),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(source: str, line: int, says: str) -> None:
    with pytest.raises(BlankError, match=says) as caught:
        make_blanks(source)
    assert caught.value.line == line


def test_a_hash_inside_a_string_is_no_marker() -> None:
    assert (
        student('def f():\n    s = "# BLANK"\n    return s + "x"  # BLANK\n')
        == 'def f():\n    s = "# BLANK"\n    return ___\n'
    )
