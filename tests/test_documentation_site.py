"""The documentation is built as a site without a warning and without a network; CI runs what the Makefile runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-d", str(out / "trees"),
         str(ROOT / "docs"), str(out / "html")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return out / "html"


def test_every_page_of_the_documentation_is_on_the_site(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file(), page


def test_the_public_functions_stand_there_with_what_they_take_return_and_raise(site: Path) -> None:
    grading = (site / "reference" / "grading.html").read_text("utf-8")
    for name in ("grading.course.Course.expectations", "grading.engine.grade.grade", "grading.new_course.make_course"):
        assert f'id="{name}"' in grading, name
    helpers = (site / "reference" / "helpers.html").read_text("utf-8")
    part = helpers[helpers.index('id="helpers.checks.check.check"') :]
    for word in ("Parameters", "question_id", "Returns", "Raises", "KeyError"):
        assert word in part, word


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*(?:src|href)=["'](?:https?:)?//[^"']+["'][^>]*>""")
    for page in site.rglob("*.html"):
        found = [tag for tag in fetched.findall(page.read_text("utf-8")) if 'rel="canonical"' not in tag]
        assert found == [], page.name


def test_ci_runs_the_makefiles_own_targets() -> None:
    steps = [
        step.get("run", "")
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job["steps"]
    ]
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = {target for step in steps for target in re.findall(r"^make (\w+)", step, re.MULTILINE)}
    assert {"test", "wheel", "docs"} <= called <= targets


def test_workflows_may_write_nothing_to_the_repository() -> None:
    for path in WORKFLOWS:
        permissions = yaml.safe_load(path.read_text("utf-8"))["permissions"]
        assert permissions["contents"] == "read", path.name


def test_forms_for_issues_are_complete() -> None:
    for path in TEMPLATES:
        form = yaml.safe_load(path.read_text("utf-8"))
        if path.name != "config.yml":
            assert form["name"]
            assert form["description"]
            assert form["body"]
