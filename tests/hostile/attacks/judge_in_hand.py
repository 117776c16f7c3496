"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="runs the shipped judge on its own arrays with the public key and hands in what the judge liked best",
    must="liking it needs the expected arrays of the secret cases, which are not there",
    forge=True,
    answer="""
from helpers.checks.question import public_rng, secret_cases
from helpers.checks.verdict import judge_answer
from helpers.questions import find
import os

QUESTION = find("Q1b")
SECRET = secret_cases(QUESTION, int(os.environ["VITLAB_EXAM_SEED"]))
KNOWN = expectations.every_question()["Q1b"]
BEST = (0, None)
for value in (0.0, 1.0, -1.0, 0.5):
    rows = [Arrays({"similarity": np.full((len(c["P"]),) * 2, value, "float32"), "P": c["P"]}) for c in SECRET]
    verdict = judge_answer(QUESTION, Answer("Q1b", {f"public/{i}": r for i, r in enumerate(rows)}),
                           public=(SECRET, KNOWN))
    BEST = max(BEST, (verdict.score, value), key=lambda pair: pair[0])
print("best", BEST)


def cosine_similarity(P):
    return torch.full((len(P), len(P)), BEST[1] or 1.0)
""",
    prints=("best",),
)
