"""Cards: Markdown in hints, what is quoted from the student, names that later cells need, and a leaderboard entry."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from grading.course import load_course
from grading.lesson_builder.later_cells import needs
from grading.lesson_source.source import read_source
from helpers.checks.card import as_text, card
from helpers.checks.later_cells import in_words, missing
from helpers.checks.question import Criterion
from helpers.checks.rich_text import as_html
from helpers.checks.time_limit import stopped_after
from helpers.checks.verdict import NOT_MET, Line, Verdict
from helpers.checks.wire_format import Arrays, Failure
from helpers.questions import find
from helpers.questions.leaderboard import GAP, SECONDS
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("divide by the *number*", "divide by the <em>number</em>"),
        ("2*dim and 4*dim", "2*dim and 4*dim"),
        ("a * b * c", "a * b * c"),
        ("`a*b*c` and x_i_j", "a*b*c</code> and x_i_j"),
        ("# no heading", "# no heading"),
        ("1. no list", "1. no list"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[a](javascript:x)", "[a](javascript:x)"),
        ("f(x)*g(x)", "f(x)*g(x)"),
    ],
)
def test_code_and_emphasis_are_rendered_and_nothing_else(text: str, html: str) -> None:
    assert as_html(text).endswith(html)


def test_what_a_student_wrote_is_never_read_as_markdown() -> None:
    message = "__init__() got *args* <b>"
    found = as_html(f"Line 3 raised TypeError: {message}.", [message])
    assert "<em>" not in found
    assert "<b>" not in found
    assert "__init__() got *args* &lt;b&gt;" in found


def test_a_card_renders_hints_details_and_notes_and_escapes_the_title() -> None:
    line = Line(Criterion("a", "`x` is *kept*"), NOT_MET, "expected 2*dim")
    verdict = Verdict(
        "Q1", "A <title>", "partial", 0.75, 4.0, (line,), hint="see `y`", notes=("it took *long*",),
        failure=Failure("TypeError", "no `y`"),
    )  # fmt: skip
    html = card(verdict, b"png", 'an "alt"')
    assert "A &lt;title&gt;" in html
    assert "x</code> is <em>kept</em>" in html
    assert "expected 2*dim" in html
    assert "it took <em>long</em>" in html
    assert "0.75 / 4" in html
    assert 'alt="an &#34;alt&#34;"' in html
    assert "  it took *long*" in as_text(verdict)


class _Renamed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pe", torch.zeros(1))
        self.learnable_positions = nn.Parameter(torch.zeros(1))


def test_a_name_that_later_cells_need_is_missed_and_only_that() -> None:
    assert missing(_Renamed, ("learnable_positions", "sinusoids_positions", "pe")) == ["sinusoids_positions"]
    assert missing(lambda x: x, ("pe",)) == []
    assert "`.sinusoids_positions`" in in_words(["sinusoids_positions"])


def test_what_later_cells_need_is_read_from_the_lesson() -> None:
    lesson = read_source(load_course(ROOT).source("04_class_token"))
    assert {"cls_token", "positions"} & set(needs(lesson)["Q4"])


def _judged(**record: float) -> dict[str, bool]:
    question = find("Q27")
    images = np.zeros((500, 3, 32, 32), np.uint8)
    labels = np.arange(500) % 10
    got = Arrays({"labels": labels, "again": labels[:24]} | {k: np.array(v) for k, v in record.items()})
    case = type("Case", (dict,), {})(images=images, again=np.arange(24))
    return {f.criterion: f.ok for f in question.judge(case, {"labels": labels}, got)}


def test_an_entry_that_knows_the_public_images_by_heart_is_told() -> None:
    assert _judged(seconds=4.0, fresh=0.95)["fresh"]
    assert not _judged(seconds=4.0, fresh=0.515)["fresh"]
    assert _judged()["fresh"], "the grader draws no fresh images: it has hidden ones"


def test_an_entry_that_takes_too_long_is_told() -> None:
    assert _judged(seconds=SECONDS - 1.0, fresh=1.0)["time"]
    assert not _judged(seconds=SECONDS + 1.0, fresh=1.0)["time"]
    [note] = find("Q27").notes([Arrays({"seconds": np.array(4.0), "fresh": np.array(0.5)})])
    assert "4.0 of the 30 seconds" in note
    assert "50.0 %" in note
    assert GAP < 20


def test_a_computation_that_goes_on_is_stopped() -> None:
    def work() -> None:
        with stopped_after(0.2):
            while True:
                sum(range(1000))

    with pytest.raises(TimeoutError, match=r"0\.2 seconds"):
        work()


def test_nothing_is_stopped_in_another_thread() -> None:
    seen = []

    def work() -> None:
        with stopped_after(0.01):
            time.sleep(0.05)
            seen.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["done"]
