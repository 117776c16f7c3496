"""Files from the network: fetched once, with progress, checked against their checksum, never half there."""

from __future__ import annotations

import hashlib
import os
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path


class DataUnavailable(RuntimeError):
    """The data is not here and cannot be fetched, or what is here is broken. The message says which and what to do."""


def cache_folder() -> Path:
    """Where downloads are kept: `VITLAB_CACHE`, or `~/.cache/vitlab`."""
    return Path(os.environ.get("VITLAB_CACHE") or Path.home() / ".cache" / "vitlab").expanduser()


def md5_of(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(urls: list[str], target: Path, md5: str) -> Path:
    """Download `target` from the first of `urls` that serves it whole.

    The download goes to `<target>.<process>.part`, and gets its name only when its checksum is right.

    Raises:
        DataUnavailable: no address could be reached, or what came was cut short or is not the file asked for.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise DataUnavailable(
            f"{target.parent} cannot be written to ({error.strerror}). Set VITLAB_CACHE to a folder that can."
        ) from error
    troubles = []
    try:
        for url in urls:
            try:
                _download(url, part)
            except (OSError, HTTPException) as error:  # URLError is an OSError
                troubles.append(f"{url}: {getattr(error, 'reason', None) or error}")
                continue
            found = md5_of(part)
            if found == md5:
                return part.replace(target)
            troubles.append(f"{url}: not the file asked for ({part.stat().st_size} bytes, md5 {found} and not {md5})")
    finally:
        part.unlink(missing_ok=True)
    raise DataUnavailable(f"{target} could not be downloaded. " + "; ".join(troubles))


def _download(url: str, part: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "vitlab"})
    with urllib.request.urlopen(request, timeout=20) as answer, open(part, "wb") as out:
        size = int(answer.headers.get("Content-Length") or 0)
        progress = _Progress(url.rpartition("/")[2], size)
        got = 0
        while block := answer.read(1 << 16):
            out.write(block)
            got += len(block)
            progress(got)
        progress.end()
    if size and got != size:
        raise OSError(f"the connection broke off after {got} of {size} bytes")


class _Progress:
    """One line that rewrites itself, a few times a second."""

    def __init__(self, name: str, size: int):
        self.name, self.size, self.last = name, size, 0.0

    def __call__(self, got: int) -> None:
        now = time.monotonic()
        if now - self.last < 0.25 and got != self.size:
            return
        self.last = now
        of = f" of {self.size / 1e6:.1f} MB ({100 * got // self.size} %)" if self.size else " MB"
        print(f"\rDownloading {self.name}: {got / 1e6:.1f}{of}", end="", flush=True)

    def end(self) -> None:
        if self.last:
            print()
