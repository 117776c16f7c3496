"""What random mangling does to right answers: `python benchmarks/mangling.py [--notebooks 4000] [--seed 0]`.

The mangler is the tests' own (`tests/test_intake_mangled.py`): up to seven of its changes to each notebook, saved in
one of many ways, read and put into the released notebook by intake. Counted are answers that stayed right, that
stayed right with a note, that were lost with a note, and that were lost without one, which must not happen. The changes
made to notebooks that lost an answer are named, with their numbers. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

from tests.test_intake_fixtures import STUBS
from tests.test_intake_mangled import MANGLES, outcomes

MOST = 7


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notebooks", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    kinds: dict[str, Counter[str]] = {"code": Counter(), "written": Counter()}
    losing: Counter[str] = Counter()
    for _ in range(options.notebooks):
        mangles = rng.choices(MANGLES, k=rng.randint(0, MOST))
        answered = {question for question in sorted(STUBS) if rng.random() < 0.75}
        for question, outcome in outcomes(mangles, answered, rng.randrange(2**32)).items():
            kinds["written" if question.startswith("W") else "code"][outcome] += 1
            if outcome.lower().startswith("lost"):
                losing.update(mangle.__name__ for mangle in set(mangles))
    print("lost answers by what was done to their notebooks:", dict(losing.most_common(6)))
    print(json.dumps({"notebooks": options.notebooks, "ways": len(MANGLES), **kinds}))


if __name__ == "__main__":
    main()
