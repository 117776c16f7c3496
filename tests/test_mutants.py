"""Mutants of every solution lose points, unless they are the same function; see tests/mutants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from helpers.checks.sealed import SealedQuestion
from tests.mutants.judging import EQUIVALENT, KILLED, SURVIVED, Bench, benches, explained
from tests.mutants.operators import mutants
from tests.mutants.same_function import difference, recorded_calls

SAMPLE = 5  # mutants of each question in this run; `python -m tests.mutants` judges sixty
# Q27 is judged by its accuracy, so any function is an answer and no change is a mistake.
BENCHES = {bench.qid: bench for bench in benches() if not isinstance(bench.question, SealedQuestion)}
FEW = {"Q6": 20, "Q10": 15, "Q15": 23, "Q16a": 19}  # answers of one line, for which no more can be made

CELL = '''
class Twice(nn.Module):
    """Adds two maps."""

    def __init__(self, d: int = 3):
        super().__init__()
        self.one = nn.Linear(d, d)
        self.two = nn.Linear(d, d)
        self.register_buffer("many", torch.zeros(1))

    def forward(self, x):
        scale = 0.5
        a = self.one(x)
        b = self.two(x)
        return scale * a - b
'''


def _made(source: str) -> dict[str, str]:
    return {str(mutant): mutant.source for mutant in mutants(source)}


def test_the_changes_asked_for_are_made() -> None:
    made = _made(CELL)
    for wanted in (
        "detach: return scale * a - b -> return (scale * a - b).detach()",
        "drop term: scale * a - b -> b",
        "not registered: self.two = nn.Linear(d, d) -> self.__dict__['two'] = nn.Linear(d, d)",
        "operator: scale * a - b -> scale * a + b",
        "shared part: self.two = nn.Linear(d, d) -> self.two = self.one",
        "swap operands: scale * a - b -> b - scale * a",
        "another variable: a -> b",
        "reorder statements: a = self.one(x) -> b = self.two(x)",
        "repeat statement: a = self.one(x) -> a = self.one(x); a = self.one(x)",
        "no_grad: b = self.two(x) -> with __import__('torch').no_grad():; b = self.two(x)",
        "constant: 0.5 -> 1.0",
    ):
        assert wanted in made, "\n".join(made)
    assert not any("Adds" in change or "int" in change for change in made), "docstrings and annotations stay"


def test_mutants_are_distinct_and_the_same_each_time() -> None:
    assert mutants(CELL) == mutants(CELL)
    assert len({m.source for m in mutants(CELL)}) == len(mutants(CELL))
    assert mutants(CELL, 5) == mutants(CELL, 5)
    assert len({m.kind for m in mutants(CELL, 8)}) == 8, "few mutants are of many kinds"


class _Scaled(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.map = nn.Linear(d, d)

    def forward(self, x):
        return self.map(x)


class _Detached(_Scaled):
    def forward(self, x):
        return self.map(x.detach())


class _Spelt(_Scaled):
    def forward(self, x):
        return x @ self.map.weight.T + self.map.bias


@pytest.mark.parametrize(("other", "same"), [(_Spelt, True), (_Detached, False)])
def test_a_gradient_tells_two_functions_apart(other: type, same: bool) -> None:
    class Asked:
        id = "Q0"
        signature = "Scaled(d): (b, d) -> (b, d)"
        needs_gradients = True

        def cases(self, rng):
            return [{"x": rng.normal(0, 1, (2, 3)).astype(np.float32)}]

        def probe(self, answer, case):
            return {"out": answer(3)(torch.tensor(case["x"]))}

    calls = recorded_calls(Asked(), _Scaled, (1,))  # type: ignore[arg-type]
    assert calls
    assert (difference(calls, _Scaled, other) == "") == same


@pytest.mark.parametrize("bench", BENCHES.values(), ids=BENCHES)
def test_there_are_thirty_mutants_of_every_question(bench: Bench) -> None:
    assert len(bench.mutants()) >= FEW.get(bench.qid, 30)


@pytest.mark.parametrize("bench", BENCHES.values(), ids=BENCHES)
def test_a_sample_of_mutants_loses_points(bench: Bench) -> None:
    fates = [bench.fate(mutant) for mutant in bench.mutants(SAMPLE)]
    left = [f"{fate.mutant}  [{fate.why}]" for fate in fates if fate.state == SURVIVED]
    assert not left, "\n".join(left)


def test_a_mutant_of_the_solution_itself_is_equivalent_and_a_broken_one_is_killed() -> None:
    bench = BENCHES["Q15b"]
    source = bench.cell.source
    same, broken = (type(bench.mutants(1)[0])("none", "", text) for text in (source + "\n", source + "\n1 / 0\n"))
    assert bench.fate(same).state == EQUIVALENT
    assert bench.fate(broken).state == KILLED


def test_every_explanation_belongs_to_a_question_and_says_something() -> None:
    for qid, entries in explained().items():
        assert qid in BENCHES
        assert all(len(entry["reason"]) > 20 and entry["change"] for entry in entries)
