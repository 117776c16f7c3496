"""The made-up class: every kind is there, and each file is what its kind promises."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import sys
import warnings

import nbformat
import pytest

from grading.course import CourseError
from grading.demo import honest, hostile, make_class, mangled
from grading.demo.classroom import FULL, SEATS, SOME, ZERO
from grading.demo.lesson_kit import make_kit
from grading.lesson_builder.notebook import write_here
from tests.demo_lesson import LESSON, tiny_course


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def kit(tiny):
    return make_kit(tiny, LESSON)


def opened(file):
    return nbformat.reads(file.data.decode(), as_version=4)


def cells(notebook, role):
    return [c for c in notebook.cells if c.metadata.get("vitlab", {}).get("role") == role]


def answers(file):
    return {c.metadata["vitlab"]["question"]: c.source for c in cells(opened(file), "answer")}


def run(source):
    """The names an answer defines."""
    space = {"operator": __import__("operator")}
    exec(source, space)
    return space


def test_the_class_has_many_kinds_each_told_in_words(tiny, tmp_path):
    members = make_class(tiny, tmp_path, [LESSON])
    assert len({m.kind for m in members}) >= 14
    assert len({m.student for m in members}) == len(members)
    assert all(m.student.isalpha() and m.student.islower() for m in members)
    assert all(len(m.says) > 15 for m in members)
    assert {m.expected for m in members} == {FULL, SOME, ZERO}


@pytest.mark.parametrize("module", [honest, mangled, hostile])
def test_every_kind_says_what_it_imitates(module):
    kinds = [f for f in vars(module).values() if inspect.isfunction(f) and f.__module__ == module.__name__]
    public = [f for f in kinds if not f.__name__.startswith("_")]
    used = {getattr(seat.make, "func", seat.make) for seat in SEATS}
    assert set(public) <= used, "a kind that nobody hands in"
    assert all(f.__doc__.startswith(("Imitates", "Cheats")) for f in public)


def test_files_lie_where_nbgrader_looks_for_them(tiny, tmp_path):
    for member in make_class(tiny, tmp_path, [LESSON]):
        (path,) = member.paths
        assert path.parent == tmp_path / member.student / LESSON
        assert path.is_file()
        assert path.suffix == ".ipynb"


def test_the_class_is_the_same_at_every_run(tiny, tmp_path):
    one, two = (make_class(tiny, tmp_path / name, [LESSON]) for name in ("one", "two"))
    assert [m.paths[0].read_bytes() for m in one] == [m.paths[0].read_bytes() for m in two]


def test_right_answers_are_the_solutions_without_their_markers(kit):
    notebook = opened(honest.right(kit))
    assert answers(honest.right(kit)) == {q: kit.solution(q) for q in ("Q1", "Q2")}
    assert "BLANK" not in nbformat.writes(notebook)
    assert [c.source for c in cells(notebook, "check")] == ['check("Q1", add)', 'check("Q2", Doubler)']
    (written,) = cells(notebook, "written")
    assert 80 < len(written.source) < 400
    assert written.source != write_here("W1")


def test_another_style_keeps_the_name_the_rest_of_the_cell_and_brings_its_imports(kit):
    first, second = (answers(honest.another_style(kit, n)) for n in (0, 1))
    assert first["Q1"].startswith("# Q1: add\nZERO = 0")
    assert "from functools import reduce as fold" in first["Q1"]
    assert "import math" in second["Q1"]
    assert "import operator" not in first["Q1"], "the setup cell has it already"
    for found in (first, second):
        assert run(found["Q1"])["add"](2, 5) == 7
        assert run(found["Q2"])["Doubler"]()(4) == 8
        assert found["Q1"] != kit.solution("Q1")


def test_mistakes_are_one_each_and_differ_over_the_class(tiny, tmp_path, kit):
    found = set()
    for member in make_class(tiny, tmp_path, [LESSON]):
        if member.kind == "one mistake":
            notebook = nbformat.read(member.paths[0], as_version=4)
            wrong = [c for c in cells(notebook, "answer") if c.source != kit.solution(c.metadata["vitlab"]["question"])]
            assert len(wrong) == 1
            assert run(wrong[0].source)
            found.add(wrong[0].source)
    assert len(found) == 4, "each mistake of this small bank"


def test_half_done_answers_the_first_question_only(kit):
    found = answers(honest.half_done(kit))
    assert found["Q1"] == kit.solution("Q1")
    assert "return ___" in found["Q2"]
    assert cells(opened(honest.half_done(kit)), "written")[0].source == write_here("W1")


def test_untouched_is_what_was_given_out(kit):
    assert opened(honest.untouched(kit)) == nbformat.reads(kit.released, as_version=4)


def test_a_missing_bracket_is_a_syntax_error_in_the_last_answer_only(kit):
    found = answers(honest.missing_bracket(kit))
    assert run(found["Q1"])
    with pytest.raises(SyntaxError):
        ast.parse(found["Q2"])


def test_noisy_answers_are_right_and_write_to_standard_error(kit):
    found = answers(honest.warnings(kit))
    with contextlib.redirect_stderr(io.StringIO()) as stderr, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run(found["Q1"])["add"](2, 5) == 7
    assert stderr.getvalue()
    assert caught


def test_a_renamed_file_has_nothing_of_its_name_left_but_its_suffix(kit):
    file = honest.renamed(kit)
    assert file.name != f"{LESSON}.ipynb"
    assert not file.name.isascii()
    assert file.name.endswith(".ipynb")


def test_a_duplicated_cell_gives_two_cells_one_grade_id(kit):
    notebook = opened(mangled.duplicated(kit))
    ids = [c.metadata["nbgrader"]["grade_id"] for c in notebook.cells if "nbgrader" in c.metadata]
    assert sorted({i for i in ids if ids.count(i) > 1}) == ["Q1"]
    assert len({c.id for c in notebook.cells}) == len(notebook.cells), "Jupyter gives a copy an id of its own"
    blank, filled = [c.source for c in cells(notebook, "answer") if c.metadata["vitlab"]["question"] == "Q1"]
    assert "___" in blank
    assert filled == kit.solution("Q1")


def test_an_edited_check_prints_full_marks_over_blank_answers(kit):
    file = mangled.check_edited(kit)
    assert [ast.literal_eval(c.source) for c in cells(opened(file), "check")] == [4, 2]
    assert all("___" in source for source in answers(file).values())


def test_a_deleted_check_is_gone_and_the_answers_stay(kit):
    file = mangled.check_deleted(kit)
    assert [c.metadata["vitlab"]["question"] for c in cells(opened(file), "check")] == ["Q2"]
    assert answers(file) == answers(honest.right(kit))


def test_colab_leaves_nothing_of_our_metadata_and_no_ids(kit):
    raw = json.loads(mangled.colab(kit).data)
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 0)
    assert "language_info" not in raw["metadata"]
    assert raw["metadata"]["colab"]
    assert not any("id" in cell for cell in raw["cells"])
    assert not any({"nbgrader", "vitlab"} & cell["metadata"].keys() for cell in raw["cells"])
    assert len({cell["metadata"]["id"] for cell in raw["cells"]}) == len(raw["cells"])
    nbformat.validate(nbformat.reads(json.dumps(raw), as_version=4))


def test_vscode_draws_new_ids_keeps_metadata_and_ends_lines_its_own_way(kit):
    raw = json.loads(mangled.vscode(kit).data)
    ours = {cell.id for cell in nbformat.reads(kit.released, as_version=4).cells}
    assert not ours & {cell["id"] for cell in raw["cells"]}
    assert any("nbgrader" in cell["metadata"] for cell in raw["cells"])
    assert "\r\n" in "".join(line for cell in raw["cells"] for line in cell["source"])
    assert all(cell["metadata"]["vscode"] for cell in raw["cells"] if cell["cell_type"] == "code")


def test_the_unreadable_file_is_no_json(kit):
    with pytest.raises(json.JSONDecodeError):
        json.loads(mangled.unreadable(kit).data)


@pytest.mark.parametrize(("kind", "word"), [(hostile.endless_loop, "while"), (hostile.exits, "os._exit")])
def test_a_harmful_first_answer_leaves_the_others_right(kit, kind, word):
    found = answers(kind(kit))
    assert word in found["Q1"]
    assert found["Q1"].startswith("# Q1: add")
    assert callable(run(found["Q1"])["add"]), "defining it is harmless, calling it is not"
    assert found["Q2"] == kit.solution("Q2")


def test_the_output_bomb_is_of_50_mb_and_below_the_last_answer(kit):
    found = answers(hostile.output_bomb(kit))
    assert found["Q1"] == kit.solution("Q1")
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        run(found["Q2"])
    assert stdout.tell() == pytest.approx(50 * 2**20, rel=0.01)


@pytest.mark.parametrize("kind", [hostile.forged_score, hostile.forged_record, hostile.patched_helpers])
def test_cheats_parse_and_know_no_answer(kit, kind):
    for question, source in answers(kind(kit)).items():
        ast.parse(source)
        assert kit.name(question) in source
        assert kit.solution(question).splitlines()[-1].strip() not in source


def test_a_forged_score_reads_as_full_marks_where_it_is_believed(kit):
    space = run(answers(hostile.forged_score(kit))["Q1"])
    assert float(repr(space["check"]("Q1", space["add"]))) == kit.points("Q1")


def test_the_patched_helpers_are_patched(kit):
    """What is rewritten must be the module: `import helpers.checks.check as …` gives the function of that name."""
    question = kit.questions[0]
    source = answers(hostile.patched_helpers(kit))[question]
    machinery = sys.modules["helpers.checks.check"]
    before = {name: getattr(machinery, name) for name in ("_probe", "judge_answer")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITLAB_EXAM_SEED", "1")
        for name, value in before.items():
            patch.setattr(machinery, name, value)
        run(source)
        assert all(getattr(machinery, name) is not value for name, value in before.items())


def test_a_lesson_that_is_not_built_is_named(tiny, tmp_path):
    with pytest.raises(CourseError, match="vitlab build 02_missing"):
        make_class(tiny, tmp_path, ["02_missing"])
