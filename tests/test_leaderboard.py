"""The leaderboard's key never enters a kernel: not as a file, not through the seed, not in what is shipped."""

from __future__ import annotations

import base64
import json
import re
import time

import numpy as np
import pytest
from nbformat.v4 import new_code_cell

from grading.course import load_course
from grading.engine.grade import grade
from grading.engine.journal import read_results
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.judging.cells_to_run import cells_to_run, role_of
from grading.judging.execution import run_prepared
from grading.judging.judge import fresh_seed, judge_of
from grading.judging.reference import load_reference
from grading.judging.seeds import kernel_seed, sealed_files, seed_of
from grading.sandbox.limits import Limits
from grading.sandbox.run import run_notebook
from grading.sandbox.warm import WarmPool
from helpers.checks import card
from helpers.checks.check import check
from helpers.checks.question import case_rng, public_rng
from helpers.checks.sealed import FOLDER, handed_in, opened
from helpers.checks.verdict import judge_answer
from helpers.checks.wire_format import Answer, Arrays
from helpers.questions import find
from helpers.questions.leaderboard import COUNT, Leaderboard, validation
from tests.classroom import filled, hand_in, released, solutions
from tests.conftest import ROOT

LESSON, QID, SEED = "12_pretrained", "Q27", 77
COURSE = load_course(ROOT)
# Seconds by the clock: a busy machine takes longer to train an entry than the course allows.
PATIENT = COURSE.model_copy(
    update={"limits": COURSE.limits.model_copy(update={"cell_seconds": 300, "total_seconds": 900})}
)
QUESTION = Leaderboard()
SMALL = Limits(cell_seconds=30, total_seconds=90)

LOOK = """
import json, os, pathlib
from helpers.checks.sealed import opened
folder = pathlib.Path(os.environ["VITLAB_SEALED"])
found = {}
for path in folder.iterdir():
    found[path.name] = [{k: list(v.shape) for k, v in case.items()} for case in opened(path.read_text())]
print(json.dumps(found))
"""

# Redraws with every seed in reach, and takes whatever looks like a label from files and environment.
THIEF = """
# Q27: your entry to the leaderboard
import os, pathlib
import numpy as np
from helpers.checks.question import case_rng, public_rng
from helpers.checks.sealed import opened
from helpers.data.weather import draw_in_bad_weather
from helpers.questions import find
from helpers.questions.leaderboard import COUNT

QUESTION = find("Q27")
SEED = int(os.environ["VITLAB_EXAM_SEED"])
FOLDER = pathlib.Path(os.environ["VITLAB_SEALED"])
HIDDEN = [case for path in FOLDER.iterdir() for case in opened(path.read_text())]
names = sorted({name for case in HIDDEN for name in case})
print("handed in:", [p.name for p in FOLDER.iterdir()], names)
GUESSES = [public_rng("Q27"), case_rng("Q27", SEED), np.random.default_rng(SEED)]
GUESSES += [case_rng("Q27", seed) for seed in range(3)]
DRAWN = [draw_in_bad_weather(COUNT, rng) for rng in GUESSES]
hits = [k for k, (images, _) in enumerate(DRAWN) if any((images == case["images"]).all() for case in HIDDEN)]
print("drawn again:", hits)
labels = [p for top in ("/tmp", "/work", "/home", "/opt") for p in pathlib.Path(top).rglob("*label*")
          if p.is_file() and "site-packages" not in str(p) and os.access(p, os.R_OK)]
print("files of labels:", [str(p) for p in labels if STARTED < max(p.stat().st_mtime, p.stat().st_ctime)])


def predict(images):
    for drawn, labels in DRAWN:
        given = np.rint(255 * images.numpy()).astype("uint8")
        if drawn.shape == given.shape and (drawn == given).all():
            return labels
    return np.zeros(len(images), int)
"""

# Says what it likes about how well it did.
FORGER = """
# Q27: your entry to the leaderboard
import helpers.checks.verdict as verdict
import helpers.questions.leaderboard as leaderboard

leaderboard.Leaderboard.measure = lambda *_: 1.0
leaderboard.Leaderboard.probe = lambda *_: {"labels": [0] * 500, "again": [0] * 24, "measure": [1.0], "accuracy": [1.0]}
verdict._measured = lambda *_: 1.0


def predict(images):
    return images.new_zeros(len(images))
"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Five entries through the whole engine, in the real sandbox."""
    folder, answers = tmp_path_factory.mktemp("leaderboard"), solutions(COURSE, LESSON)
    few = answers[QID].replace("epochs=4", "epochs=1")
    assert few != answers[QID]
    thief = THIEF.replace("STARTED", f"{time.time()}")  # older files of the machine are none of this grading
    entries = {"right": answers[QID], "hasty": few, "thief": thief, "forger": FORGER}
    for student, text in entries.items():
        hand_in(folder / "in", student, LESSON, filled(COURSE, LESSON, {**answers, QID: text}))
    hand_in(folder / "in", "blank", LESSON, released(COURSE, LESSON))
    outcomes = grade(PATIENT, [LESSON], submissions=folder / "in", out=folder / "out", jobs=1)
    return folder / "out", {o.student: o for o in outcomes}


