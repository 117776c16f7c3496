"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack


def write(saved, kit):
    bombs = ["(" * 50_000, "1+" * 50_000 + "1", "a" + ".b" * 50_000, "-" * 100_000 + "1", "\\" * 100_001,
             'f"' + "{" * 20_000, "'" * 100_001, "%%time\n" * 5000]  # fmt: skip
    for number, text in enumerate(bombs):
        saved["cells"].append({
            "cell_type": "code", "id": f"bomb-{number}", "metadata": {}, "source": text, "outputs": [],
            "execution_count": None,
        })  # fmt: skip


ATTACK = Attack(
    attempts="adds cells that take a parser or a highlighter hours, or more stack than there is",
    must="the grader reads and shows them in the usual time",
    edit=write,
    status=("graded", "died", "timeout", "total_timeout"),
)
