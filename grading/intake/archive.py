"""The one notebook inside a zip archive: read in memory, within bounds, written nowhere."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib

from grading.intake.decode import Unreadable

MAX_ENTRIES = 10_000
_ENTRY = b"PK\x01\x02"  # begins each entry of a zip's table of contents


def notebook_in_zip(data: bytes, *, max_bytes: int, prefer: str = "") -> tuple[str, bytes]:
    """Name and bytes of the notebook in an archive; of several the one called `prefer`.

    Raises:
        Unreadable: no or several notebooks, one that would unpack to more than `max_bytes`, a password, or no zip.
    """
    if data.count(_ENTRY) > MAX_ENTRIES:
        raise Unreadable(f"the zip holds more than {MAX_ENTRIES} files; hand in the .ipynb alone")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [info for info in archive.infolist() if _is_notebook(info)]
            unsafe = [info.filename for info in entries if _leaves(info.filename)]
            if unsafe:
                raise Unreadable(
                    f"the zip holds {_shown(unsafe[0])}, a path that leads out of its folder; hand in the .ipynb alone"
                )
            named = [info for info in entries if prefer and _stem(info.filename).lower() == prefer.lower()]
            chosen = named if len(named) == 1 else entries
            if not chosen:
                raise Unreadable(f"the zip holds no notebook but {_contents(archive)}; hand in the .ipynb alone")
            if len(chosen) > 1:
                names = ", ".join(_shown(info.filename) for info in chosen[:5])
                raise Unreadable(f"the zip holds {len(chosen)} notebooks ({names}); hand in the one that counts")
            info = chosen[0]
            if info.flag_bits & 1:
                raise Unreadable("the zip is locked with a password; hand in the .ipynb itself")
            with archive.open(info) as file:
                content = file.read(max_bytes + 1)  # what the header says of the size is not believed
            if len(content) > max_bytes:
                raise Unreadable(
                    f"the notebook in the zip is larger than {max_bytes // 2**20} MB; clear its outputs, save, "
                    "hand it in again"
                )
            return info.filename, content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise Unreadable(f"the zip is broken ({str(error)[:80]}); hand in the .ipynb itself") from None


def _is_notebook(info: zipfile.ZipInfo) -> bool:
    parts = info.filename.replace("\\", "/").split("/")
    hidden = any(part in ("__MACOSX", ".ipynb_checkpoints") for part in parts) or parts[-1].startswith("._")
    link = stat.S_ISLNK(info.external_attr >> 16)
    return parts[-1].lower().endswith(".ipynb") and not (hidden or link or info.is_dir())


def _leaves(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or name.startswith(("/", "\\")) or parts[0].endswith(":")


def _stem(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _contents(archive: zipfile.ZipFile) -> str:
    names = [_shown(name) for name in archive.namelist() if not name.endswith("/")]
    return (", ".join(names[:4]) + (", …" if len(names) > 4 else "")) or "nothing"


def _shown(name: str) -> str:
    return repr(name[:60])
