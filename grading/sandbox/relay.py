"""Carries a kernel's messages to this process and counts every byte on the way.

ZeroMQ would read a message of any size and any number of parts into memory before anyone can look at it. So
its sockets connect here, to sockets of our own, and this relay connects to the kernel's: all that a kernel
can make us hold is its allowance.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path


class Relay:
    """Listens at `<folder>/k-<port>` for one connection per port and passes it on to the kernel's socket."""

    def __init__(self, folder: Path, *, allowance: int, on_excess: Callable[[], None]) -> None:
        """allowance: bytes the kernel may send; beyond it nothing is passed on and `on_excess` is called."""
        self.folder = folder
        self.received = 0
        self.allowance = allowance
        self._on_excess = on_excess
        self._servers: list[asyncio.Server] = []
        self._ends: list[_End] = []

    @property
    def address(self) -> str:
        """What the paths of our sockets begin with."""
        return str(self.folder / "k")

    async def connect(self, kernel_sockets: str, port: int) -> None:
        """Connects to one socket of the kernel, which must be listening, and opens ours.

        Raises `OSError` where nothing listens.
        """
        loop = asyncio.get_running_loop()
        kernel, ours = _End(self._count), _End(lambda size: True)
        kernel.other, ours.other = ours, kernel
        await loop.create_unix_connection(lambda: kernel, f"{kernel_sockets}-{port}")
        self._ends += [kernel, ours]
        path = f"{self.address}-{port}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._servers.append(await loop.create_unix_server(lambda: ours, path))

    def _count(self, size: int) -> bool:
        self.received += size
        if self.received <= self.allowance:
            return True
        self._on_excess()
        return False

    async def close(self) -> None:
        """Closes everything; the folder is its owner's to remove."""
        for server in self._servers:
            server.close()
        for end in self._ends:
            if end.transport is not None:
                end.transport.abort()
        await asyncio.sleep(0)  # transports let go of their sockets in the loop's next round


class _End(asyncio.Protocol):
    """One side of a relayed connection; `may_pass` is told the size of each piece it receives."""

    def __init__(self, may_pass: Callable[[int], bool]) -> None:
        self._may_pass = may_pass
        self.other: _End
        self.transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []  # what came before this side was connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self.transport is not None:
            transport.abort()  # one client only
            return
        self.transport = transport
        transport.writelines(self._waiting)
        self._waiting = []

    def data_received(self, data: bytes) -> None:
        if not self._may_pass(len(data)):
            assert self.transport is not None
            self.transport.pause_reading()
        elif self.other.transport is None:
            self.other._waiting.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other.transport is not None:
            self.other.transport.close()
