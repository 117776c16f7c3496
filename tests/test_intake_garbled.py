"""Notebooks whose JSON was garbled at random: refused, or read; never a crash."""

from __future__ import annotations

import json
import random
from typing import Any

import nbformat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grading.intake.read import Unreadable, read_bytes
from grading.intake.transplant import transplant
from tests.test_intake_fixtures import assert_ours, other_released, released, solved

ODD: tuple[Any, ...] = (
    None, 0, -1, 1e300, True, "", "x", [], {}, ["a", 1], {"a": {}}, "Q1", "code", "\ud800\0", [[]], {"grade_id": "Q1"},
    "# Q1\ndef triple(", "___", {"image/png": 3},
)  # fmt: skip


def _garble(value: Any, rng: random.Random, share: float) -> Any:
    """Any JSON value with some of its parts replaced, doubled or renamed."""
    if rng.random() < share:
        return rng.choice(ODD)
    if isinstance(value, dict):
        return {k if rng.random() > share / 2 else f"{k}x": _garble(v, rng, share) for k, v in value.items()}
    if isinstance(value, list):
        return [_garble(v, rng, share) for v in value for _ in range(1 + (rng.random() < share))]
    return value


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.sampled_from([0.002, 0.01, 0.05, 0.2]), st.integers(0, 3))
def test_any_json_is_refused_or_becomes_our_notebook(seed: int, share: float, flips: int) -> None:
    rng = random.Random(seed)
    data = bytearray(json.dumps(_garble(json.loads(json.dumps(solved())), rng, share)).encode())
    for _ in range(flips):
        data[rng.randrange(len(data))] = rng.randrange(256)
    try:
        reading = read_bytes(bytes(data))
    except Unreadable:
        return
    done = transplant(released(), reading.notebook, {"02_halves": other_released()})
    assert_ours(done.notebook, released())
    nbformat.writes(done.notebook).encode("utf-8")
