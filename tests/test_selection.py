"""Which cells run when grading."""

from __future__ import annotations

from nbformat.v4 import new_code_cell, new_notebook

from grading.judging.cells_to_run import cells_to_run


def notebook(*cells: tuple[str, str]):
    made = new_notebook(cells=[new_code_cell(source) for _, source in cells])
    for cell, (role, _) in zip(made.cells, cells, strict=True):
        if role != "extra":
            cell.metadata["vitlab"] = {"role": role}
    return made


def test_demonstrations_are_left_out() -> None:
    made = notebook(("setup", "import torch"), ("demo", "train()"), ("answer", "def f(x): return x"), ("check", "f"))
    assert cells_to_run(made) == {0, 2, 3}


def test_a_demonstration_that_an_answer_needs_runs_with_what_it_needs_itself() -> None:
    made = notebook(
        ("demo", "base = 10"),
        ("demo", "scale = base * 2"),
        ("demo", "other = 3"),
        ("answer", "def f(x):\n    return x * scale"),
    )
    assert cells_to_run(made) == {0, 1, 3}


def test_a_local_name_needs_no_demonstration() -> None:
    made = notebook(("demo", "x = 1"), ("answer", "def f(y):\n    x = y\n    return x"))
    assert cells_to_run(made) == {1}


def test_the_students_own_cells_run() -> None:
    made = notebook(("demo", "image = 1"), ("extra", "print(image)"), ("extra", "def helper(): return 1"))
    assert cells_to_run(made) == {0, 1, 2}


def test_a_cell_that_is_not_python_hurts_nobody() -> None:
    made = notebook(("demo", "a = 1"), ("answer", "def f(:"), ("extra", "!pip install x\n%matplotlib inline"))
    assert cells_to_run(made) == {1, 2}


def test_a_name_whose_assignment_is_still_blank_calls_for_no_demonstration() -> None:
    made = notebook(
        ("demo", "queries = train()"),
        (
            "answer",
            "class A:\n    def forward(self, x):\n        ___\n        out = attend(queries)\n        return ___",
        ),
        ("answer", "def f(x):\n    y = ___\n    return queries + y"),
    )
    assert cells_to_run(made) == {1, 2}


def test_a_name_that_a_blank_does_not_stop_still_calls() -> None:
    for source in (
        "def f(x):\n    y = base * x\n    return ___",  # read before the blank
        "def f(x):\n    if x > 3:\n        return ___\n    return base",  # a blank that may be passed by
        "def f(x):\n    return ___\n\ndef g(x):\n    return base",
        "class A:\n    width = base\n    def f(self, x):\n        a = ___\n        return base",
    ):
        assert cells_to_run(notebook(("demo", "base = 1"), ("answer", source))) == {0, 1}, source
