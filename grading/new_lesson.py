"""`vitlab new`: the files of a new lesson, which build and grade as they are, to be edited by its author."""

from __future__ import annotations

import re
from pathlib import Path

import tomlkit

from grading.course import FILE, Course, CourseError, load_course
from helpers.questions import every_question

_ID = re.compile(r"\d\d_[a-z][a-z0-9_]*")

_SOURCE = """\
# %% [markdown]
# # {number} · {title} {{{{badge}}}}
#
# **In one sentence:** say what the reader can do after this lesson.
#
# | | |
# |---|---|
# | **You need** | tensors and indexing in PyTorch; no earlier lesson |
# | **Time** | {minutes} minutes |
# | **You write** | {question} `centred` (one short blank) |

# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch

from helpers import check, ready

# %% [markdown]
# ## 1 · Centre a batch
#
# The **mean over the batch** of a tensor `x` of shape `(b, d)` is the vector of the `d` column means. Subtract it, so
# that each column has mean 0.
#
# <details><summary>Hint: the shapes do not fit</summary>
#
# `x.mean(0)` has shape `(d,)`, which broadcasts over the rows of `x`.
#
# </details>

# %% tags=["answer"] question="{question}"
# {question}: subtract the mean over the batch
def centred(x):
    mean = x.mean(0)  # BLANK
    return x - mean


# %% tags=["check"] question="{question}" points=2
check("{question}", centred)

# %%
if ready("{question}"):
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    print(centred(x))

# %% [markdown]
# ## Recap
#
# Say in two sentences what came out.
"""

_MISTAKES = """\
\"\"\"Lesson {number}: what students write, right in unusual ways and wrong in usual ones.\"\"\"

import torch

from grading.judging.bank import mistake, right


@right("{question}")
def with_einsum(x):
    return x - torch.einsum("bd->d", x) / len(x)


@mistake("{question}", hint="Each row now has mean 0, and each column should. Over which axis does your mean run?")
def mean_over_the_columns(x):
    return x - x.mean(1, keepdim=True)


@mistake("{question}", hint="One number was subtracted from all entries. The mean of a batch is a vector.")
def one_mean_for_all(x):
    return x - x.mean()
"""

_QUESTION = """\
\"\"\"Lesson {number}: how its questions are asked and judged. It ships to students and contains no answer.\"\"\"

from __future__ import annotations

from helpers.checks import Case, Criterion, Question, same, same_shape, tensor


class Centred(Question):
    id = "{question}"
    title = "Subtract the mean over the batch"
    signature = "centred(x) -> tensor of the shape of x"
    criteria = (
        Criterion("shape", "the shape stays", share=0),
        Criterion("values", "each column has mean 0", hint="Print x.mean(0) of what you return: it should be zero."),
    )

    def cases(self, rng):
        yield Case("2 rows, 3 columns", x=rng.normal(size=(2, 3)).astype("float32"))
        rows, columns = (int(n) for n in rng.integers(3, 9, size=2))
        yield Case(f"{{rows}} rows, {{columns}} columns", x=rng.normal(size=(rows, columns)).astype("float32"))

    def probe(self, answer, case):
        return {{"centred": answer(tensor(case["x"]))}}

    def judge(self, case, expected, got):
        yield same_shape("shape", expected["centred"], got["centred"])
        yield same("values", expected["centred"], got["centred"], got.tolerance)


QUESTIONS = (Centred(),)
"""


def make_lesson(course: Course, lesson_id: str, *, title: str | None = None, minutes: int = 45) -> list[Path]:
    """Write the files of a new lesson and its entry in course.toml.

    Returns:
        the files that the author edits, course.toml last.

    Raises:
        CourseError: the id is of the wrong form or taken, or a file is there already. Nothing is written then.
    """
    if not _ID.fullmatch(lesson_id):
        raise CourseError(
            f"{lesson_id!r} is no id for a lesson: two digits and a name in lower case, as in 16_my_lesson"
        )
    if any(lesson.id == lesson_id for lesson in course.lessons):
        raise CourseError(f"{FILE} already has the lesson {lesson_id}: choose another id, or edit its files")
    number, _, name = lesson_id.partition("_")
    words = {
        "number": number,
        "title": title or name.replace("_", " ").capitalize(),
        "minutes": minutes,
        "question": _next_question(),
    }
    files = {
        course.source(lesson_id): _SOURCE,
        course.bank(lesson_id): _MISTAKES,
        course.questions / f"{name}.py": _QUESTION,
    }
    if there := [path for path in files if path.exists()]:
        raise CourseError(f"{there[0].relative_to(course.root)} is there already: move it away, or choose another id")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**words), "utf-8")
    entry = {"id": lesson_id, "title": words["title"], "minutes": minutes}
    (course.root / FILE).write_text(_with_lesson((course.root / FILE).read_text("utf-8"), entry), "utf-8")
    load_course(course.root)
    return [*files, course.root / FILE]


def _with_lesson(text: str, entry: dict[str, object]) -> str:
    """course.toml with one more lesson at the end of the list; comments and order stay."""
    document = tomlkit.parse(text)
    table = tomlkit.table()
    table.update(entry)
    lessons = document["lessons"]
    assert isinstance(lessons, tomlkit.items.AoT)
    lessons.append(table)
    return tomlkit.dumps(document)


def _next_question() -> str:
    """An id that no question has: one more than the largest number."""
    numbers = [int(found.group(1)) for name in every_question() if (found := re.match(r"Q(\d+)", name))]
    return f"Q{max(numbers, default=0) + 1}"
