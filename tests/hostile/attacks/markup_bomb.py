"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack


def write(saved, kit):
    bombs = ["<div>" * 30_000, "<b>" * 30_000, "[a](" * 20_000, "[" * 40_000, "> " * 3000 + "a", "`" * 30_001 + "a"]
    for number, text in enumerate(bombs):
        saved["cells"].append({"cell_type": "markdown", "id": f"bomb-{number}", "metadata": {}, "source": text})


ATTACK = Attack(
    attempts="nests thirty thousand tags and brackets in its prose, which takes a renderer hours",
    must="the page is written in the usual time",
    edit=write,
)
