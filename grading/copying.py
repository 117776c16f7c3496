"""Copies notebooks: a tree of dicts, lists and values that never change, without what copy.deepcopy looks out for."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode


def copied(value: Any) -> Any:
    """A copy that shares nothing that can be changed; every dict in it is a NotebookNode."""
    if isinstance(value, dict):
        node = NotebookNode()
        dict.update(node, {key: copied(entry) for key, entry in value.items()})
        return node
    if isinstance(value, list):
        return [copied(entry) for entry in value]
    return value