def of(outcome: SubmissionOutcome) -> QuestionOutcome:
    return next(q for q in outcome.questions if q.question == QID)


def test_an_entry_is_measured_on_hidden_images_and_the_number_is_kept(graded):
    out, outcomes = graded
    entry = of(outcomes["right"])
    assert entry.score == entry.max
    assert entry.measure is not None
    assert entry.measure > 0.8
    stored = {o.student: o for o in read_results(out)}
    assert of(stored["right"]).measure == entry.measure
    assert next(row for row in outcomes["right"].lines() if row["question"] == QID)["measure"] == entry.measure
    assert {q.measure for q in outcomes["right"].questions if q.question != QID} == {None}


def test_less_training_stands_lower(graded):
    _, outcomes = graded
    hasty, right = of(outcomes["hasty"]), of(outcomes["right"])
    assert 0.2 < hasty.measure < right.measure
    assert hasty.score < right.score


def test_the_feedback_page_tells_the_hidden_accuracy(graded):
    out, outcomes = graded
    page = (out / outcomes["right"].feedback).read_text("utf-8")
    assert f"accuracy on the hidden cases: {100 * of(outcomes['right']).measure:.1f} %" in page


def test_who_looks_for_the_labels_finds_none(graded):
    out, outcomes = graded
    assert of(outcomes["thief"]).score == 0
    assert of(outcomes["thief"]).measure < 0.2
    printed = (out / "autograded" / "thief" / LESSON / f"{LESSON}.ipynb").read_text("utf-8")
    assert "handed in: ['Q27.txt'] ['again', 'images']" in printed
    assert "files of labels: []" in printed
    assert re.search(r"drawn again: \[\]", printed)


@pytest.mark.parametrize("solved", [False, True])
def test_grading_trains_nothing_but_the_entry(solved: bool) -> None:
    answers = solutions(COURSE, LESSON) if solved else {}
    notebook = filled(COURSE, LESSON, answers)
    assert {role_of(notebook.cells[i]) for i in cells_to_run(notebook)} == {"bootstrap", "setup", "answer", "check"}


def test_an_accuracy_cannot_be_claimed(graded):
    _, outcomes = graded
    forged = of(outcomes["forger"])
    assert (forged.score, forged.measure < 0.2) == (0, True)


def test_a_blank_entry_has_no_number(graded):
    _, outcomes = graded
    assert (of(outcomes["blank"]).status, of(outcomes["blank"]).measure) == ("not started", None)


@pytest.mark.parametrize("start", ["warm", "cold", "none"])
def test_the_kernel_gets_images_and_nothing_else(start: str) -> None:
    """By pipe, by socket in pieces, or as a file, according to how it starts."""
    from nbformat.v4 import new_notebook

    files = sealed_files(released(COURSE, LESSON), SEED)
    assert list(files) == ["Q27.txt"]
    assert len(files["Q27.txt"]) > 1_000_000
    notebook = new_notebook(cells=[new_code_cell(LOOK)])
    sandbox = "none" if start == "none" else "bubblewrap"
    if start == "warm":
        with WarmPool() as pool:
            run = run_notebook(notebook, limits=SMALL, warm=pool, files=files)
    else:
        run = run_notebook(notebook, limits=SMALL, sandbox=sandbox, files=files)
    assert (run.status, run.notes) == ("ok", [])
    seen = json.loads(run.notebook.cells[0].outputs[0].text)
    assert seen == {"Q27.txt": [{"again": [24], "images": [COUNT, 3, 32, 32]}]}


def test_the_file_holds_no_key() -> None:
    text = sealed_files(released(COURSE, LESSON), SEED)["Q27.txt"]
    [(case, kept)] = list(QUESTION.draw(case_rng(QID, seed_of(QUESTION, SEED))))
    [given] = opened(text)
    assert (given["images"] == case["images"]).all()
    assert given.name == case.name
    blob = base64.b64decode(text)
    for kind in ("int64", "int32", "uint8", "float32"):
        assert kept["labels"].astype(kind).tobytes() not in blob


def test_the_kernels_seed_leads_neither_back_nor_to_the_images() -> None:
    seed = fresh_seed()
    seen = kernel_seed(seed)
    assert seen not in (seed, seed_of(QUESTION, seed))
    assert seed_of(find("Q25"), seed) == seen
    [(case, _)] = list(QUESTION.draw(case_rng(QID, seed_of(QUESTION, seed))))
    for guess in (seen, kernel_seed(seen), seed_of(QUESTION, seen), seed % 2**64, seed % 2**32):
        [(other, _)] = list(QUESTION.draw(case_rng(QID, guess)))
        assert (other["images"] != case["images"]).any(), guess


def test_the_seed_has_more_bits_than_anyone_can_try() -> None:
    assert max(fresh_seed().bit_length() for _ in range(64)) > 120
    drawn = {seed_of(QUESTION, seed) for seed in range(2000)}
    assert len(drawn) == 2000
    assert max(drawn).bit_length() > 120


