"""Three depths from one source: what each shows, what it hides, and that intake takes up an answer at each."""

from __future__ import annotations

import ast
from dataclasses import replace

import nbformat
import pytest

from grading.course import Level, load_course
from grading.demo.lesson_kit import LessonKit, _imports
from grading.intake.transplant import transplant
from grading.judging.bank import load_bank
from grading.judging.cells_to_run import role_of
from grading.lesson_builder.lesson import student_notebook_at
from grading.lesson_builder.line_counts import count_lines, lines_table
from grading.lesson_source.blanks import BlankError
from grading.lesson_source.levels import make_blank_page, make_levels
from grading.lesson_source.source import read_source
from tests.conftest import ROOT

COURSE = load_course(ROOT)
LESSONS = [lesson.id for lesson in COURSE.lessons]

LAYER = '''# Q1: a layer
class Layer(nn.Module):
    """(b, d) -> (b, d)"""

    def __init__(self, d, scale=2.0):
        super().__init__()
        self.linear = nn.Linear(d, d)
        self.scale = scale

    def helper(self, x):
        return x + 1

    def forward(self, x):
        """Scaled."""
        # what comes first
        x = self.linear(x)
        y = self.helper(x) * self.scale  # BLANK
        return y
'''


def test_guided_is_the_marked_blanks() -> None:
    made = make_levels(LAYER)
    assert made.student == made.solution.replace("self.helper(x) * self.scale", "___")
    assert made.written[Level.guided] == 1


def test_standard_blanks_the_bodies_that_hold_a_blank_and_leaves_the_plumbing() -> None:
    made = make_levels(LAYER)
    start, _, _ = LAYER.partition("        # what comes first")
    assert made.texts[Level.standard] == start + "        # Your code here (about 3 lines).\n        ___\n"
    assert made.written[Level.standard] == 3


def test_open_is_comment_signatures_and_docstrings() -> None:
    made = make_levels(LAYER)
    assert made.texts[Level.open] == (
        '# Q1: a layer\nclass Layer(nn.Module):\n    """(b, d) -> (b, d)"""\n\n'
        "    def __init__(self, d, scale=2.0):\n        ___\n\n"
        '    def forward(self, x):\n        """Scaled."""\n        ___\n'
    )
    assert made.written[Level.open] == 8  # three of __init__, helper with its signature, three of forward


def test_keep_leaves_a_line_or_a_method_and_write_takes_one() -> None:
    kept = LAYER.replace("x = self.linear(x)", "x = self.linear(x)  # KEEP").replace(
        "def helper(self, x):", "def helper(self, x):  # KEEP"
    )
    made = make_levels(kept)
    assert "# KEEP" not in "".join(made.texts.values()) + made.solution
    assert made.solution == make_levels(LAYER).solution
    assert (
        "        # what comes first\n        x = self.linear(x)\n"
        "        # Your code here (about 2 lines).\n        ___\n"
    ) in made.texts[Level.standard]
    assert "    def helper(self, x):\n        ___" in made.texts[Level.open]
    written = make_levels(LAYER.replace("def helper(self, x):", "def helper(self, x):  # WRITE"))
    assert (
        "    def helper(self, x):\n        # Your code here (1 line).\n        ___\n" in written.texts[Level.standard]
    )
    assert written.written[Level.standard] == 4


def test_super_init_stays_and_a_region_becomes_part_of_the_body() -> None:
    made = make_levels(
        "# Q1\nclass A(nn.Module):\n    def __init__(self, d):\n        super().__init__()\n        a = 1\n"
        "        # BEGIN BLANK\n        self.b = a\n        # END BLANK\n\n"
        "    def forward(self, x):\n        return x\n"
    )
    assert made.texts[Level.standard] == (
        "# Q1\nclass A(nn.Module):\n    def __init__(self, d):\n        super().__init__()\n"
        "        # Your code here (about 2 lines).\n        ___\n\n    def forward(self, x):\n        return x\n"
    )


def test_decorators_imports_and_long_signatures_stay() -> None:
    made = make_levels(
        "# Q1\nimport math\n\n\n@cache\ndef f(\n    a, b=2,\n    c=(1, 2),\n):\n    return a  # BLANK\n\n\n"
        "def g(x):\n    return x\n"
    )
    head = "# Q1\nimport math\n\n\n@cache\ndef f(\n    a, b=2,\n    c=(1, 2),\n):\n"
    shown = head + "    # Your code here (1 line).\n    ___\n\n\ndef g(x):\n    return x"
    assert made.texts[Level.standard].startswith(shown)
    assert make_levels("# Q1\n@cache\ndef f(\n    a,\n):\n    return a  # BLANK\n").texts[Level.open] == (
        "# Q1\n@cache\ndef f(\n    a,\n):\n    ___\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("# BLANK", "# BLANK: self.scale # KEEP", "malformed|can't stay and go|occurs 0 times"),
        ('"""(b, d) -> (b, d)"""', "x = 1  # KEEP", "KEEP belongs"),
        ("        return y", "        return y  # WRITE", "WRITE belongs"),
    ],
)
def test_a_marker_that_means_nothing_is_refused(old: str, new: str, says: str) -> None:
    with pytest.raises(BlankError, match=says):
        make_levels(LAYER.replace(old, new))


def test_a_blank_page_shows_its_comment_alone_and_takes_no_marker() -> None:
    made = make_blank_page("# Q1: blank page\n# Write f.\ndef f(x):\n    return x\n")
    assert set(made.texts.values()) == {"# Q1: blank page\n# Write f."}
    assert set(made.written.values()) == {2}
    with pytest.raises(BlankError, match="a marker on a blank page"):
        make_blank_page("# Q1\ndef f(x):\n    return x  # BLANK\n")
    with pytest.raises(BlankError, match="without an answer"):
        make_blank_page("# Q1\n")


