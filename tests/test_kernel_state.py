"""What a notebook did to its process, its names and its argument orders costs a right answer nothing, or is said."""

from __future__ import annotations

import functools
import linecache
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from helpers.checks.calling import by_name, names_of
from helpers.checks.given_parts import given_parts
from helpers.checks.probing import probe_all
from helpers.checks.question import public_rng
from helpers.checks.undefined_names import EXAM_SEED, install
from helpers.checks.wire_format import Failure
from helpers.questions import find
from tests.test_checks import right, verdict_of

WAYS = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "no gradients": lambda: torch.set_grad_enabled(False),
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "print options": lambda: torch.set_printoptions(precision=1),
    "numpy errors": lambda: np.seterr(all="raise"),
    "warnings": lambda: warnings.simplefilter("error"),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "numpy print options": lambda: np.set_printoptions(precision=2, suppress=True),
    "figure size": lambda: mpl.rcParams.update({"figure.dpi": 61.0}),
    "backend": lambda: plt.switch_backend("svg"),
}


def state() -> tuple:
    from torch import _tensor_str

    return (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.is_anomaly_enabled(),
            torch.are_deterministic_algorithms_enabled(), vars(_tensor_str.PRINT_OPTS).copy(), np.geterr(),
            list(warnings.filters), torch.get_num_threads(), dict(mpl.rcParams), mpl.get_backend(),
            np.get_printoptions())  # fmt: skip


@pytest.fixture
def put_back():
    from torch import _tensor_str

    dtype, grad, options, errors = (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        vars(_tensor_str.PRINT_OPTS).copy(),
        np.geterr(),
    )
    numbers, backend = np.get_printoptions(), plt.get_backend()
    params = dict.copy(mpl.rcParams)
    with warnings.catch_warnings():
        yield
    torch.set_default_dtype(dtype)
    torch.set_default_device(None)
    torch.set_grad_enabled(grad)
    torch.use_deterministic_algorithms(False)
    torch.autograd.set_detect_anomaly(False)
    vars(_tensor_str.PRINT_OPTS).update(options)
    np.seterr(**errors)
    np.set_printoptions(**numbers)
    plt.switch_backend(backend)
    dict.update(mpl.rcParams, params)


@pytest.mark.parametrize("way", [*WAYS, "threads"])
def test_settings_that_an_answer_changes_are_put_back(way: str, put_back) -> None:
    plt.close(plt.figure())  # a backend is loaded
    change = WAYS.get(way, lambda: torch.set_num_threads(torch.get_num_threads() + 1))

    def answer(x):
        out = right(x)
        change()
        return out

    before = state()
    assert verdict_of(answer).passed
    assert state() == before


@pytest.mark.parametrize("way", WAYS)
def test_settings_of_the_process_cost_nothing_and_are_put_back(way: str, put_back) -> None:
    seen = []

    def answer(x):
        seen.append(torch.zeros(1).dtype)
        warnings.warn("one of a library's many warnings", stacklevel=1)
        np.zeros(2) / np.zeros(2)
        return right(x)

    with warnings.catch_warnings():
        WAYS[way]()
        before = state()
        assert verdict_of(answer).passed
        assert state() == before
    assert set(seen) == {torch.float32}


def test_inference_mode_costs_nothing() -> None:
    with torch.inference_mode():
        assert verdict_of(right).passed
        assert torch.is_inference_mode_enabled()


def test_an_error_under_a_changed_setting_names_it(put_back) -> None:
    torch.set_default_dtype(torch.float64)
    table = torch.ones(3)
    verdict = verdict_of(lambda x: torch.ones(2, 3) @ table)
    assert "Your notebook has changed a setting of the whole process: torch's default dtype is float64" in verdict.hint


def cell(text: str, name: str, names: dict) -> None:
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), names)


@pytest.mark.parametrize(
    ("line", "body", "says"),
    [
        ("list = [1]", "list(x)", "`list` stands for something of the type list and no longer for Python's own"),
        ("sum = 3", "sum(x)", "`sum` stands for something of the type int"),
        ("torch = 0", "torch.stack([x])", "`torch` stands for something of the type int and no longer for the module"),
        ("import numpy as math", "math.no_such(x)", "`math` stands for the module numpy"),
    ],
)
def test_a_name_taken_by_accident_is_named_with_its_line(line: str, body: str, says: str) -> None:
    names: dict = {}
    cell(f"# my notes\n{line}\n", f"<answer {line}>", names)
    cell(f"# Q99: powers\ndef powers(x):\n    return {body}\n", f"<answer of {line}>", names)
    hint = verdict_of(names["powers"]).hint
    assert says in hint
    assert f"since the line `{line}`" in hint


@pytest.fixture
def shell(monkeypatch):
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    install()
    yield shell
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("name", ["check", "ready", "math", "list", "torch", "np"])
def test_a_check_cell_runs_on_names_of_its_own(shell, monkeypatch, graded: bool, name: str) -> None:
    if graded:
        monkeypatch.setenv(EXAM_SEED, "5")
    shell.run_cell("from helpers import check, ready\nimport math, torch\nimport numpy as np").raise_error()
    shell.run_cell("def receptive_field(kernels, strides):\n    return kernels[0]").raise_error()
    shell.run_cell(f"{name} = True").raise_error()
    result = shell.run_cell('check("Q00a", receptive_field)')
    result.raise_error()
    assert type(result.result).__name__ == ("ExamAnswer" if graded else "Result")
    assert shell.run_cell('ready("Q00a")').result is True


def test_argument_names_of_every_question_are_read() -> None:
    assert names_of("getPositionEncoding(seq_len, d, n=10000) -> (seq_len, d)") == ("seq_len", "d", "n")
    assert names_of('PatchEmbedding(in_channels=3, positions="learnable"): (b, c)') == ("in_channels", "positions")
    assert names_of("a module with a forward") == ()


def test_another_order_of_the_same_arguments_is_right() -> None:
    question = find("Q1")
    seen = []

    def published(d, seq_len, n=10000):
        seen.append((seq_len, d))
        return torch.zeros(seq_len, d)

    recorded = probe_all(question, published, question.cases(public_rng("Q1")))
    assert not any(isinstance(r, Failure) for r in recorded)
    assert seen[0] == (4, 4)
    assert all(
        case["seq_len"] == s and case["d"] == d
        for case, (s, d) in zip(question.cases(public_rng("Q1")), seen, strict=True)
    )
    assert by_name(question, published).func is published  # type: ignore[attr-defined]


def test_an_answer_with_names_of_its_own_is_called_by_position() -> None:
    def answer(length, width, base=10000):
        return None

    assert by_name(find("Q1"), answer) is answer
    assert by_name(find("Q1"), functools.partial(answer)).func is answer  # type: ignore[attr-defined]


def test_given_parts_stand_for_a_notebooks_own_and_leave() -> None:
    names: dict = {}
    cell("def part(x): return 0\nalias = part\ndef answer(x): return part(x) + alias(x)", "<answer parts>", names)
    own = names["part"]
    with given_parts(names["answer"], {"part": lambda x: x, "other": None}) as found:
        assert names["answer"](2) == 4
        assert found == {"part", "alias"}
    assert names["part"] is names["alias"] is own
