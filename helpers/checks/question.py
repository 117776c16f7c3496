"""What one question is: the inputs it draws, how an answer is probed, and how its arrays are judged.

A probe runs beside the student's code and only collects arrays. A judge is a pure function of arrays; when a class is
graded it runs in a process where no student code ever ran.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.checks.wire_format import Arrays


_DRAWS = 20
_PUBLIC = {"Q27": 13}  # as hard as hidden images on average: 89.6 % (hidden 90.1 ± 0.9) and 49.2 % (48.7 ± 1.6)
_STEP = 0x9E3779B97F4A7C15  # far from any seed that a person would type


@dataclass(frozen=True)
class Criterion:
    """One line of the card.

    Attributes:
        id: name used by findings, for instance ``"even"``.
        says: what is asked, as a student reads it: ``"even columns hold the sine"``.
        share: part of the question's points, relative to the other criteria; 0 is shown but not counted. Points are
            given in quarters (`helpers.checks.points`).
        hint: what is tested, in more words; shown under the card when this fails and no known mistake matches. It
            says nothing about causes: the usual cause is not always the cause.
        counts_with: ids of criteria that rest on arrays which only the answer can give. This one is shown as it is
            found and counts when at least one of them is met: for facts that a kernel could claim about itself.
    """

    id: str
    says: str
    share: float = 1.0
    hint: str = ""
    counts_with: tuple[str, ...] = ()


class Case(Mapping[str, Any]):
    """Inputs for one call of the answer: ``Case("4 positions", seq_len=4)["seq_len"] == 4``.

    Args:
        name: what a student reads.
        criteria: ids of the criteria this case covers; empty means all of them.
        inputs: plain numbers, strings and numpy arrays.
    """

    def __init__(self, name: str, /, *, criteria: tuple[str, ...] | str = (), **inputs: Any) -> None:
        self.name = name
        self.criteria = (criteria,) if isinstance(criteria, str) else tuple(criteria)
        self._inputs = inputs

    def __getitem__(self, key: str) -> Any:
        return self._inputs[key]

    def __iter__(self):
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def covers(self, criterion: str) -> bool:
        return not self.criteria or criterion in self.criteria

    def __repr__(self) -> str:
        return f"Case({self.name!r})"


@dataclass(frozen=True)
class Finding:
    """What one case says about one criterion; `detail` is shown to the student on public cases only.

    Attributes:
        of: for a criterion such as "other sizes work as well", the criterion that is asked again at this size. What
            fails there and fails as a criterion of its own is counted there and not again here: one mistake costs
            once.
    """

    criterion: str
    ok: bool
    detail: str = ""
    of: str = ""


class Question(ABC):
    """A question of the course. Subclasses live in `helpers.questions` and contain no answer."""

    id: ClassVar[str]
    title: ClassVar[str]
    signature: ClassVar[str]
    criteria: ClassVar[tuple[Criterion, ...]]
    measured: ClassVar[str] = ""
    trains: ClassVar[bool] = False  # a check of this question trains a whole model

    @abstractmethod
    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        """Inputs drawn from `rng`; the same code draws the public cases and the secret ones."""

    @abstractmethod
    def probe(self, answer: Callable[..., Any], case: Case) -> Mapping[str, Any]:
        """Call the answer on one case and return what it gave: tensors, arrays, numbers, bools."""

    @abstractmethod
    def judge(self, case: Case, expected: Mapping[str, np.ndarray], got: Arrays) -> Iterable[Finding]:
        """Compare arrays. Pure numpy: no student object ever reaches it."""

    def measure(self, case: Case, expected: Mapping[str, np.ndarray], got: Arrays) -> float | None:
        """A number between 0 and 1 to compare entries by (`measured` names it); None where there is none."""
        return None

    def notes(self, recorded: Sequence[Arrays | None]) -> Iterable[str]:
        """Sentences for the card of a notebook, from what the public cases recorded; they cost no points."""
        return ()

    def features(
        self, case: Case, expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        """Arrays by which a mistake is recognised; override where parameters are free."""
        return got

    def picture(
        self, case: Case, expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray] | None
    ) -> Figure | None:
        """The target alone (`got` is None) or the answer beside it; None where seeing doesn't help."""
        return None


@dataclass(frozen=True)
class Expected:
    """The solution's arrays for the cases of one question, with what is needed to name a mistake.

    Attributes:
        points: what the question is worth.
        arrays: one mapping per case.
        mistakes: fingerprints with their hints, see `helpers.checks.fingerprint`.
        needed: attributes that cells after the check read from the answer.
    """

    points: float
    arrays: tuple[Mapping[str, np.ndarray], ...]
    mistakes: tuple[Any, ...] = field(default=())
    needed: tuple[str, ...] = ()


def public_rng(question_id: str) -> np.random.Generator:
    """The generator of the public cases, the same on every machine."""
    return case_rng(question_id, _PUBLIC.get(question_id, 0))


def secret_cases(question: Question, seed: int) -> list[Case]:
    """The cases of `question` under a secret seed.

    Drawn again (deterministically) while one has the sizes of a public case without being that very case: arrays
    known from the public cases then never fit a secret one. A question whose sizes are fixed keeps the first draw.
    """
    public = list(question.cases(public_rng(question.id)))
    first: list[Case] = []
    for attempt in range(_DRAWS):
        cases = list(question.cases(case_rng(question.id, seed + attempt * _STEP)))
        first = first or cases
        if not any(_replayable(case, known) for case in cases for known in public):
            return cases
    return first


def _replayable(case: Case, known: Case) -> bool:
    return _sizes(case) == _sizes(known) and not all(np.array_equal(case[k], known[k]) for k in case)


def _sizes(case: Case) -> tuple[tuple[str, object], ...]:
    """Integers and array shapes of a case: what decides the shapes of an answer."""
    return tuple((k, v if isinstance(v, int | str | tuple) else np.shape(v)) for k, v in sorted(case.items()))


def case_rng(question_id: str, seed: int) -> np.random.Generator:
    """Generator for a question's cases under `seed`, independent from question to question."""
    return np.random.default_rng([*question_id.encode(), *(seed % 2**128).to_bytes(16, "big")])