@pytest.fixture(scope="module")
def notebooks() -> dict:
    """Student notebooks by lesson and level, built when asked for."""
    return {}


def notebook_at(notebooks: dict, lesson: str, level: Level):
    if (lesson, level) not in notebooks:
        notebooks[lesson, level] = student_notebook_at(COURSE.at_level(level), lesson)
    return notebooks[lesson, level]


def kit_at(notebooks: dict, lesson: str, level: Level) -> LessonKit:
    text = nbformat.writes(notebook_at(notebooks, lesson, level))
    bank = COURSE.bank(lesson)
    return LessonKit(read_source(COURSE.source(lesson)), text, load_bank(bank), _imports(bank.read_text("utf-8")))


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("lesson", LESSONS)
def test_what_guided_hides_no_level_shows(lesson: str, level: Level) -> None:
    for cell in read_source(COURSE.source(lesson)).of("answer"):
        text = "".join(cell.blanked.texts[level].split())
        ast.parse(cell.blanked.texts[level])
        for piece in cell.blanked.hidden:
            if len(piece) > 12:
                assert "".join(piece.split()) not in text, (cell.question, piece)
        written = cell.blanked.written
        assert 0 < written[Level.guided] <= written[Level.standard] <= written[Level.open], cell.question


@pytest.mark.parametrize("level", [Level.standard, Level.open])
@pytest.mark.parametrize("lesson", LESSONS)
def test_intake_takes_up_every_right_answer_and_mistake_at_each_level(notebooks, lesson: str, level: Level) -> None:
    """What is judged is the text that intake places: it is the same at every level, so the verdict is.

    The cells that hold no question are left out, for speed: there are about 600 entries.
    """
    kit = kit_at(notebooks, lesson, level)
    template = nbformat.reads(kit.released, as_version=4)
    template.cells = [c for c in template.cells if role_of(c) in ("bootstrap", "answer", "check")]
    kit = replace(kit, released=nbformat.writes(template))
    entries = {q: [*kit.bank.rights_of(q), *kit.bank.mistakes_of(q)] for q in kit.questions}
    rounds = range(max(map(len, entries.values())))
    for number in rounds if level is Level.open else rounds[::4]:
        answers = {q: kit.entry(of[number % len(of)]) for q, of in entries.items() if of}
        answers |= {q: kit.solution(q) for q in kit.questions if q not in answers}
        placed = transplant(template, kit.notebook(answers))
        assert set(placed.placed.values()) <= {"grade id", "untouched"}, placed.placed
        assert {placed.placed[q] for q in kit.questions} == {"grade id"}
        assert not [note for note in placed.notes if "graded" in note], placed.notes
        found = {c.metadata["vitlab"]["question"]: c.source for c in placed.notebook.cells if role_of(c) == "answer"}
        assert found == answers


@pytest.mark.parametrize("level", [Level.standard, Level.open])
def test_a_student_of_one_level_is_graded_in_a_course_of_another(notebooks, level: Level) -> None:
    lesson = "05_attention"
    kit = kit_at(notebooks, lesson, level)
    answers = {q: kit.solution(q) for q in kit.questions}
    for given, template in ((level, Level.guided), (Level.guided, level)):
        submission = kit_at(notebooks, lesson, given).notebook(answers)
        placed = transplant(notebook_at(notebooks, lesson, template), submission)
        found = {c.metadata["vitlab"]["question"]: c.source for c in placed.notebook.cells if role_of(c) == "answer"}
        assert found == answers


def test_the_course_sets_the_level_and_a_lesson_may_have_its_own(tmp_path) -> None:
    text = (ROOT / "course.toml").read_text("utf-8").replace('level = "guided"', 'level = "standard"')
    text = text.replace('id = "05_attention"\n', 'id = "05_attention"\nlevel = "open"\n')
    (tmp_path / "course.toml").write_text(text)
    course = load_course(tmp_path)
    assert course.level("04_class_token") is Level.standard
    assert course.level("05_attention") is Level.open
    assert course.at_level(Level.guided).level("05_attention") is Level.guided


def test_the_level_is_written_into_the_notebook_and_its_answers_are_of_it(notebooks) -> None:
    source = read_source(COURSE.source("05_attention"))
    for level in Level:
        notebook = notebook_at(notebooks, "05_attention", level)
        assert notebook.metadata["vitlab"].get("level", "guided") == level
        shown = [cell.source for cell in notebook.cells if role_of(cell) == "answer"]
        assert shown == [cell.blanked.texts[level] for cell in source.of("answer")]


def test_lines_are_counted_by_level_and_folded_code_apart(tmp_path) -> None:
    path = tmp_path / "01_x.py"
    path.write_text(
        '# %% tags=["bootstrap"]\n# %% tags=["setup"]\nfrom torch import nn\n# %% tags=["answer"] question="Q1"\n'
        + LAYER
        + '# %% tags=["check"] question="Q1" points=2\ncheck("Q1", Layer)\n'
        + '# %% fold="skip"\n# A drawing\na = 1\nb = 2\n'
        + "# %%\n# a comment\nc = 3\n"
    )
    counts = count_lines(read_source(path))
    assert (counts.visible, counts.folded) == (2, 2)
    assert counts.written == {Level.guided: 1, Level.standard: 3, Level.open: 8}
    assert lines_table([counts]).splitlines()[-1].split() == ["all", "1", "3", "8", "2", "2"]
