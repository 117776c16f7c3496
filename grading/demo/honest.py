"""Students who did what they could, and whose files are as Jupyter saves them."""

from __future__ import annotations

from grading.demo.lesson_kit import Desk, File


def right(desk: Desk) -> File:
    """Imitates who got everything right, much as the solution has it."""
    return desk.hand_in(desk.solved())


def another_style(desk: Desk, number: int) -> File:
    """Imitates who is right in an unusual way: loops for reshapes, einops, other dtypes. Full marks are due."""
    return desk.hand_in(desk.solved({q: desk.right(q, number) for q in desk.questions}, written=number))


def one_mistake(desk: Desk, question: int, number: int) -> File:
    """Imitates who made one of the mistakes we know, in one question, and got the others right."""
    name = desk.questions[question % len(desk.questions)]
    return desk.hand_in(desk.solved({name: desk.mistake(name, number)}, written=number))


def half_done(desk: Desk) -> File:
    """Imitates who ran out of time after the first question."""
    first = desk.questions[0]
    return desk.hand_in(desk.notebook({first: desk.solution(first)}))


_SCRATCH = """

{0} = {{}}
for {1} in range(7, 31, 8):
    {0}[f"try {{{1}:>3}}"] = round({1}**0.75, 2) - {1} % 5
print(*sorted({0}.items(), key=lambda {2}: -{2}[1])[:2], sep=" | ")"""


def alike(desk: Desk, names: tuple[str, str, str]) -> File:
    """Imitates two who worked together: the same odd lines in every answer, under names of each one's own."""
    scratch = _SCRATCH.format(*names)
    return desk.hand_in(desk.solved({q: desk.solution(q) + scratch for q in desk.questions}))


def untouched(desk: Desk) -> File:
    """Imitates who handed in the notebook as it was given out."""
    return desk.hand_in(desk.notebook())


def missing_bracket(desk: Desk) -> File:
    """Imitates a last-minute `print` with a bracket missing: the whole cell of the last question fails to parse."""
    last = desk.questions[-1]
    return desk.hand_in(desk.solved({last: desk.solution(last) + '\n\nprint("done!"'}))


def warnings(desk: Desk) -> File:
    """Imitates answers that are right and noisy: warnings and a progress line on standard error."""
    noise = (
        "import sys\nimport warnings\n\n"
        'warnings.warn("non-writable buffer: this will be an error in a future version", stacklevel=1)\n'
        'print("100%|##########| 16/16", file=sys.stderr)'
    )
    return desk.hand_in(desk.solved({q: f"{desk.solution(q)}\n\n{noise}" for q in desk.questions}))


def renamed(desk: Desk) -> File:
    """Imitates a second download that was renamed by hand: spaces, brackets, a letter that isn't ASCII."""
    return desk.hand_in(desk.solved(written=1), f"Übung {desk.lesson} (1) FINAL v2.ipynb")
