"""`python -m helpers lab`, `… progress` and `… submit 05_attention`, in the course's folder."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("lab", help="JupyterLab on the course map; further options are JupyterLab's own")
    commands.add_parser("progress", help="the course map, with what is done")
    hand_in = commands.add_parser("submit", help="look a lesson through and make the file to hand in")
    hand_in.add_argument("lesson", help="its id or its number: 05_attention, or 05")
    hand_in.add_argument("notebook", nargs="?", help="the notebook, when it lies elsewhere or has another name")
    given, rest = parser.parse_known_args(arguments)
    if given.command == "lab":
        from helpers.lab import LabError, start

        try:
            return start(rest)
        except LabError as error:
            print(error, file=sys.stderr)
            return 2
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    from helpers.course_map import progress
    from helpers.portfolio import HandInError, submit

    if given.command == "progress":
        print(progress())
        return 0
    try:
        print(submit(given.lesson, given.notebook))
    except HandInError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
