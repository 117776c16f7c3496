"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="sends what is no message, messages without keys, nested ones, and outputs that no notebook may hold",
    must="the cell is lost, the others count",
    answer="""
kernel = get_ipython().kernel
pack = kernel.session.pack


def send(kind, content):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())


send("display_data", {"data": {"text/plain": {"not": "text"}}, "metadata": {}})
send("display_data", {"data": "no mapping", "metadata": {}})
send("comm_open", {"comm_id": "1", "target_name": "jupyter.widget", "data": {"state": {}}})
send("error", {"ename": 1, "evalue": [], "traceback": "x"})
kernel.session.pack = lambda value: b"[" * 50_000 + b"]" * 50_000 if value == {"deep": 1} else pack(value)
send("display_data", {"deep": 1})
kernel.session.pack = pack
kernel.iopub_socket.send_multipart([b"stream", b"<IDS|MSG>", b"forged", b"{", b"}", b"", b""])


def cosine_similarity(P):
    return None
""",
    status=("protocol",),
)
