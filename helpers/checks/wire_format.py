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

MIME = "application/vnd.vitlab.answer"
VERSION = 1
MAX_BYTES = 8 * 2**20


class BadAnswer(ValueError):
    """An answer that can't be read: says what was found and what was expected."""


class MissingArray(KeyError):
    """A judge asked for an array that the answer's record doesn't hold."""


class Arrays(dict[str, np.ndarray]):
    """What one probe returned, by name, with the tolerance that its dtype and device deserve."""

    def __init__(self, arrays: Mapping[str, np.ndarray], *, tolerance: float = 1e-4) -> None:
        super().__init__(arrays)
        self.tolerance = tolerance

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
    """

    kind: str
    message: str
    line: int = 0
    source: str = ""

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


def to_array(value: Any) -> tuple[np.ndarray, float]:
    """A tensor, array, number, bool or nested list as a plain numpy array, and the tolerance it deserves.

    Raises:
        TypeError: for anything else (None, a string, a module); the message says what was returned.
    """
    tolerance = 1e-4
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach()
        name = str(value.dtype)
        if value.is_cuda if hasattr(value, "is_cuda") else False:
            tolerance = 2e-3  # other orders of summing, and TF32 where an answer insists on it
        if name in ("torch.float16", "torch.bfloat16"):
            value, tolerance = value.float(), 2e-2
        value = value.cpu().resolve_conj().resolve_neg().numpy()
    elif isinstance(value, list | tuple):
        parts = [to_array(v) for v in value]
        return np.asarray([p[0] for p in parts]), max([p[1] for p in parts], default=tolerance)
    if value is None:
        raise TypeError("the answer returned None: is a `return` missing?")
    array = np.asarray(value)
    if array.dtype == np.float16:
        tolerance = 2e-2
    if array.dtype.kind not in "biuf":
        raise TypeError(f"the answer returned {type(value).__name__}; a tensor was expected")
    return np.asarray(array, order="C"), tolerance


def collect(values: Mapping[str, Any]) -> Arrays:
    """A probe's return value as `Arrays`."""
    converted = {name: to_array(value) for name, value in values.items()}
    tolerance = max((t for _, t in converted.values()), default=1e-4)
    return Arrays({name: array for name, (array, _) in converted.items()}, tolerance=tolerance)


def encode(answer: Answer) -> bytes:
    """Safetensors bytes: tensor ``public/0/code`` holds array ``code`` of the first public case."""
    tensors: dict[str, np.ndarray] = {}
    failures: dict[str, dict[str, Any]] = {}
    tolerances: dict[str, float] = {}
    for case, content in answer.cases.items():
        if isinstance(content, Failure):
            failures[case] = {k: getattr(content, k) for k in ("kind", "message", "line", "source")}
        else:
            tolerances[case] = content.tolerance
            tensors |= {f"{case}/{name}": array for name, array in content.items()}
    meta = {"version": VERSION, "question": answer.question, "failures": failures, "tolerances": tolerances}
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
        tolerances = {str(case): float(t) for case, t in dict(meta["tolerances"]).items()}
    except BadAnswer:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise BadAnswer(f"answer can't be read: {type(error).__name__}: {str(error)[:200]}") from None
    cases: dict[str, Arrays | Failure] = dict(failures)
    grouped: dict[str, dict[str, np.ndarray]] = {case: {} for case in tolerances if case not in failures}
    for name, array in tensors.items():
        case, _, key = name.rpartition("/")
        if case in grouped and array.dtype.kind in "biuf":
            grouped[case][key] = array
    for case, arrays in grouped.items():
        claimed = tolerances[case]  # the kernel's word: never looser than half precision deserves
        cases[case] = Arrays(arrays, tolerance=claimed if 0 < claimed <= 2e-2 else 1e-4)
    return Answer(question, cases)


def _failure(content: Any) -> Failure:
    return Failure(
        kind=str(content["kind"])[:80],
        message=str(content["message"])[:500],
        line=max(0, min(int(content["line"]), 10**6)),
        source=str(content["source"])[:200],
    )
