"""The instructor's jupyter: formgrader shows our grades and cards, and a score given there by hand stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from grading.engine.grade import grade
from grading.engine.outcome import SubmissionOutcome
from tests.browser.jupyter_page import TOKEN, Lab, abroad, visitor
from tests.classroom import filled, hand_in, solutions
from tests.conftest import ROOT

LESSON = "01_patches"


@pytest.fixture(scope="module")
def classroom(course, tmp_path_factory) -> tuple[Path, Callable[..., dict[str, SubmissionOutcome]]]:
    """Two students' work, and the way to grade it."""
    data = tmp_path_factory.mktemp("instructor") / "course data"
    right = solutions(course, LESSON)
    for student, answers in (("ada", right), ("bo", {"Q0a": right["Q0a"]})):
        notebook = filled(course, LESSON, answers)
        for cell in notebook.cells:
            if cell.metadata.get("vitlab", {}).get("role") == "written":
                cell.source = f"In {student}'s own words: $n^{{2i/d}}$."
        hand_in(data / "submitted", student, LESSON, notebook)

    def run(**options: bool) -> dict[str, SubmissionOutcome]:
        found = grade(course, [LESSON], submissions=data / "submitted", out=data, jobs=1, seed=1, **options)
        return {outcome.student: outcome for outcome in found}

    return data, run


@pytest.fixture(scope="module")
def office(classroom, tmp_path_factory) -> Iterator[Lab]:
    started = Lab(ROOT, tmp_path_factory.mktemp("office"), env={"VITLAB_COURSE_DATA": str(classroom[0])})
    yield started
    started.stop()


def test_a_score_given_by_hand_in_formgrader_survives_grading_again(browser: Browser, classroom, office: Lab) -> None:
    _, run = classroom
    assert words(run()) == {"ada": [None, None], "bo": [None, None]}, "they wait for a person"
    wanted: list[str] = []
    context = visitor(browser, wanted)
    page = context.new_page()
    page.goto(f"{office.url}/formgrader?token={TOKEN}")
    page.get_by_role("link", name="Manual Grading").click()
    page.get_by_role("link", name=LESSON).click()
    page.get_by_role("link", name=LESSON).last.click()
    page.get_by_role("link", name="Submission #2").wait_for()
    page.locator("tr", has_text="7 / 7").get_by_role("link", name="Submission").click()  # nameless: that is ada's

    for name, score in (("Q0a-check", "4"), ("Q0b-check", "3")):  # the judge's; formgrader fetches them by and by
        expect(page.locator(f"#{name}")).to_have_attribute("placeholder", score)
    cards = page.locator(".vitlab-card").all_inner_texts()
    assert ["correct" in card for card in cards] == [True, True, True]
    assert page.get_by_text("For graders only").count() == 2
    assert page.get_by_text("a test that compares values with a known patch").is_visible(), "the rubric"
    for name, value in (("W1a", "1.5"), ("W1a-comment", "Well said.")):
        box = page.locator(f"#{name}")
        expect(box).to_be_enabled()
        box.fill(value)
        with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
            box.press("Tab")

    again = run(regrade=True)
    assert words(again) == {"ada": [1.5, None], "bo": [None, None]}
    assert again["ada"].score == 8.5
    page.reload()
    expect(page.locator("#W1a")).to_have_value("1.5")  # formgrader fetches them when the page is there
    expect(page.locator("#W1a-comment")).to_have_value("Well said.")
    assert "For graders only" not in (classroom[0] / again["ada"].feedback).read_text("utf-8")
    assert "Well said." in (classroom[0] / again["ada"].feedback).read_text("utf-8")
    context.close()
    assert abroad(wanted) == []


def test_formgrader_opens_from_jupyterlabs_menu(browser: Browser, classroom, office: Lab) -> None:
    """As docs/teaching.md says: menu Nbgrader, Formgrader, then Manual Grading, the lesson, and a submission."""
    classroom[1]()
    wanted: list[str] = []
    context = visitor(browser, wanted)
    page = context.new_page()
    page.goto(f"{office.url}/lab?token={TOKEN}&reset")
    page.locator(".lm-MenuBar-item", has_text="Nbgrader").click()
    items = [item for item in page.locator(".lm-Menu-item:visible").all_inner_texts() if item.strip()]
    assert "Create assignment" not in "".join(items), items
    page.get_by_role("menuitem", name="Formgrader").click()
    formgrader = page.frame_locator("iframe")
    formgrader.get_by_role("link", name="Manual Grading").click()
    for where in (formgrader.get_by_role("link", name=LESSON), formgrader.get_by_role("link", name=LESSON).last):
        where.click()
    row = formgrader.locator("tr", has_text="7 / 7")
    row.wait_for()
    formgrader.get_by_role("button", name="Show All Names").click()
    row.get_by_role("link", name="ada").click()
    expect(formgrader.locator(".vitlab-card").first).to_contain_text("correct")
    formula = formgrader.locator("p", has_text="ada's own words").first.locator("math")  # the lesson has formulas too
    formula.scroll_into_view_if_needed()
    assert formula.text_content() == "n2i/d", "drawn, no longer TeX"
    page.screenshot(path=classroom[0].parent / "formgrader.png")
    context.close()
    assert abroad(wanted) == []


def words(outcomes: dict[str, SubmissionOutcome]) -> dict[str, list[float | None]]:
    return {
        student: [q.score for q in outcome.questions if q.question.startswith("W")]
        for student, outcome in outcomes.items()
    }


def opened(page, office: Lab, name: str) -> None:
    """A submission's page in formgrader, from the list of all names."""
    page.goto(f"{office.url}/formgrader?token={TOKEN}")
    page.get_by_role("link", name="Manual Grading").click()
    page.get_by_role("link", name=LESSON).click()
    page.get_by_role("link", name=LESSON).last.click()
    page.get_by_role("link", name="Submission #2").wait_for()
    page.get_by_role("button", name="Show All Names").click()
    page.get_by_role("link", name=name).click()
    expect(page.locator("#W1b")).to_be_enabled()
    page.locator("#W1b-comment ~ details.vitlab-hand").wait_for()


def typed(page, box: str, value: str) -> None:
    page.locator(box).fill(value)
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        page.locator(box).press("Tab")


def test_comments_are_at_hand_and_no_score_is_lost_between_two_graders(
    browser: Browser, classroom, office: Lab
) -> None:
    classroom[1]()
    contexts = [visitor(browser, []) for _ in range(2)]
    first, second = (context.new_page() for context in contexts)
    opened(first, office, "ada")
    typed(first, "#W1b-comment", "Name the factor.")
    opened(second, office, "bo")
    hand = second.locator("#W1b-comment ~ details.vitlab-hand")
    hand.locator("summary").click()
    with second.expect_response(lambda answer: answer.request.method == "PUT"):
        hand.get_by_role("button", name="Name the factor.").click()
    expect(second.locator("#W1b-comment")).to_have_value("Name the factor.")
    assert hand.locator("button").count() > 1, "the rubric's lines"

    opened(second, office, "ada")
    typed(first, "#W1b", "1")
    typed(second, "#W1b", "2")
    expect(second.get_by_role("alert")).to_contain_text("somebody else has changed this meanwhile, to 1")
    second.reload()
    expect(second.locator("#W1b")).to_have_value("1")

    contexts[1].clear_cookies()
    typed(second, "#W1b", "0.5")
    expect(second.get_by_role("alert")).to_contain_text("Not saved")
    for context in contexts:
        context.close()
