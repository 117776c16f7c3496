"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="patches IPython's run_cell, so that the check's cell shows full marks in place of running",
    must="a check that did not run is zero",
    before="""
shell = get_ipython()
plain = shell.run_cell


def run_cell(code, *more, **options):
    if 'check("Q1b"' in code:
        code = "3.0"
    return plain(code, *more, **options)


async def run_cell_async(code, *more, **options):
    return await type(shell).run_cell_async(shell, "3.0" if 'check("Q1b"' in code else code, *more, **options)


shell.run_cell, shell.run_cell_async = run_cell, run_cell_async
attempt("patch the shell", lambda: shell.run_cell_async is run_cell_async)
""",
    done=("patch the shell",),
    suspicious="recorded nothing",
)
