"""The arrays an answer gave, and their one form on the wire: safetensors, never pickle.

`collect` runs beside the student's code; `decode` runs where grades are made and trusts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from helpers.checks.tolerances import CPU

MIME = "application/vnd.vitlab.answer"
VERSION = 2
MAX_BYTES = 8 * 2**20
FAILURE = ("kind", "message", "line", "source", "cell", "note")
HALF = ("float16", "bfloat16")


class BadAnswer(ValueError):
    """An answer that can't be read: says what was found and what was expected."""


class MissingArray(KeyError):
    """A judge asked for an array that the answer's record doesn't hold."""


class Arrays(dict[str, np.ndarray]):
    """What one probe returned, by name.

    Attributes:
        tolerance: the difference that the judge allows, relative to the largest expected value. The judge sets it
            (`helpers.checks.tolerances`); nothing in a record has a say in it.
        dtypes: the dtypes that the answer's tensors had, as the kernel reports them. They may explain a failure on
            the card and earn nothing.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], *, tolerance: float = CPU, dtypes: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(arrays)
        self.tolerance = tolerance
        self.dtypes = dict(dtypes or {})

    def allowing(self, tolerance: float) -> Arrays:
        """The same arrays under the judge's tolerance."""
        return Arrays(self, tolerance=tolerance, dtypes=self.dtypes)

    def __missing__(self, name: str) -> np.ndarray:
        raise MissingArray(name)


@dataclass(frozen=True)
class Failure:
    """An exception raised by an answer.

    Attributes:
        kind: name of the exception class, or ``"StillBlank"``.
        message: its text.
        line: number of the line in the student's cell, 0 when unknown.
        source: text of that line.
        cell: first line of that cell, such as ``"# Q6: the residual connection"``.
        note: a sentence on what the notebook did to a name or a setting that this line uses, or "".
    """

    kind: str
    message: str
    line: int = 0
    source: str = ""
    cell: str = ""
    note: str = ""

    @property
    def blank(self) -> bool:
        return self.kind == "StillBlank" or (self.kind == "NameError" and "'___'" in self.message)


@dataclass(frozen=True)
class Answer:
    """Per case either arrays or a failure; `cases["public/0"]` for instance."""

    question: str
    cases: Mapping[str, Arrays | Failure] = field(default_factory=dict)

    def of(self, part: str, count: int) -> list[Arrays | Failure]:
        """The `count` entries of a part, ``"public"`` or ``"secret"``; a missing one is a Failure."""
        missing = Failure("Missing", "no arrays were recorded for this case")
        return [self.cases.get(f"{part}/{i}", missing) for i in range(count)]


def to_array(value: Any) -> tuple[np.ndarray, str]:
    """A tensor, array, number, bool or nested list as a plain numpy array, and the dtype it had.

    Raises:
        TypeError: for anything else (None, a string, a module); the message says what was returned.
    """
    dtype = ""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach()
        dtype = str(value.dtype).removeprefix("torch.")
        if dtype == "bfloat16":  # numpy has none
            value = value.float()
        value = value.cpu().resolve_conj().resolve_neg().numpy()
    elif isinstance(value, list | tuple):
        parts = [to_array(v) for v in value]
        if len({array.shape for array, _ in parts}) > 1:
            shapes = ", ".join(str(array.shape) for array, _ in parts)
            kind = type(value).__name__
            raise TypeError(f"the answer returned a {kind} of arrays of the shapes {shapes}; one tensor was expected")
        value, dtype = [array for array, _ in parts], next((d for _, d in parts if d in HALF), "")
    if value is None:
        raise TypeError("the answer returned None: is a `return` missing?")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"the answer returned {type(value).__name__}; a tensor was expected")
    return np.asarray(array, order="C"), dtype or str(array.dtype)


def collect(values: Mapping[str, Any]) -> Arrays:
    """A probe's return value as `Arrays`."""
    converted = {name: to_array(value) for name, value in values.items()}
    return Arrays(
        {name: array for name, (array, _) in converted.items()},
        dtypes={name: dtype for name, (_, dtype) in converted.items() if dtype in HALF},
    )


def encode(answer: Answer) -> bytes:
    """Safetensors bytes: tensor ``public/0/code`` holds array ``code`` of the first public case."""
    tensors: dict[str, np.ndarray] = {}
    failures: dict[str, dict[str, Any]] = {}
    dtypes: dict[str, dict[str, str]] = {}
    for case, content in answer.cases.items():
        if isinstance(content, Failure):
            failures[case] = {k: getattr(content, k) for k in FAILURE}
        else:
            dtypes[case] = content.dtypes
            tensors |= {f"{case}/{name}": array for name, array in content.items()}
    meta = {"version": VERSION, "question": answer.question, "failures": failures, "dtypes": dtypes}
    return save_tensors(tensors, metadata={"answer": json.dumps(meta)})


def read_metadata(blob: bytes) -> dict[str, str]:
    """The metadata of a safetensors file held in memory."""
    size = int.from_bytes(blob[:8], "little")
    if len(blob) < 8 or size > len(blob) - 8:
        raise BadAnswer(f"not a safetensors file: {len(blob)} bytes, header of {size}")
    try:
        header = json.loads(blob[8 : 8 + size])
        meta = header.get("__metadata__", {})
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadAnswer(f"safetensors header is not readable: {error}") from None
    return meta if isinstance(meta, dict) else {}


def decode(blob: bytes, *, question: str, max_bytes: int = MAX_BYTES) -> Answer:
    """Read an untrusted answer.

    Raises:
        BadAnswer: too large, not safetensors, of another question or version, or with fields of wrong types.
    """
    if len(blob) > max_bytes:
        raise BadAnswer(f"answer of {len(blob)} bytes; at most {max_bytes} are read")
    try:
        meta = json.loads(read_metadata(blob).get("answer", ""))
        tensors = load_tensors(blob)
        if meta["version"] != VERSION:
            raise BadAnswer(f"answer of version {meta['version']!r}; this grader reads {VERSION}")
        if meta["question"] != question:
            raise BadAnswer(f"answer of question {str(meta['question'])[:40]!r} found under {question!r}")
        failures = {str(case): _failure(content) for case, content in dict(meta["failures"]).items()}
        dtypes = {str(case): _dtypes(content) for case, content in dict(meta["dtypes"]).items()}
    except BadAnswer:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise BadAnswer(f"answer can't be read: {type(error).__name__}: {str(error)[:200]}") from None
    cases: dict[str, Arrays | Failure] = dict(failures)
    grouped: dict[str, dict[str, np.ndarray]] = {case: {} for case in dtypes if case not in failures}
    for name, array in tensors.items():
        case, _, key = name.rpartition("/")
        if case in grouped and array.dtype.kind in "biuf":
            grouped[case][key] = array
    for case, arrays in grouped.items():
        cases[case] = Arrays(arrays, dtypes=dtypes[case])
    return Answer(question, cases)


def _dtypes(content: Any) -> dict[str, str]:
    """The kernel's word on its dtypes: names of half precision alone are kept, for a sentence on the card."""
    return {str(name)[:80]: str(dtype) for name, dtype in dict(content).items() if str(dtype) in HALF}


def _failure(content: Any) -> Failure:
    return Failure(
        kind=str(content["kind"])[:80],
        message=str(content["message"])[:500],
        line=max(0, min(int(content["line"]), 10**6)),
        source=str(content["source"])[:200],
        cell=str(content["cell"])[:100],
        note=str(content["note"])[:400],
    )
