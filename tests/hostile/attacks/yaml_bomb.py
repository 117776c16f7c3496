"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import LESSON, Attack


def write(folder, kit, names):
    lines = ["# ---", "# jupyter:", "#   a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"#   a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    lines += ["#   kernelspec: *a11", "# ---", "# %%", "def cosine_similarity(P):", "    return P", ""]
    (folder / f"{LESSON}.py").write_text("\n".join(lines))


ATTACK = Attack(
    attempts="hands in a script whose YAML header unfolds to 9**12 words",
    must="it is read or refused in the usual time",
    write=write,
    scores={"Q1": 0.0, "Q1b": 0.0, "Q1c": 0.0},
    status=("graded", "unreadable"),
)
