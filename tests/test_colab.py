"""What a student on Colab is told, and where the work goes: the machine is deleted, Drive is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from helpers.portfolio import HandInError, colab, folder, handing_in, progress_store, submit
from tests.conftest import ROOT

LESSON = "02_positional_encoding"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of Colab's, Drive not mounted: `content` is where notebooks run."""
    content = tmp_path / "content"
    content.mkdir()
    monkeypatch.chdir(content)
    monkeypatch.delenv("VITLAB_WORK", raising=False)
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for module in (sys.modules["helpers.portfolio.folder"], colab, handing_in):
        monkeypatch.setattr(module, "DRIVE", content / "drive" / "MyDrive")
    return content


def mount(machine: Path) -> Path:
    drive = machine / "drive" / "MyDrive"
    (drive / "Colab Notebooks").mkdir(parents=True)
    return drive


def test_without_drive_the_first_cell_says_what_is_lost_and_what_to_do(machine: Path, capsys) -> None:
    colab.tell_where_work_goes()
    said = capsys.readouterr().out
    for word in ("is deleted", "Save a copy in Drive", 'drive.mount("/content/drive")', "Download .ipynb"):
        assert word in said


def test_with_drive_it_says_where_answers_are_kept(machine: Path, capsys) -> None:
    drive = mount(machine)
    colab.tell_where_work_goes()
    said = capsys.readouterr().out
    assert str(drive / "my_work") in said
    assert "deleted" not in said


@pytest.mark.parametrize(("name", "value"), [("VITLAB_EXAM_SEED", "1"), ("VITLAB_WORK", "/elsewhere")])
def test_it_is_silent_while_a_class_is_graded_and_where_somebody_chose(
    machine: Path, monkeypatch, capsys, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    colab.tell_where_work_goes()
    assert capsys.readouterr().out == ""


def test_importing_the_helpers_says_it_on_colab_and_nowhere_else(tmp_path: Path) -> None:
    for start, told in (("import sys; sys.modules['google.colab'] = sys; ", True), ("", False)):
        code = f"{start}import sys; sys.path.insert(0, {str(ROOT)!r}); import helpers"
        env = {name: value for name, value in os.environ.items() if not name.startswith("VITLAB_")}
        done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert ("You are on Colab" in done.stdout) is told, done.stderr


def test_what_was_kept_before_drive_was_mounted_goes_there_with_the_next_check(machine: Path) -> None:
    progress_store.add(machine / "my_work", "Q1", 4, 4)
    drive = mount(machine)
    progress_store.add(drive / "my_work", "Q2", 1, 3)
    assert folder.folder() == drive / "my_work"
    colab.bring_along(drive / "my_work")
    assert {q: e.score for q, e in progress_store.read(drive / "my_work").items()} == {"Q1": 4, "Q2": 1}
    assert not (machine / "my_work").exists()
    colab.bring_along(drive / "my_work")


def test_of_what_drive_has_already_the_better_score_and_the_newer_answer_stay(machine: Path) -> None:
    for question, score in (("Q1", 4), ("Q2", 1)):
        progress_store.add(machine / "my_work", question, score, 4)
    folder.write(machine / "my_work" / "answers" / "Q1.py", "new = 1\n")
    drive = mount(machine)
    for question, score in (("Q1", 2), ("Q2", 3)):
        progress_store.add(drive / "my_work", question, score, 4)
    folder.write(drive / "my_work" / "answers" / "Q1.py", "old = 1\n")
    colab.bring_along(drive / "my_work")
    assert {q: e.score for q, e in progress_store.read(drive / "my_work").items()} == {"Q1": 4, "Q2": 3}
    assert (drive / "my_work" / "answers" / "Q1.py").read_text("utf-8") == "new = 1\n"


def test_elsewhere_nothing_is_brought_anywhere(machine: Path) -> None:
    progress_store.add(machine / "my_work", "Q1", 4, 4)
    colab.bring_along(machine / "my_work")
    assert (machine / "my_work").is_dir()


def test_handing_in_finds_the_copy_in_drive_or_says_how(machine: Path) -> None:
    with pytest.raises(HandInError, match=r"File, Download, Download \.ipynb"):
        submit("02")
    drive = mount(machine)
    copy = drive / "Colab Notebooks" / f"Copy of {LESSON}.ipynb"
    copy.write_bytes((ROOT / "notebooks" / LESSON / f"{LESSON}.ipynb").read_bytes())
    made = submit("02")
    assert made.path == drive / "my_work" / "hand_in" / f"{LESSON}.ipynb"
    assert "still blank" in made.states["Q1"]
