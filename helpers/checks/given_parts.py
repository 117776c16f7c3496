"""Parts of earlier questions, given while a later one is asked: one mistake costs once.

An answer such as an encoder block looks up `ResidualAdd` and `FeedForwardBlock` by name, and finds the student's own
there. Inside `given_parts(answer, {"ResidualAdd": Known})` it finds the known part, the solution as well as every
student's answer, so that the comparison says nothing about the earlier question.

The parts must be no answer to their own questions, for they ship to students (`helpers.built.stand_ins`, or parts that
a question's module makes). An answer that does not look the name up keeps what it has: where that is allowed, record
twice, once with the notebook's own parts and once with the given ones, and accept either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from helpers.checks.stub_modules import namespaces_of


@contextmanager
def given_parts(answer: Callable[..., Any], parts: Mapping[str, Any]) -> Iterator[frozenset[str]]:
    """Each name stands for the given part inside, wherever the functions of `answer` look it up.

    Other names for the same object (`PE = getPositionEncoding`) are replaced as well. Gives the names that were found.
    """
    namespaces = namespaces_of(answer)
    old = [
        (namespace, name, namespace[name], parts[asked])
        for namespace in namespaces
        for asked in parts
        if asked in namespace
        for name in list(namespace)
        if name == asked or (namespace[name] is namespace[asked] and callable(namespace[asked]))
    ]
    for namespace, name, _, part in old:
        namespace[name] = part
    try:
        yield frozenset(name for _, name, _, _ in old)
    finally:
        for namespace, name, own, _ in old:
            namespace[name] = own
