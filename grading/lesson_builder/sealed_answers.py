"""Seals a lesson's reference answers and other right answers, so that they ship and open for who has solved them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.fernet import Fernet

from grading.judging.reference import Reference
from grading.lesson_builder.quiet import without_warnings
from helpers.checks.answer_key import (
    PRECISION,
    Lock,
    Numbers,
    Pick,
    Sealed,
    digits,
    key_from,
    numbers_of,
    opened,
    read_sealed,
)
from helpers.checks.probing import probe_all
from helpers.checks.question import Question, public_rng
from helpers.checks.sealed import SealedQuestion
from helpers.checks.wire_format import Failure
from helpers.questions import find

PICKS = 48
FEWEST = 6  # numbers that tell something; with fewer the key could be guessed
_FAR_ENOUGH = 2e-3  # relative to the largest number: far more than rounding, also with TF32
_MARGIN = 0.3  # of a step, from the nearest rounding boundary


@without_warnings()
def write_sealed(reference: Reference, path: Path) -> tuple[str, ...]:
    """Write the lesson's file unless the one that is there still opens to the same text.

    Returns:
        questions whose answers can't be sealed: their answers don't compute enough, or a mistake computes the same.
    """
    old = _old(path)
    entries, left = {}, []
    for qid in reference.answers:
        text = answers_text(reference, qid)
        kept = old.get(qid)
        answers = _right_answers(reference, qid)
        opening = 0 if kept is None else _opening(qid, kept, answers, text)
        if kept is not None and opened_by_mistakes(reference, qid, kept):
            kept, opening = None, 0  # the bank has gained a mistake that the picked numbers do not tell apart
        if kept is not None and opening == len(answers):
            entries[qid] = kept
            continue
        made = seal(reference, qid, text)
        if kept is not None and opening and (made is None or _opening(qid, made, answers, text) <= opening):
            made = kept
        if made is not None and not _opening(qid, made, answers, text):
            made = None
        if made is not None:
            entries[qid] = made
        else:
            left.append(qid)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({q: _as_json(s) for q, s in entries.items()}, indent=0, sort_keys=True) + "\n", "utf-8")
    return tuple(left)


@without_warnings()
def sealed_drift(reference: Reference, path: Path) -> list[str]:
    """Questions whose sealed answers don't open to what the source says."""
    old = _old(path)
    stale = [
        qid
        for qid, sealed in old.items()
        if qid not in reference.answers
        or not _opening(qid, sealed, _right_answers(reference, qid), answers_text(reference, qid))
    ]
    found = [f"sealed answers of {', '.join(stale)} differ from the source"] if stale else []
    for qid in (q for q in old if q not in stale):
        names = opened_by_mistakes(reference, qid, old[qid])
        found += [f"known mistakes open the sealed answers of {qid}: {', '.join(names)}"] if names else []
    return found


def opened_by_mistakes(reference: Reference, qid: str, sealed: Sealed) -> list[str]:
    """Names of the bank's mistakes that compute the key of some lock.

    Deriving a key takes long, so only mistakes that agree with a right answer in all picked numbers are tried: that
    answer may belong to another lock.
    """
    question, salt = find(qid), base64.b64decode(sealed.salt)
    right = [numbers for a in _right_answers(reference, qid) if (numbers := numbers_of(question, a)) is not None]
    agreed = [{_digits(numbers, lock.picks) for numbers in right} - {None} for lock in sealed.locks]
    found = []
    for entry in reference.bank.mistakes_of(qid):
        numbers = numbers_of(question, entry.answer)
        if numbers is not None and any(
            _digits(numbers, lock.picks) in known and _opens(numbers, lock, salt)
            for lock, known in zip(sealed.locks, agreed, strict=True)
        ):
            found.append(entry.name)
    return found


def _right_answers(reference: Reference, qid: str) -> list[Any]:
    """The solution's answer and the bank's right ones."""
    return [reference.answers[qid], *(entry.answer for entry in reference.bank.rights_of(qid))]


def _opening(qid: str, sealed: Sealed, answers: Sequence[Any], text: str) -> int:
    """How many of these answers open a sealed text to `text`; a style whose numbers tell too little may not."""
    return sum(opened(find(qid), answer, sealed) == text for answer in answers)


def answers_text(reference: Reference, qid: str) -> str:
    """Titles and texts: the solution, then the bank's right answers."""
    cell = next(cell for cell in reference.lesson.of("answer") if cell.question == qid)
    shown = [("The course's answer", cell.source)]
    for entry in reference.bank.rights_of(qid):
        shown.append((f"Also right: {entry.name}", entry.source(entry.name)))
    return json.dumps(shown, ensure_ascii=False)


def seal(reference: Reference, qid: str, text: str) -> Sealed | None:
    """The text of a question, locked by every style of right answer; None when it can't be locked safely."""
    question = find(qid)
    if isinstance(question, SealedQuestion):
        return None
    salt, key = os.urandom(16), Fernet.generate_key()
    known = [_public(reference, qid), *(numbers_of(question, e.answer) for e in reference.bank.mistakes_of(qid))]
    wrong = [numbers for numbers in known if numbers is not None]
    locks: list[Lock] = []
    for answer in _right_answers(reference, qid):
        numbers = numbers_of(question, answer)
        if numbers is None or any(_opens(numbers, lock, salt) for lock in locks):
            continue
        picks = pick(question, answer, numbers)
        picks += _telling_apart(numbers, wrong, picks)
        secret = digits(numbers, picks)
        if secret is None or len({repr(one) for one in json.loads(secret)}) < FEWEST:
            continue
        if any(_digits(one, picks) == secret for one in wrong):
            continue
        locks.append(Lock(picks, Fernet(key_from(secret, salt)).encrypt(key).decode()))
    if not locks:
        return None
    return Sealed(base64.b64encode(salt).decode(), Fernet(key).encrypt(text.encode()).decode(), tuple(locks))


