"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="shows thousands of tiny outputs under one display id, each of which updates all before it",
    must="the grader's own time is bounded: outputs are counted",
    answer="""
kernel = get_ipython().kernel
parent = {"header": {"msg_id": kernel.get_parent()["header"]["msg_id"]}}
content = {"data": {"text/plain": ""}, "metadata": {}, "transient": {"display_id": "one"}}
for _ in range(5500):
    kernel.session.send(kernel.iopub_socket, "display_data", content, parent=parent)


def cosine_similarity(P):
    return None
""",
    status=("graded", "timeout"),
)
