"""`python -m tests.mutants [LESSON …] [--limit N] [--show]`: judge mutants and print a table."""

from __future__ import annotations

import argparse
from collections import Counter

import torch

from tests.mutants.judging import ALLOWED, EQUIVALENT, KILLED, SURVIVED, benches

LIMIT = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("lessons", nargs="*", help="ids or numbers of lessons, or ids of questions (default: all)")
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"mutants per question at most (default: {LIMIT})")
    parser.add_argument("--all", action="store_true", help="no limit")
    parser.add_argument("--show", action="store_true", help="print every mutant, not the survivors only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = [name for name in options.lessons if not name.startswith("Q")]
    questions = {name for name in options.lessons if name.startswith("Q")}
    survivors = 0
    print(f"{'question':9} {'made':>5} {'killed':>7} {'equivalent':>11} {'explained':>10} {'survived':>9}")
    for bench in benches(asked):
        if questions and bench.qid not in questions:
            continue
        fates = [bench.fate(mutant) for mutant in bench.mutants(None if options.all else options.limit)]
        count = Counter(fate.state for fate in fates)
        survivors += count[SURVIVED]
        print(
            f"{bench.qid:9} {len(fates):5} {count[KILLED]:7} {count[EQUIVALENT]:11} {count[ALLOWED]:10} "
            f"{count[SURVIVED]:9}",
            flush=True,
        )
        for fate in fates:
            if fate.state == SURVIVED or options.show:
                print(f"    {fate.state:10} {fate.mutant}  [{fate.why}]", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
