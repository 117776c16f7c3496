"""Students who did what they could, and whose files are as Jupyter saves them."""

from __future__ import annotations

from grading.demo.lesson_kit import File, LessonKit


def right(kit: LessonKit) -> File:
    """Imitates who got everything right, much as the solution has it."""
    return kit.hand_in(kit.solved())


def another_style(kit: LessonKit, number: int) -> File:
    """Imitates who is right in an unusual way: loops for reshapes, einops, other dtypes. Full marks are due."""
    return kit.hand_in(kit.solved({q: kit.right(q, number) for q in kit.questions}, written=number))


def one_mistake(kit: LessonKit, question: int, number: int) -> File:
    """Imitates who made one of the mistakes we know, in one question, and got the others right."""
    name = kit.questions[question % len(kit.questions)]
    return kit.hand_in(kit.solved({name: kit.mistake(name, number)}, written=number))


def half_done(kit: LessonKit) -> File:
    """Imitates who ran out of time after the first question."""
    first = kit.questions[0]
    return kit.hand_in(kit.notebook({first: kit.solution(first)}))


_SCRATCH = """

{0} = {{}}
for {1} in range(7, 31, 8):
    {0}[f"try {{{1}:>3}}"] = round({1}**0.75, 2) - {1} % 5
print(*sorted({0}.items(), key=lambda {2}: -{2}[1])[:2], sep=" | ")"""


def alike(kit: LessonKit, names: tuple[str, str, str]) -> File:
    """Imitates two who worked together: the same odd lines in every answer, under names of each one's own."""
    scratch = _SCRATCH.format(*names)
    return kit.hand_in(kit.solved({q: kit.solution(q) + scratch for q in kit.questions}))


def untouched(kit: LessonKit) -> File:
    """Imitates who handed in the notebook as it was given out."""
    return kit.hand_in(kit.notebook())


def missing_bracket(kit: LessonKit) -> File:
    """Imitates a last-minute `print` with a bracket missing: the whole cell of the last question fails to parse."""
    last = kit.questions[-1]
    return kit.hand_in(kit.solved({last: kit.solution(last) + '\n\nprint("done!"'}))


def warnings(kit: LessonKit) -> File:
    """Imitates answers that are right and noisy: warnings and a progress line on standard error."""
    noise = (
        "import sys\nimport warnings\n\n"
        'warnings.warn("non-writable buffer: this will be an error in a future version", stacklevel=1)\n'
        'print("100%|##########| 16/16", file=sys.stderr)'
    )
    return kit.hand_in(kit.solved({q: f"{kit.solution(q)}\n\n{noise}" for q in kit.questions}))


def renamed(kit: LessonKit) -> File:
    """Imitates a second download that was renamed by hand: spaces, brackets, a letter that isn't ASCII."""
    return kit.hand_in(kit.solved(written=1), f"Übung {kit.lesson} (1) FINAL v2.ipynb")
