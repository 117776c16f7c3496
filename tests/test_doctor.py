"""`vitlab doctor`: what it finds, what it asks for, and when it ends with an error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grading.cli import app
from grading.course import FILE, PLACEHOLDER
from grading.doctor import Finding, examine, machine, packages, print_findings
from grading.sandbox.bubblewrap import SandboxUnavailable


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {one.what: one for one in findings}


def test_the_command_gives_the_table_as_json_and_its_exit_status_says_whether_something_is_missing(course) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "--course", str(course.root)])
    found = {entry["what"]: entry for entry in json.loads(result.stdout)}
    assert result.exit_code == int(any(entry["state"] == "missing" for entry in found.values()))
    for what in (
        "Python", "torch, torchvision", "packages", "bubblewrap", "user namespaces", "cgroups", "GPU", "Chromium",
        "nbgrader in JupyterLab", "disk, course", "course", "repository", "package helpers",
    ):  # fmt: skip
        assert found[what]["found"], what
    assert [entry for entry in found.values() if entry["state"] == "missing" and not entry["get"]] == []


def test_something_missing_ends_with_status_1_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = [Finding("Python", "ok", "3.11"), Finding("bubblewrap", "missing", "not there", "sudo apt install it")]
    monkeypatch.setattr("grading.doctor.examine", lambda folder: lacking)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "Missing for grading: bubblewrap." in result.stdout
    assert "sudo apt install it" in result.stdout


def test_a_repository_that_nobody_has_set_is_said(tmp_path: Path, course, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bubblewrap", "user_namespaces"):
        monkeypatch.setattr(machine, name, lambda: Finding("x", "ok", ""))
    monkeypatch.setattr(packages, "_import_in_a_process_of_its_own", lambda module: "")
    shutil.copy(course.root / FILE, tmp_path)
    before = by_name(examine(tmp_path))
    assert (before["repository"].state, PLACEHOLDER in before["repository"].found) == ("note", True)
    assert "not built: 00_why_transformers" in before["lessons"].found
    path = tmp_path / FILE
    path.write_text(path.read_text("utf-8").replace(PLACEHOLDER, "me/mine"), "utf-8")
    assert by_name(examine(tmp_path))["repository"].state == "ok"
    path.write_text("[course]", "utf-8")
    assert by_name(examine(tmp_path))["course"].state == "missing"
    path.unlink()
    monkeypatch.chdir(tmp_path)
    assert "vitlab init" in by_name(examine())["course"].get


def test_a_package_of_the_same_name_beside_the_notebooks_is_named(tmp_path: Path) -> None:
    assert {one.state for one in packages.names(tmp_path)} == {"ok"}
    (tmp_path / "helpers.py").touch()
    found = by_name(list(packages.names(tmp_path)))
    assert found["package helpers"].state == "missing"
    assert str(tmp_path / "helpers.py") in found["package helpers"].found
    assert found["package grading"].state == "ok"


@pytest.mark.parametrize(
    ("said", "state"),
    [("", "ok"), ("RuntimeError: operator torchvision::nms does not exist", "note"), ("OSError: libc", "missing")],
)
def test_torch_and_torchvision_that_do_not_fit(monkeypatch: pytest.MonkeyPatch, said: str, state: str) -> None:
    monkeypatch.setattr(packages, "_torch_that_fits", lambda version: "")
    monkeypatch.setattr(packages, "_import_in_a_process_of_its_own", lambda module: said)
    found = packages.torch()
    assert found.state == state
    assert bool(found.get) == (state != "ok")


def test_torchvision_made_for_another_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "requires", lambda name: ["numpy", "torch==1.0.0"])
    assert "made for torch==1.0.0" in packages.torch().found


def test_a_package_that_is_missing_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "typer":
            raise packages.PackageNotFoundError(name)
        return "0.0.1" if name == "rich" else "999"

    monkeypatch.setattr(packages, "version", version)
    found = packages.instructor_packages()
    assert found.state == "missing"
    assert "typer is missing; " in found.found or found.found.endswith("typer is missing")
    assert "rich 0.0.1, wanted >=" in found.found


def test_a_sandbox_that_does_not_work_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise SandboxUnavailable("It does not work. What to do: install it.")

    monkeypatch.setattr(machine, "require_bubblewrap", refuse)
    assert machine.bubblewrap() == Finding("bubblewrap", "missing", "It does not work.", "install it.")


@pytest.mark.parametrize(
    ("files", "group", "state", "says"),
    [
        ({}, "0::/", "note", "no memory controller"),
        ({"cgroup.controllers": "memory", "mine/cgroup.procs": ""}, "0::/mine", "ok", "version 2"),
        ({"cgroup.controllers": "memory"}, "0::/gone", "note", "not delegated"),
        ({"memory/mine/tasks": ""}, "4:memory:/mine\n0::/", "ok", "version 1"),
    ],
)
def test_cgroups_of_each_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], group: str, state: str, says: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    lines = [line.split(":", 2) for line in group.splitlines()]
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_own_group", lambda wanted: next((p for n, c, p in lines if wanted == (c or n)), "/"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    found = machine.cgroups()
    assert (found.state, says in found.found) == (state, True), found


def test_a_full_disk_is_missing_and_a_nearly_full_one_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    for free, state in ((5e10, "ok"), (1e9, "note"), (1e8, "missing")):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda place, free=free: usage._replace(free=int(free)))
        assert {one.state for one in machine.disk(tmp_path)} == {state}


def test_the_table_shows_what_is_in_brackets_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([Finding("packages", "missing", "gone", "pip install 'vit-lab[instructor]'")])
    assert "[instructor]" in capsys.readouterr().out.replace("\n", "").replace("│", "").replace(" ", "")
