"""Carries a kernel's messages to this process and counts every byte on the way.

ZeroMQ would read a message of any size and any number of parts into memory before anyone can look at it. So
its sockets connect here, to sockets of our own, and this relay connects to the kernel's: what the kernel may
send in all is bounded, and a kernel that sends faster than we read has to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

CHUNK = 65536


class Relay:
    """Listens at `<folder>/k-<port>` for one connection per port and passes it on to the kernel's socket."""

    def __init__(self, folder: Path, *, allowance: int, on_excess: Callable[[], None]) -> None:
        """allowance: bytes the kernel may send; then nothing more is read and `on_excess` is called once."""
        self.folder = folder
        self.received = 0
        self.allowance = allowance
        self._on_excess = on_excess
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """What the paths of our sockets begin with."""
        return str(self.folder / "k")

    async def connect(self, kernel_sockets: str, port: int) -> None:
        """Connects to one socket of the kernel, which must be listening, and opens ours."""
        kernel_in, kernel_out = await asyncio.open_unix_connection(f"{kernel_sockets}-{port}")

        async def accept(ours_in: asyncio.StreamReader, ours_out: asyncio.StreamWriter) -> None:
            server.close()  # one client, ours; the path below disappears with it
            self._spawn(self._pump(kernel_in, ours_out, counted=True))
            self._spawn(self._pump(ours_in, kernel_out, counted=False))

        path = f"{self.address}-{port}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        server = await asyncio.start_unix_server(accept, path)
        self._servers.append(server)

    def _spawn(self, pump: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(pump)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if counted:
                    self.received += len(data)
                    if self.received > self.allowance:
                        self._on_excess()
                        return
                target.write(data)
                await target.drain()
        target.close()

    async def close(self) -> None:
        """Closes everything; the folder is its owner's to remove."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