def pick(question: Question, answer: Any, numbers: Numbers) -> tuple[Pick, ...]:
    """Numbers to make the key of: spread over all cases and arrays, each well inside its step.

    An array that comes out otherwise when asked again is left out.
    """
    again = numbers_of(question, answer)
    queues: list[Iterator[Pick]] = []
    for case, arrays in enumerate(numbers):
        for name, array in sorted(arrays.items()):
            other = None if again is None else again[case].get(name)
            if other is not None and np.array_equal(array, other, equal_nan=array.dtype.kind == "f"):
                queues.append(iter(_of_array(case, name, array)))
    picks: list[Pick] = []
    while queues and len(picks) < PICKS:
        for queue in list(queues):
            found = next(queue, None)
            if found is None:
                queues.remove(queue)
            elif len(picks) < PICKS:
                picks.append(found)
    return tuple(picks)


def _telling_apart(numbers: Numbers, wrong: Sequence[Numbers], picks: tuple[Pick, ...]) -> tuple[Pick, ...]:
    """One more number for each wrong answer that agrees in all picked ones, where there is such a number."""
    more: list[Pick] = []
    for one in wrong:
        if _digits(one, [*picks, *more]) != digits(numbers, [*picks, *more]):
            continue
        found = (
            p
            for case, name in sorted({(p[0], p[1]) for p in picks})
            for p in _of_array(case, name, numbers[case][name], most=None)
            if _digits(one, [p]) != digits(numbers, [p])
        )
        extra = next(found, None) or _finer(numbers, one, picks) or _precision(numbers, one, picks)
        more += [extra] if extra is not None else []
    return tuple(more)


def _precision(numbers: Numbers, wrong: Numbers, picks: Sequence[Pick]) -> Pick | None:
    """The first array that a wrong answer gives in another precision, though with the same numbers."""
    return next(
        (
            (case, name, PRECISION, 1.0)
            for case, name in sorted({(p[0], p[1]) for p in picks})
            if name in wrong[case] and wrong[case][name].dtype.itemsize != numbers[case][name].dtype.itemsize
        ),
        None,
    )


def _finer(numbers: Numbers, wrong: Numbers, picks: Sequence[Pick]) -> Pick | None:
    """The number in which a wrong answer is farthest off, with a step as small as that."""
    best: list[tuple[float, Pick]] = []
    for case, name in sorted({(p[0], p[1]) for p in picks}):
        mine, theirs = (np.asarray(n[case].get(name, ()), np.float64).reshape(-1) for n in (numbers, wrong))
        if mine.shape != theirs.shape or not mine.size:
            continue
        off = np.nan_to_num(np.abs(mine - theirs)) / max(float(np.nanmax(np.abs(mine))), 1e-6)
        for place in np.argsort(off)[::-1][:20]:
            for factor in (0.7, 1.0, 1.4, 1.9):
                step = float(f"{factor * abs(mine[place] - theirs[place]):.2e}")
                if off[place] > _FAR_ENOUGH and step > 0 and np.isfinite(mine[place]):
                    inside = abs(mine[place] / step - np.rint(mine[place] / step)) < 0.5 - _MARGIN
                    if inside and np.rint(mine[place] / step) != np.rint(theirs[place] / step):
                        best.append((float(off[place]), (case, name, int(place), step)))
    return max(best)[1] if best else None


def _of_array(case: int, name: str, array: np.ndarray, most: int | None = PICKS) -> list[Pick]:
    if array.dtype.kind not in "fiub" or not array.size:
        return []
    flat = array.astype(np.float64).reshape(-1)
    finite = flat[np.isfinite(flat)]
    if array.dtype.kind != "f":
        step = 1.0
    elif finite.size:
        step = float(f"{max(0.05 * finite.std(), 0.02 * np.abs(finite).max(), 1e-4):.1e}")
    else:
        return []
    order = np.random.default_rng(0).permutation(flat.size)
    steps = np.where(np.isinf(flat), 0, flat) / step
    off = np.abs(steps - np.rint(steps))  # from the middle of its step; nan is no less than anything
    inside = [int(i) for i in order if off[i] < 0.5 - _MARGIN]
    return [(case, name, i, step) for i in inside[:most]]


def _public(reference: Reference, qid: str) -> Numbers | None:
    """What every student has: the expected arrays of the public cases, in the place of the key's."""
    question = find(qid)
    cases = list(question.cases(public_rng(qid)))
    recorded = probe_all(question, reference.answers[qid], cases)
    if any(isinstance(one, Failure) for one in recorded):
        return None
    return [dict(one) for one in recorded] * 2  # type: ignore[arg-type]


def _digits(numbers: Numbers, picks: Sequence[Pick]) -> bytes | None:
    try:
        return digits(numbers, picks)
    except IndexError:
        return None


def _opens(numbers: Numbers, lock: Lock, salt: bytes) -> bool:
    from cryptography.fernet import InvalidToken

    secret = digits(numbers, lock.picks)
    if secret is None:
        return False
    try:
        Fernet(key_from(secret, salt)).decrypt(lock.key.encode())
    except InvalidToken:
        return False
    return True


def _as_json(sealed: Sealed) -> dict[str, Any]:
    locks = [{"picks": [list(p) for p in lock.picks], "key": lock.key} for lock in sealed.locks]
    return {"salt": sealed.salt, "text": sealed.text, "locks": locks}


def _old(path: Path) -> dict[str, Sealed]:
    try:
        return read_sealed(path)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
