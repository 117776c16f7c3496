"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="raises an error whose class, text and source are HTML, terminal escapes and Rich markup",
    must="what a student wrote is shown as text",
    answer=r"""
class Evil(Exception):
    pass


Evil.__name__ = "<script>alert('@TOKEN@')</script>"


def cosine_similarity(P):
    raise Evil("<img src=x onerror=alert('@TOKEN@')> \x1b]0;@TOKEN@\x07 [red]full marks[/red] [link=x]\u202e")
""",
)
