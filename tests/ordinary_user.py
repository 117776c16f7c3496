"""Run a command as an ordinary user, wherever the checkout and Python lie; for tests that root runs.

Root's clone may lie behind a folder that others cannot pass (mode 700, such as root's own home), and so may Python and
the temporary folder. In a mount namespace of its own a memory disk is laid over each such folder, and what the command
needs below it is bound there again. What is covered then is held by an open file: nothing outside is changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

UID = 65000
_NEEDED = (Path(__file__).resolve().parents[1], Path(sys.prefix), Path(sys.base_prefix))


def ordinary_user_command(argv: list[str], also: Iterable[Path] = ()) -> list[str]:
    """As root: the command that runs `argv` as user 65000, to whom checkout, Python and `also` are readable."""
    needed = [str(path) for path in (*_NEEDED, *also)]
    return ["unshare", "--mount", sys.executable, "-I", str(Path(__file__).resolve()), json.dumps(needed), *argv]


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Without those that lie in another one."""
    all_ = {path.resolve() for path in paths}
    return sorted(path for path in all_ if not all_ & set(path.parents))


def _closed(path: Path) -> bool:
    return not path.stat().st_mode & 0o001


def _to_bind(path: Path) -> Iterator[tuple[Path, Path]]:
    """What has to be bound, each with the folder that is covered for it; nothing where others can reach `path`."""
    top = next((parent for parent in (*reversed(path.parents), path) if _closed(parent)), None)
    if top is None:
        return
    for shown in path.iterdir() if _closed(path) else (path,):  # a bound folder keeps its own mode
        yield shown, top


def _mount(*arguments: str, keep: tuple[int, ...] = ()) -> None:
    subprocess.run(["mount", *arguments], check=True, pass_fds=keep)


def main(needed: list[str], argv: list[str]) -> None:
    """Cover, bind, become the user, run."""
    found = [pair for path in _outermost(map(Path, needed)) for pair in _to_bind(path)]
    held = {path: (os.open(path, os.O_PATH), path.is_dir()) for path, _ in found if not path.is_symlink()}
    _mount("--make-rprivate", "/")
    for top in _outermost(top for _, top in found):
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(top))
    for path, (handle, folder) in held.items():
        (path if folder else path.parent).mkdir(parents=True, exist_ok=True)
        if not folder:
            path.touch()
        _mount("--no-canonicalize", "--rbind", f"/proc/self/fd/{handle}", str(path), keep=(handle,))
        os.close(handle)
    os.chdir("/")
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
