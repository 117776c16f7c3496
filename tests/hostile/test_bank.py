"""The claims about the hostile bank. All of it is graded once, as one class, under the real sandbox."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from grading.course import load_course
from tests.conftest import ROOT
from tests.hostile.attack import HONEST, LESSON, bank
from tests.hostile.session import Batch, Graded, run

pytestmark = pytest.mark.xdist_group("hostile")
CASES = [(start, name) for name, attack in bank().items() for start in attack.starts]
ACTIVE = (
    r"<script[^>]*>[^<]*{token}|<img[^>]*onerror|<svg[^>]*onload|<iframe|<form|href=.?javascript|"
    r"<style[^>]*>[^<]*@import"
)


@pytest.fixture(scope="session")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return run(tmp_path_factory.mktemp("hostile"), load_course(ROOT))


@pytest.fixture
def graded(batch: Batch, request: pytest.FixtureRequest) -> Graded:
    return next(g for g in batch.graded if (g.start, g.name) == request.param)


each = pytest.mark.parametrize("graded", CASES, indirect=True, ids=lambda case: "-".join(case))


def test_the_bank_is_large_and_says_what_it_does():
    attacks = bank()
    assert len(attacks) >= 45
    assert all(attack.attempts and attack.must for attack in attacks.values())
    assert len({attack.attempts for attack in attacks.values()}) == len(attacks)


@each
def test_no_credit_is_earned_that_is_not_due_and_none_lost_that_is(graded: Graded):
    assert graded.shares.keys() == HONEST.keys()
    for question, due in graded.attack.scores.items():
        share = graded.shares[question]
        assert 0 <= share <= 1
        if due is not None:
            assert share == due, (question, graded.outcome, graded.printed[-2000:])
    assert graded.shares["Q1b"] == 0


@each
def test_it_ends_as_it_must_and_is_told(graded: Graded):
    outcome = graded.outcome
    assert outcome.status in graded.attack.status, (outcome.status, outcome.reason)
    told = "\n".join([outcome.reason, *(q.hint for q in outcome.questions), *outcome.notes])
    assert re.search(graded.attack.reason, told), told
    if graded.attack.suspicious:
        assert re.search(graded.attack.suspicious, "\n".join(outcome.suspicious)), outcome.suspicious


@each
def test_what_it_reached_for_was_refused(graded: Graded):
    """And the attack ran at all: it printed what it found."""
    for name in graded.attack.refused:
        assert f"[{name}] refused" in graded.printed, (name, graded.printed)
        assert f"[{name}] done" not in graded.printed, (name, graded.printed)
    for name in graded.attack.done:
        assert f"[{name}] done" in graded.printed, (name, graded.printed, graded.outcome)
    for text in graded.attack.prints:
        assert text in graded.printed, graded.printed


@each
def test_the_next_honest_submission_is_not_touched(graded: Graded):
    assert {q.question: q.score == q.max for q in graded.after.questions if q.question in HONEST} == dict.fromkeys(
        HONEST, True
    ), graded.after
    assert graded.after.status == "graded"
    assert graded.after.suspicious == ()


@each
def test_its_page_holds_nothing_active_and_is_small(graded: Graded, batch: Batch):
    assert not re.search(ACTIVE.format(token=batch.canaries.token), graded.page)
    assert len(graded.page) < 2_500_000
    assert sum(graded.outcome.seconds.get(stage, 0) for stage in ("intake", "judge", "save", "feedback")) < 60


def test_the_batch_was_finished(batch: Batch):
    assert len(batch.graded) == len(CASES)
    assert batch.outcomes == batch.expected > len(CASES)
    assert not [(g.name, g.outcome.reason) for g in batch.graded if g.outcome.status == "failed"]


def test_the_zygote_outlived_all_of_them(batch: Batch):
    assert (batch.problem, batch.zygotes, batch.inside) == ("", 1, [])


def test_nothing_is_left_behind(batch: Batch):
    """The zygote is kept, and with it a few ZeroMQ and event-loop descriptors of the grader: not one per kernel."""
    own = [trace for trace in batch.left if "anon_inode:[event" in trace]
    assert [trace for trace in batch.left if trace not in own] == []
    assert len(own) <= 12 < len(batch.graded)


def test_nothing_was_read_or_reached_outside(batch: Batch):
    assert batch.leaks == []
    assert batch.canaries.reached == []
    assert not batch.pwned
    assert batch.bystander_lived


def test_the_table_is_that_of_this_bank():
    table = (ROOT / "docs" / "hostile.md").read_text("utf-8")
    rows = re.findall(r"^\| (\w+) \| (warm|cold) \|", table, re.MULTILINE)
    assert sorted((start, name) for name, start in rows) == sorted(CASES)


def test_one_attack_can_be_run_by_its_name():
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "^sparse_file$"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "| sparse_file | warm |" in done.stdout
    assert LESSON not in done.stdout
