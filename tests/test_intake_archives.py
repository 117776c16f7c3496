"""A zip archive or a script instead of the notebook."""

from __future__ import annotations

import io
import zipfile

import pytest

from grading.intake.read import read_bytes
from grading.intake.transplant import transplant
from tests.test_intake_fixtures import ALL_RIGHT, NAMES, PROSE, RIGHT, SETUP, released, scores
from tests.test_intake_read import file, graded, refusal


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_the_notebook_in_a_zip_is_read() -> None:
    files = {
        "work/x.ipynb": file(),
        "__MACOSX/work/._x.ipynb": b"\0",
        ".ipynb_checkpoints/x.ipynb": file(),
        "a.csv": b"1",
    }
    for suffix in (".zip", ".ipynb"):
        assert "zip" in graded(zipped(**files), suffix).notes[0]


def test_of_several_notebooks_in_a_zip_the_lessons_is_read() -> None:
    data = zipped(**{"a/01_numbers.ipynb": file(), "b/02_halves.ipynb": b"{}"})
    assert "2 notebooks" in refusal(data)
    assert read_bytes(data, prefer="01_numbers").notebook.cells


@pytest.mark.parametrize("name", ["../x.ipynb", "/etc/x.ipynb", "a/../../x.ipynb", "..\\x.ipynb", "C:/x.ipynb"])
def test_a_zip_whose_paths_lead_out_is_refused(name: str) -> None:
    assert "leads out" in refusal(zipped(**{name: file()}))


def test_a_zip_bomb_is_refused() -> None:
    assert "larger than 1 MB" in refusal(zipped(**{"x.ipynb": b" " * 50_000_000}), max_mb=1)
    lying = bytearray(zipped(**{"x.ipynb": b" " * 5_000_000}))
    at = lying.index(b"PK\x01\x02")
    lying[at + 24 : at + 28] = (10).to_bytes(4, "little")  # claims to unpack to ten bytes
    refusal(bytes(lying), max_mb=1)


def test_other_zips_are_named() -> None:
    assert "'report.docx'" in refusal(zipped(**{"report.docx": b"x"}))
    assert "broken" in refusal(zipped(**{"x.ipynb": file()})[:200])
    assert "is none" in refusal(b"hello", ".zip")


def test_a_locked_zip_is_named() -> None:
    data = bytearray(zipped(**{"x.ipynb": file()}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "password" in refusal(bytes(data))


def script(*, marker: str) -> bytes:
    parts = [marker + SETUP, *(marker + source for source in RIGHT.values())]
    parts.append(f"# %% [markdown]\n# W1: {PROSE}" if "%%" in marker else "")
    return "\n\n".join(parts).encode()


def test_a_percent_script_is_read() -> None:
    reading = read_bytes(script(marker="# %%\n"), ".py")
    done = transplant(released(), reading.notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert PROSE in next(cell.source for cell in done.notebook.cells if cell.id == "W1")


@pytest.mark.parametrize("marker", ["", "# In[3]:\n\n"])
def test_any_script_is_read_by_its_names(marker: str) -> None:
    for text in (script(marker=marker), script(marker=marker).replace(b"\n", b"\r\n")):
        done = transplant(released(), read_bytes(text, ".py").notebook)
        assert scores(done.notebook) == ALL_RIGHT
        assert {done.placed[question] for question in NAMES if question != "Q3"} <= {"marker", "name"}


def test_an_empty_script_is_named() -> None:
    assert "empty" in refusal(b"\n", ".py")
