"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="sends replies and results of its own on the kernel's channels, signed with the session key",
    must="what a kernel says of itself is no score",
    forge=True,
    before="""
kernel = get_ipython().kernel
plain = kernel.do_execute


async def do_execute(code, *more, **options):
    parent = kernel.get_parent()

    def say(kind, content):
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)

    if 'check("Q1b"' in code:
        print("forging", flush=True)
        say("execute_result", {"data": {"text/plain": "3.0"}, "metadata": {}, "execution_count": 1})
        say("display_data", {"data": bundle(public_record()), "metadata": {}})
        say("status", {"execution_state": "idle"})
    return await plain(code, *more, **options)


kernel.do_execute = do_execute
attempt("patch the kernel", lambda: kernel.do_execute is do_execute)
""",
    done=("patch the kernel",),
)