def test_the_judge_and_the_sandbox_draw_the_same_images() -> None:
    judge = judge_of(COURSE, LESSON, SEED)
    cases, expected = judge._secret[QID]
    [given] = opened(sealed_files(released(COURSE, LESSON), SEED)["Q27.txt"])
    assert (given["images"] == cases[0]["images"]).all()
    assert expected.arrays[0]["labels"].shape == (COUNT,)


def test_nothing_shipped_knows_a_run() -> None:
    """Public labels ship, of public images; those of a run are other images."""
    reference = load_reference(COURSE.source(LESSON), COURSE.bank(LESSON))
    public, secret = reference.public(QID), reference.secret(QID, seed_of(QUESTION, fresh_seed()))
    assert (public[0][0]["images"] != secret[0][0]["images"]).any()
    assert (public[1].arrays[0]["labels"] == validation().labels.numpy()).all()
    for path in (COURSE.expectations(LESSON), COURSE.student_notebook(LESSON)):
        blob = path.read_bytes()
        assert secret[1].arrays[0]["labels"].astype("int64").tobytes() not in blob


def answered(labels: np.ndarray, again: np.ndarray | None = None) -> Answer:
    content = {"labels": labels} | ({} if again is None else {"again": again})
    return Answer(QID, {f"{part}/0": Arrays(content) for part in ("public", "secret")})


def test_points_rise_with_the_accuracy_and_chance_earns_none() -> None:
    reference = load_reference(COURSE.source(LESSON), COURSE.bank(LESSON))
    public, secret = reference.public(QID), reference.secret(QID, 1)
    rng, scores = np.random.default_rng(0), []
    for share in (0.1, 0.35, 0.55, 0.7, 0.9):
        cases = {}
        for part, (drawn, expected) in (("public", public), ("secret", secret)):
            labels = expected.arrays[0]["labels"]
            right = rng.permutation(COUNT) < round(share * COUNT)
            given = np.where(right, labels, (labels + 1) % 10)
            cases[f"{part}/0"] = Arrays({"labels": given, "again": given[drawn[0]["again"]]})
        verdict = judge_answer(QUESTION, Answer(QID, cases), public=public, secret=secret)
        assert verdict.measure == pytest.approx(share, abs=0.005)
        scores.append(verdict.score / verdict.points)
    assert scores == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    "labels", [np.full(COUNT, 0.5), np.full(COUNT, -1), np.full(COUNT, 10), np.full(COUNT, np.nan),
               np.zeros((COUNT, 10)), np.zeros(COUNT, bool), np.zeros(3)]
)  # fmt: skip
def test_what_is_no_label_counts_nothing(labels: np.ndarray) -> None:
    reference = load_reference(COURSE.source(LESSON), COURSE.bank(LESSON))
    verdict = judge_answer(
        QUESTION, answered(labels, labels[:24]), public=reference.public(QID), secret=reference.secret(QID, 1)
    )
    assert (verdict.score, verdict.measure, verdict.faults) == (0, 0, ())


def test_public_labels_handed_in_for_the_hidden_images_earn_nothing() -> None:
    reference = load_reference(COURSE.source(LESSON), COURSE.bank(LESSON))
    public, secret = reference.public(QID), reference.secret(QID, 1)
    labels = public[1].arrays[0]["labels"]
    verdict = judge_answer(QUESTION, answered(labels, labels[public[0][0]["again"]]), public=public, secret=secret)
    assert verdict.score == 0


def test_in_a_notebook_the_card_tells_the_public_accuracy() -> None:
    reference = load_reference(COURSE.source(LESSON), COURSE.bank(LESSON))
    public = reference.public(QID)
    labels = public[1].arrays[0]["labels"]
    verdict = judge_answer(QUESTION, answered(labels, labels[public[0][0]["again"]]), public=public)
    assert verdict.passed
    assert "accuracy on the public cases: 100.0 %" in card.as_text(verdict)
    assert "accuracy on the public cases: 100.0 %" in card.card(verdict)


def test_an_exam_without_the_file_grades_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setenv("VITLAB_EXAM_SEED", "3")
    assert handed_in(QUESTION) == []
    assert repr(check(QID, lambda images: images.new_zeros(len(images)))) == "recorded"


def test_old_results_without_a_number_are_read() -> None:
    row = {"question": "Q1", "title": "t", "score": 1.0, "max": 1.0, "status": "correct"}
    assert QuestionOutcome(**row).measure is None


def test_run_prepared_hands_the_file_over() -> None:
    notebook = released(COURSE, LESSON)
    notebook.cells = [
        c for c in notebook.cells if c.metadata.get("vitlab", {}).get("question") == QID and c.cell_type == "code"
    ][-1:]
    notebook.cells.insert(0, new_code_cell("import os\nfrom helpers import check\npredict = None\n" + LOOK))
    run = run_prepared(notebook, seed=SEED, limits=SMALL, sandbox="none")
    assert '"Q27.txt"' in run.notebook.cells[0].outputs[0].text
    assert public_rng(QID).random() != case_rng(QID, kernel_seed(SEED)).random()
