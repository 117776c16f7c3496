"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="dials listeners of this machine by TCP, unix path and abstract name, asks for a name, opens raw sockets",
    must="nothing is reached",
    answer="""
import socket

socket.setdefaulttimeout(2)


def dial(*address, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.connect(*address)


attempt("tcp", lambda: dial(("127.0.0.1", int("@PORT@"))))
attempt("ipv6", lambda: dial(("::1", int("@PORT@")), family=socket.AF_INET6))
attempt("unix path", lambda: dial("@DOOR@", family=socket.AF_UNIX))
attempt("abstract", lambda: dial("\\0@ABSTRACT@", family=socket.AF_UNIX))
attempt("outside", lambda: dial(("192.0.2.1", 80)))
attempt("a name", lambda: socket.getaddrinfo("example.invalid", 80))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("alg", lambda: socket.socket(38, socket.SOCK_SEQPACKET))
print("interfaces:", [name for _, name in socket.if_nameindex()])


def cosine_similarity(P):
    return None
""",
    refused=("tcp", "ipv6", "unix path", "abstract", "outside", "a name", "raw", "packet", "vsock", "alg"),
    prints=("interfaces: ['lo']",),
)
