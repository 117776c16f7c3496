"""CSV files as spreadsheets, people and learning management systems write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grading.course import CourseError

_MAX_CELL = 10 * 2**20
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        heads: the column heads as they stand, without blanks at their ends.
        rows: the rows below, each as long as `heads`.
        delimiter: "," or ";" or a tab.
        bom: the file began with a byte order mark.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    delimiter: str = ","
    bom: bool = False


def read_table(path: Path, what: str) -> Table:
    """Read a CSV: UTF-8 with or without byte order mark, UTF-16 or Windows' encoding; comma, semicolon or tab.

    Args:
        what: what the file is, for messages: "the roster".

    Raises:
        CourseError: it cannot be read, or holds no row below the heads.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CourseError(f"{what} {path} can't be read: {error.strerror or error}") from None
    if raw.startswith(b"PK\x03\x04"):
        raise CourseError(f"{what} {path} is an Excel file: save it as CSV (UTF-8), or export CSV from your LMS")
    text = _decoded(raw)
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and lines[0].lower().startswith("sep=") and len(lines[0]) == 5:  # Excel's own hint
        text = text.split("\n", 1)[1]
        lines = lines[1:]
    if len(lines) < 2:
        raise CourseError(f"{what} {path} holds no student: expected a row of column heads and a row per student")
    delimiter = _delimiter(lines[0])
    csv.field_size_limit(_MAX_CELL)
    try:
        read = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise CourseError(f"{what} {path} is no CSV that can be read ({error}): export it again") from None
    heads = tuple(head.strip() for head in read[0])
    rows = tuple(tuple((*map(str.strip, row), *[""] * len(heads))[: len(heads)]) for row in read[1:])
    return Table(heads, rows, delimiter, raw.startswith(b"\xef\xbb\xbf"))


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    if len(raw) > 3 and raw[1] == 0 and raw[3] == 0:
        return raw.decode("utf-16-le", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _delimiter(line: str) -> str:
    """What parts the heads; what stands inside quotation marks is not counted."""
    outside = "".join(line.split('"')[::2])
    return max(",;\t", key=outside.count)


def written(rows: Iterable[Sequence[str]], delimiter: str = ",", newline: str = "\n", *, bom: bool = False) -> bytes:
    """A CSV file's bytes, UTF-8."""
    out = io.StringIO()
    csv.writer(out, lineterminator=newline, delimiter=delimiter).writerows(rows)
    return (b"\xef\xbb\xbf" if bom else b"") + out.getvalue().encode("utf-8", "replace")


def write_file(target: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        CourseError: the disk refuses it.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        raise CourseError(f"{target} can't be written: {error.strerror or error}") from None


def safe(text: str) -> str:
    """A cell that a spreadsheet takes as text: what begins like a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) and text != "-" and number(text) is None else text


def plain_number(value: float, *, comma: bool = False) -> str:
    """Two decimals at most, no exponent; a comma before them where the table has commas."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    text = "0" if text in ("-0", "") else text
    return text.replace(".", ",") if comma else text


def has_commas(cells: Iterable[str]) -> bool:
    """Whether numbers in these cells have a comma before their decimals."""
    return any(number(cell) is not None and cell.rstrip("%").rfind(",") > cell.rfind(".") for cell in cells)


def number(text: str) -> float | None:
    """A number with a point or a comma before its decimals; None for anything else."""
    bare = text.strip().replace("\u00a0", "").removesuffix("%").strip()
    if not bare or not bare.lstrip("+-")[:1].isdigit() or not all(c in "0123456789.,+-" for c in bare):
        return None
    if "," in bare and "." in bare:  # the last of the two parts the decimals
        thousands = "," if bare.rfind(".") > bare.rfind(",") else "."
        bare = bare.replace(thousands, "")
    try:
        return float(bare.replace(",", "."))
    except ValueError:
        return None
