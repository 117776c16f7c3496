"""From a file's bytes to JSON: encodings, merge conflicts, and files that are something else altogether."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_BRACKETS = 3_000_000  # lists and objects; each costs memory a hundred times its two characters
_CONFLICT = re.compile(r"^(?:<{7} |>{7} )", re.MULTILINE)
_KINDS = (
    (b"%PDF", "a PDF"), (b"PK\x03\x04", "a zip archive"), (b"\x1f\x8b", "a gzip archive"), (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"), (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"),
    (b"\xd0\xcf\x11\xe0", "an Office document"),
)  # fmt: skip
_DROPPED: dict[str, Any] = {}


class Unreadable(Exception):
    """A file that is no notebook; one sentence: what was found, what was expected, what to do."""


def load_json(data: bytes, notes: list[str]) -> Any:
    """The JSON value in `data`, saved outputs dropped as they are met.

    Raises:
        Unreadable: empty, another kind of file, or broken JSON, with line and column.
    """
    text = decode(data, notes)
    del data
    start = text[:2000].lstrip()
    if not start:
        raise Unreadable("the file is empty; hand in the notebook again, after saving it")
    if start[:1] == "<" and re.match(r"<!doctype|<html|<\?xml|<head", start, re.IGNORECASE):
        raise Unreadable(
            "the file is a web page, not a notebook; download the .ipynb itself (File, Download) and hand that in"
        )
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise Unreadable(
            "the file holds millions of nested values; clear the outputs (Edit, Clear Outputs of All Cells), save, "
            "hand it in again"
        )
    try:
        return json.loads(text, object_hook=_without_outputs, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        raise Unreadable(_broken(text, error)) from None
    except RecursionError:
        raise Unreadable(
            "the file nests values thousands deep, as no notebook does; hand in the notebook itself"
        ) from None
    except ValueError as error:  # an integer of more than 4300 digits
        raise Unreadable(f"the file can't be read as JSON ({str(error)[:80]}); hand in the notebook itself") from None


def decode(data: bytes, notes: list[str]) -> str:
    """The text of a file in whatever encoding it is.

    Raises:
        Unreadable: it is plainly another kind of file.
    """
    for magic, kind in _KINDS:
        if data.startswith(magic):
            raise Unreadable(f"the file is {kind}, whatever its name says; hand in the .ipynb itself")
    encoding: str = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        text = data.decode(encoding, "replace")
    if encoding not in ("utf-8", "utf-8-sig"):
        notes.append(f"the file is not UTF-8; it was read as {encoding}, so letters beyond ASCII may be wrong.")
    return text.removeprefix("\ufeff")


def _without_outputs(value: dict[str, Any]) -> dict[str, Any]:
    """Called for each JSON object as soon as it is read, so that saved outputs never fill the memory."""
    if "output_type" in value and "cell_type" not in value:
        return _DROPPED
    if "cell_type" in value:
        value.pop("outputs", None)
        if isinstance(value.get("metadata"), dict):
            value["metadata"].pop("outputs", None)
    return value


def _broken(text: str, error: json.JSONDecodeError) -> str:
    where = f"line {error.lineno}, column {error.colno}"
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return (
            f"the file holds an unresolved git merge conflict (line {line}); choose one of the two sides, "
            "or hand in the notebook as it was before the merge"
        )
    if error.pos >= len(text.rstrip()) - 1:
        return f"the file breaks off at {where}, as when an upload is cut short; save the notebook, hand it in again"
    if re.match(r"\s*(#|import |from |def |\"\"\")", text):
        return "the file is Python source, not a notebook; hand in the .ipynb"
    return (
        f"the file is not JSON as a notebook is ({error.msg} at {where}); open it in Jupyter, save it, hand it in again"
    )
