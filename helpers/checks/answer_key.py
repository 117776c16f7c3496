"""The key to a question's reference answers: derived from what only a right answer computes.

The reference answers ship encrypted. The key comes from numbers that an answer gives on inputs of their own, whose
outputs ship nowhere. Each number is rounded to a coarse step; only numbers far from a rounding boundary were picked
when the answers were sealed, so float32 and float64, CPU and GPU give the same key. Every style of right answer that
the course knows has a lock of its own, since parameters may be laid out in several ways.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from helpers.checks.probing import probe_all
from helpers.checks.question import Case, Question, case_rng
from helpers.checks.wire_format import Failure
from helpers.course_folder import expected_folder

SEEDS = (7_340_033, 7_340_037)  # of the inputs; not those of the public cases, never those of a class
_COST = {"n": 2**14, "r": 8, "p": 1}  # of scrypt: about 50 ms a try

Pick = tuple[int, str, int, float]  # case, array, place in the flat array or PRECISION, step
PRECISION = -1  # a place that stands for the bytes of a number, where a wrong answer is wrong in nothing else
Numbers = Sequence[Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Lock:
    """One way to the text: the picked numbers of one style of answer, and the text's key encrypted with them."""

    picks: tuple[Pick, ...]
    key: str


@dataclass(frozen=True)
class Sealed:
    """The encrypted answers of one question."""

    salt: str
    text: str
    locks: tuple[Lock, ...]


def key_cases(question: Question) -> list[Case]:
    """Inputs of the key."""
    return [case for seed in SEEDS for case in question.cases(case_rng(question.id, seed))]


def numbers_of(question: Question, answer: Any) -> list[dict[str, np.ndarray]] | None:
    """What an answer gives on them; None when it raises anywhere."""
    recorded = probe_all(question, answer, key_cases(question))
    if any(isinstance(one, Failure) for one in recorded):
        return None
    return [{name: np.asarray(array) for name, array in one.items()} for one in recorded]  # type: ignore[union-attr]


def digits(numbers: Numbers, picks: Sequence[Pick]) -> bytes | None:
    """The picked numbers in steps, with the shapes of their arrays; None where an array is too small or holds a nan.

    Infinity, as in a mask, is a step of its own.
    """
    found: list[Any] = [list(np.shape(numbers[c].get(n, ()))) for c, n in sorted({(p[0], p[1]) for p in picks})]
    for case, name, place, step in picks:
        if place == PRECISION:
            found.append(np.asarray(numbers[case].get(name, ())).dtype.itemsize)
            continue
        flat = np.asarray(numbers[case].get(name, ()), np.float64).reshape(-1)
        if place >= flat.size or np.isnan(flat[place]):
            return None
        found.append(str(flat[place]) if np.isinf(flat[place]) else int(np.rint(flat[place] / step)))
    return json.dumps(found).encode()


def key_from(secret: bytes, salt: bytes) -> bytes:
    """A Fernet key from the digits.

    Raises:
        ModuleNotFoundError: `cryptography` is not installed.
    """
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return base64.urlsafe_b64encode(Scrypt(salt=salt, length=32, **_COST).derive(secret))


def opened(question: Question, answer: Any, sealed: Sealed) -> str | None:
    """The text, if this answer computes the key of one of the locks."""
    from cryptography.fernet import Fernet, InvalidToken

    numbers = numbers_of(question, answer)
    if numbers is None:
        return None
    salt = base64.b64decode(sealed.salt)
    for lock in sealed.locks:
        secret = digits(numbers, lock.picks)
        if secret is None:
            continue
        try:
            key = Fernet(key_from(secret, salt)).decrypt(lock.key.encode())
        except InvalidToken:
            continue
        return Fernet(key).decrypt(sealed.text.encode()).decode()
    return None


def read_sealed(path: Path) -> dict[str, Sealed]:
    """The sealed answers of one lesson."""
    found = {}
    for question, one in json.loads(path.read_text("utf-8")).items():
        locks = tuple(Lock(tuple(map(tuple, lock["picks"])), lock["key"]) for lock in one["locks"])
        found[question] = Sealed(one["salt"], one["text"], locks)
    return found


@lru_cache(maxsize=1)
def every_sealed() -> dict[str, Sealed]:
    """Those of all lessons that have some."""
    found: dict[str, Sealed] = {}
    for path in sorted(expected_folder().glob("*.answers.json")):
        found |= read_sealed(path)
    return found
