"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="opens files, pipes, sockets, inotify watches and event descriptors until each is refused",
    must="the number of descriptors is bounded",
    answer="""
import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
held = []


def fill(make):
    try:
        for _ in range(5000):
            held.append(make())
    finally:
        for thing in held:
            thing.close() if hasattr(thing, "close") else os.close(thing)
        held.clear()


def watch():
    number = libc.inotify_init()
    if number < 0:
        raise OSError(ctypes.get_errno(), "inotify_init")
    for folder in ("/", "/usr", "/tmp", "/usr/lib"):
        libc.inotify_add_watch(number, folder.encode(), 0xFFF)
    return number


attempt("files", lambda: fill(lambda: open(os.devnull)))
attempt("sockets", lambda: fill(socket.socket))
attempt("inotify", lambda: fill(watch))
attempt("eventfd", lambda: fill(lambda: os.eventfd(0)))


def cosine_similarity(P):
    return None
""",
    refused=("files", "sockets", "inotify", "eventfd"),
)
