"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="connects to its own control channel with the session key and sends interrupts and a shutdown request",
    must="it ends itself at most; nothing is earned",
    answer="""
import json

import zmq
from jupyter_client.session import Session

connection = json.load(open("/tmp/.kernel/connection.json"))


def control():
    session = Session(key=connection["key"].encode(), signature_scheme=connection["signature_scheme"])
    socket = zmq.Context().socket(zmq.DEALER)
    socket.linger = 200
    socket.connect(f"ipc://{connection['ip']}-{connection['control_port']}")
    for kind in ("interrupt_request", "kernel_info_request", "shutdown_request"):
        session.send(socket, kind, {"restart": False})
    socket.close()


attempt("send", control)


def cosine_similarity(P):
    import time

    time.sleep(0.5)
    return None
""",
    prints=(),
    status=("graded", "died", "timeout"),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
)
