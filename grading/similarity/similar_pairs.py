"""Finds students whose answers resemble each other more than the task explains.

Every subtree of an answer carries as many bits as it is rare in the class, beyond what its own parts carry: a rare
choice counts once, a second one that has nothing to do with it counts again. What the notebook gave, what the
solution or the bank of known answers has, and what many wrote, counts nothing. Two students are named when an answer of
theirs is nearly the same and what it shares amounts to more bits than the best of all pairs of a class would
reach by chance: about three choices that hardly anybody else made. One-line answers hold too few to get there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2

from grading.similarity.ast_features import Form, form_of

NEAR = 0.7  # of what two wrote themselves is shared: one constant deep inside changes all around it
RARE = 0.05  # of the class, but always COMPANY: what more students wrote points to nobody
COMPANY = 4
SMALLEST = 12  # nodes that a student wrote; less leaves no room

QuestionKey = tuple[str, str]  # lesson, question


@dataclass(frozen=True)
class Alike:
    """One question that two students answered nearly the same way; `share` is 1 when only names and layout differ."""

    lesson: str
    question: str
    students: tuple[str, str]
    share: float
    bits: float
    texts: tuple[str, str]


@dataclass(frozen=True)
class Group:
    """Students who are tied to each other, and by what; the strongest tie first."""

    students: tuple[str, ...]
    ties: tuple[Alike, ...]

    @property
    def bits(self) -> float:
        return max(tie.bits for tie in self.ties)


def alike(
    answers: Mapping[QuestionKey, Mapping[str, str]],
    given: Mapping[QuestionKey, str],
    known: Mapping[str, Iterable[str]],
) -> list[Group]:
    """Groups of students with near-identical answers, the clearest first.

    Args:
        answers: by lesson and question: each student's text.
        given: the released notebook's text of the same cell.
        known: by lesson: texts that many may come to by themselves: the solution, the bank of right and wrong answers.
    """
    ties: list[Alike] = []
    for lesson in dict.fromkeys(lesson for lesson, _ in answers):
        common = _subtrees(known.get(lesson, ()))
        found: dict[tuple[str, str], list[Alike]] = defaultdict(list)
        class_size = 0
        for (whose, question), texts in answers.items():
            if whose == lesson:
                pairs = _question(lesson, question, texts, given.get((lesson, question), ""), common)
                class_size = max(class_size, len(texts))
                for tie in pairs:
                    found[tie.students].append(tie)
        enough = threshold(class_size)
        ties += [tie for pair in found.values() if sum(t.bits for t in pair) > enough for tie in pair]
    return _groups(ties)


def threshold(students: int) -> float:
    """Bits that two of so many students may share by chance: each pair is a try, and one bit for good measure."""
    return 2 * log2(max(students, 2)) + 1


def _subtrees(texts: Iterable[str]) -> set[int]:
    """Of our own files, whatever their length."""
    return {subtree for text in texts if (form := form_of(text, len(text))) is not None for subtree in form.counts}


def _question(lesson: str, question: str, texts: Mapping[str, str], given: str, common: set[int]) -> list[Alike]:
    start = form_of(given) or Form()
    forms: dict[str, Form] = {}
    for student, text in texts.items():
        form = form_of(text)
        if form is not None and form.whole != start.whole:
            forms[student] = form
    total = len(forms)
    holders: dict[int, list[str]] = defaultdict(list)
    for student, form in forms.items():
        for subtree in form.counts:
            holders[subtree].append(student)
    nothing = common | start.counts.keys()

    def rarity(subtree: int) -> float:
        return 0.0 if subtree in nothing else log2(total / len(holders[subtree]))

    inner = {subtree: below for form in forms.values() for subtree, below in form.inner.items()}
    most = max(COMPANY, int(RARE * total))
    bits: Counter[tuple[str, str]] = Counter()
    for subtree, people in holders.items():
        if 2 <= len(people) <= most and subtree not in nothing:
            weight = rarity(subtree) - max((rarity(part) for part in inner[subtree]), default=0.0)
            if weight > 0:
                for pair in combinations(sorted(people), 2):
                    bits[pair] += weight  # type: ignore[assignment]
    found = []
    for (a, b), shared in bits.items():
        own = _own(forms[a], start), _own(forms[b], start)
        share = _share(*own)
        if share >= NEAR and min(sum(counts.values()) for counts in own) >= SMALLEST:
            share = 1.0 if forms[a].whole == forms[b].whole else min(share, 0.99)
            found.append(Alike(lesson, question, (a, b), share, shared, (texts[a], texts[b])))
    return found


def _own(form: Form, start: Form) -> dict[int, int]:
    """Subtrees that the notebook didn't give."""
    return {subtree: count for subtree, count in form.counts.items() if subtree not in start.counts}


def _share(a: Mapping[int, int], b: Mapping[int, int]) -> float:
    both = sum(min(count, b.get(subtree, 0)) for subtree, count in a.items())
    return 2 * both / max(1, sum(a.values()) + sum(b.values()))


def _groups(ties: Sequence[Alike]) -> list[Group]:
    """Students tied directly or through others."""
    leader: dict[str, str] = {}

    def top(student: str) -> str:
        while leader.setdefault(student, student) != student:
            student = leader[student]
        return student

    for tie in ties:
        a, b = map(top, tie.students)
        leader[b] = a
    members: dict[str, list[Alike]] = defaultdict(list)
    for tie in ties:
        members[top(tie.students[0])].append(tie)
    groups = []
    for own in members.values():
        people = sorted({student for tie in own for student in tie.students}, key=str.casefold)
        groups.append(Group(tuple(people), tuple(sorted(own, key=lambda t: (-t.bits, t.lesson, t.question)))))
    return sorted(groups, key=lambda group: (-group.bits, group.students))
