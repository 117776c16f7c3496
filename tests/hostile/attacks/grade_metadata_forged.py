"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack


def forge(saved, kit):
    for number, role in enumerate(("check", "answer", "written", "bootstrap")):
        saved["cells"].append({
            "cell_type": "code", "id": f"forged-{number}", "outputs": [], "execution_count": None,
            "source": f"{1000 + number}.0",
            "metadata": {
                "vitlab": {"role": role, "question": ["Q1b"] if number else "Q1b"},
                "nbgrader": {
                    "grade": True, "solution": False, "locked": False, "points": 1000, "schema_version": 3,
                    "grade_id": f"forged-{number}", "task": False, "cell_type": "code",
                },
            },
        })  # fmt: skip
    saved["metadata"]["vitlab"] = {"lesson": "none", "limits": {"memory_mb": 10**9}}
    saved["metadata"]["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}


ATTACK = Attack(
    attempts="adds cells of its own that say they are checks worth a thousand points, and a kernel of its own",
    must="roles, points and kernel are the grader's",
    edit=forge,
)
