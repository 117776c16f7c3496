"""Files as they arrive: read all the same, or refused in one sentence that says what to do."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grading.intake.normalise import MAX_CELLS, normalise
from grading.intake.read import Reading, Unreadable, read_bytes, read_notebook
from grading.intake.transplant import transplant
from tests.test_intake_fixtures import ALL_RIGHT, PROSE, SETUP, released, scores, solved


def raw(**changes: Any) -> dict[str, Any]:
    return json.loads(nbformat.writes(solved())) | changes


def file(value: Any = None, **options: Any) -> bytes:
    return json.dumps(raw() if value is None else value, **options).encode()


def graded(data: bytes, suffix: str = ".ipynb") -> Reading:
    """Reads, and checks that all answers arrived."""
    reading = read_bytes(data, suffix)
    nbformat.validate(reading.notebook)
    done = transplant(released(), reading.notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert any(cell.source == PROSE for cell in done.notebook.cells)
    return reading


def refusal(data: bytes, suffix: str = ".ipynb", **options: Any) -> str:
    with pytest.raises(Unreadable) as caught:
        read_bytes(data, suffix, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert ";" in message or ":" in message
    return message


# Bytes and encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_of_any_form_is_read(encoding: str) -> None:
    reading = graded(file(ensure_ascii=False).decode().encode(encoding))
    assert bool(reading.notes) == (encoding not in ("utf-8", "utf-8-sig"))
    assert reading.notebook.cells[0].source.startswith("# 01 · Numbers")


def test_latin_1_is_read_with_a_note() -> None:
    reading = graded(file(ensure_ascii=False).decode().encode("latin-1"))
    assert reading.notebook.cells[0].source.startswith("# 01 · Numbers")
    assert "not UTF-8" in reading.notes[0]


def test_windows_line_ends_are_read() -> None:
    value = raw()
    for cell in value["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
    reading = graded(file(value, indent=1).replace(b"\n", b"\r\n"))
    assert not any("\r" in cell.source for cell in reading.notebook.cells)


def test_empty_and_blank_files_are_named() -> None:
    assert "empty" in refusal(b"")
    assert "empty" in refusal(b"\xef\xbb\xbf \n\n")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7 \x93\x8c", "PDF"),
        (b"\x89PNG\r\n", "picture"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"import torch\nprint(1)\n", "Python source"),
        (b"Dear all,\nhere is", "line 1, column 1"),
        (b'{"cells": [}', "line 1, column 12"),
        (b"[1, 2]", "a list"),
        (b'"text"', "a text"),
        (b"3", "a number"),
        (b"null", "nothing"),
        (b'{"a": 1, "b": 2}', "a, b"),
        (b'{"cells": {"0": 1}, "nbformat": 4}', "cells"),
    ],
)
def test_what_is_no_notebook_is_named(data: bytes, said: str) -> None:
    assert said in refusal(data)


def test_a_file_that_breaks_off_is_named() -> None:
    data = file(indent=1)
    assert "breaks off" in refusal(data[: len(data) // 2].rsplit(b'"', 1)[0] + b'"')
    refusal(data[: len(data) // 2])


def test_a_merge_conflict_is_named_with_its_line() -> None:
    lines = file(indent=1).decode().split("\n")
    lines[10:10] = ["<<<<<<< HEAD", "   1", "=======", "   2", ">>>>>>> theirs"]
    assert "merge conflict (line 11)" in refusal("\n".join(lines).encode())


def test_a_merge_conflict_inside_a_cell_is_noted() -> None:
    value = raw()
    value["cells"][3]["source"] = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x"
    assert any("cell 4" in note and "merge" in note for note in graded(file(value)).notes)


@pytest.mark.parametrize(
    "data", [b"[" * 200_000, b'{"a":' * 100_000, b'{"cells":' + b"[" * 50_000 + b"]" * 50_000 + b"}"]
)
def test_deep_nesting_is_refused(data: bytes) -> None:
    assert "nests" in refusal(data)


def test_millions_of_values_are_refused_before_they_fill_the_memory() -> None:
    assert "millions" in refusal(b'{"cells": [' + b"[]," * 3_100_000 + b"[]]}")


def test_deep_metadata_is_dropped() -> None:
    value = raw(metadata={"deep": json.loads("[" * 500 + "]" * 500)})
    value["cells"][4]["metadata"]["deep"] = json.loads("[" * 500 + "]" * 500)
    graded(file(value))


def test_50_mb_of_saved_outputs_cost_little() -> None:
    value = raw()
    picture = {"output_type": "display_data", "data": {"image/png": "A" * 1_000_000}, "metadata": {}}
    for number in range(50):
        value["cells"][4 if number % 2 else 5].setdefault("outputs", []).append(picture)
    data = file(value)
    assert len(data) > 50e6
    tracemalloc.start()
    reading = graded(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * len(data) + 20e6  # its text once more, never its outputs
    assert all(cell.outputs == [] for cell in reading.notebook.cells if cell.cell_type == "code")


# Notebooks of other forms


@pytest.mark.parametrize("minor", [0, 1, 4, 5, 99])
def test_any_minor_version_is_read(minor: int) -> None:
    value = raw(nbformat_minor=minor)
    for cell in value["cells"]:
        if minor < 5:
            del cell["id"]
    reading = graded(file(value))
    assert reading.notebook.nbformat_minor == 5
    assert len({cell.id for cell in reading.notebook.cells}) == len(value["cells"])


def test_version_3_is_upgraded() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "Hello"}]
    for cell in raw()["cells"]:
        code = {"cell_type": "code", "input": cell["source"], "language": "python", "prompt_number": 3, "outputs": []}
        cells.append(code if cell["cell_type"] == "code" else {"cell_type": "markdown", "source": cell["source"]})
    value = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    reading = graded(file(value))
    assert reading.notebook.cells[0].source == "## Hello"
    assert "old format 3" in reading.notes[0]


def test_a_future_version_is_read_with_a_note() -> None:
    assert "format 5" in graded(file(raw(nbformat=5))).notes[0]


def test_broken_fields_are_repaired() -> None:
    value = raw(metadata=None, nbformat="4")
    kinds = {id(cell): cell["cell_type"] for cell in value["cells"]}
    for number, cell in enumerate(value["cells"]):
        source = "".join(cell["source"])
        cell["source"] = source if number % 2 else source.splitlines(keepends=True)
        for key in ("metadata", "outputs", "execution_count"):
            if number % 3 == 0:
                cell.pop(key, None)
            elif number % 3 == 1:
                cell[key] = 17
        if number % 4 == 0:
            cell["id"] = [None, 7, "", "with blank", "x" * 99][number % 5]
        if kinds[id(cell)] == "code" and number % 4 == 1:
            del cell["cell_type"]
    value["cells"] += [None, 5, [], {}, {"cell_type": "code"}, {"cell_type": "banana", "source": 3.5, "outputs": []}]
    reading = graded(file(value))
    assert any("not a cell but nothing" in note for note in reading.notes)
    assert any("banana" in note for note in reading.notes)


def test_nan_and_duplicate_ids_are_read() -> None:
    value = raw()
    for cell in value["cells"]:
        cell["id"] = "same"
        cell["execution_count"] = float("nan")
    assert len({cell.id for cell in graded(file(value)).notebook.cells}) == len(value["cells"])


def test_characters_that_are_no_text_are_replaced() -> None:
    value = raw()
    value["cells"][0]["source"] = "nul \0, half a pair \ud83d"
    reading = graded(file(value))
    reading.notebook.cells[0].source.encode()
    assert any("cell 1" in note for note in reading.notes)


def test_sources_with_lines_that_are_no_text_lose_only_those() -> None:
    value = raw()
    value["cells"][2]["source"] = [*SETUP.splitlines(keepends=True), 7, None]
    assert any("cell 3" in note for note in graded(file(value)).notes)


def test_a_kernel_of_another_language_is_noted() -> None:
    kernel = {"kernelspec": {"language": "R", "name": "ir", "display_name": "R"}}
    assert any("kernel is for R" in note for note in graded(file(raw(metadata=kernel))).notes)


def test_too_many_cells_or_too_much_source_is_refused() -> None:
    assert "cells" in refusal(file(raw(cells=raw()["cells"][:1] * (MAX_CELLS + 1))))
    assert "characters" in refusal(file(raw(cells=[{"cell_type": "code", "source": "x" * 9_000_000}])))


def test_notes_are_bounded() -> None:
    assert len(normalise({"cells": [3] * 1000, "nbformat": 4}).notes) < 40


# The file itself


def test_links_folders_pipes_and_large_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real.ipynb").write_bytes(file())
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "real.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")
    with (tmp_path / "huge.ipynb").open("wb") as huge:
        huge.truncate(65 * 2**20)
    assert read_notebook(tmp_path / "real.ipynb").notes == ()
    said_of = {"link": "link", "folder": "folder", "pipe": "device", "huge": "65 MB", "none": "No such file"}
    for name, said in said_of.items():
        with pytest.raises(Unreadable, match=said):
            read_notebook(tmp_path / f"{name}.ipynb")
