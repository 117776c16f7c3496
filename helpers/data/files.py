"""MNIST, Fashion-MNIST and CIFAR-10 from their original files: found in `VITLAB_DATA`, in the cache, or downloaded.

Which files belong to a set, their checksums and their addresses are torchvision's. Every file is checked before it
is read; a broken one is named, and never used.
"""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from helpers.data.dataset import Dataset
from helpers.data.downloads import DataUnavailable, cache_folder, fetch, md5_of
from helpers.torchvision_ops import load_torchvision

_STAND_IN = {"cifar10": "shapes", "mnist": "digits", "fashion_mnist": "digits"}
_CATALOGUE = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
_DEEP = 4  # folders beneath VITLAB_DATA that are searched: data may lie beside millions of other files


def load_mnist(name: str, split: str, limit: int | None) -> Dataset:
    """MNIST (LeCun, Cortes, Burges, 1998) or Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): (n, 1, 28, 28)."""
    catalogue = getattr(load_torchvision().datasets, _CATALOGUE[name])
    prefix = "train" if split == "train" else "t10k"
    checksums = {file: md5 for file, md5 in catalogue.resources if file.startswith(prefix)}
    paths = {
        "labels" if "labels" in file else "images": _find_or_fetch_mnist(name, catalogue.mirrors, file, md5)
        for file, md5 in checksums.items()
    }
    images, labels = _read_idx(paths["images"], dimensions=3), _read_idx(paths["labels"], dimensions=1)
    if len(images) != len(labels):
        raise _broken(paths["images"], f"{len(images)} images, but {paths['labels']} holds {len(labels)} labels")
    classes = tuple(text.partition(" - ")[0] for text in catalogue.classes)
    if labels.max(initial=0) >= len(classes):
        raise _broken(paths["labels"], f"it holds a label {labels.max()}, and there are {len(classes)} classes")
    return Dataset(
        name,
        torch.from_numpy(images[:limit].copy()).float().div_(255).unsqueeze(1),
        torch.from_numpy(labels[:limit].copy()).long(),
        classes,
        f"{paths['images'].parent} ({split})",
    )


def _find_or_fetch_mnist(name: str, mirrors: list[str], file: str, md5: str) -> Path:
    """A whole file anywhere in `VITLAB_DATA`, else one unpacked in a folder of the set's name, else the cache's."""
    packed = list(_beneath(file))
    named = [path for path in packed if _belongs(path, name)]
    for path in named + packed:
        trouble = _trouble(path, md5)
        if trouble is None:
            return path
        if path in named:  # several sets use the same file names: one elsewhere may be another set's
            raise _broken(path, trouble)
    for path in _beneath(file.removesuffix(".gz")):
        if _belongs(path, name):
            return path  # has no checksum of its own; its header and length are checked when it is read
    cached = cache_folder() / name / file
    trouble = _trouble(cached, md5)
    if trouble is None:
        return cached
    if cached.exists():
        print(f"{cached} is broken ({trouble}): downloading it again.")
    return _fetch_for(name, [mirror + file for mirror in mirrors], cached, md5)


def _belongs(path: Path, name: str) -> bool:
    """Whether the folder says that it holds this set: `mnist/`, `MNIST/raw/`, `fashion-mnist/` and the like."""
    folder = path.parent.parent if path.parent.name.lower() == "raw" else path.parent
    letters = "".join(letter for letter in folder.name.lower() if letter.isalpha())
    return letters in ({"mnist"} if name == "mnist" else {"fashionmnist", "fashion"})


def _read_idx(path: Path, *, dimensions: int) -> np.ndarray:
    """An IDX file, packed or not: four bytes (0, 0, type, dimensions), the sizes, then the bytes of the array.

    Raises:
        DataUnavailable: the file is cut short, too long, or no IDX file of bytes.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            if file.read(4) != bytes((0, 0, 8, dimensions)):
                raise _broken(path, f"it does not begin as an IDX file of bytes in {dimensions} dimensions does")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            data = file.read()
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise _broken(path, str(error)) from error
    if len(data) != int(np.prod(shape)):
        raise _broken(path, f"its header announces {int(np.prod(shape))} bytes and {len(data)} follow")
    return np.frombuffer(data, dtype="uint8").reshape(shape)


def load_cifar10(split: str, limit: int | None) -> Dataset:
    """CIFAR-10 (Krizhevsky, 2009): (n, 3, 32, 32).

    Its files are Python pickles, which may run code when read: they are read only after their checksums are right.
    """
    catalogue = load_torchvision().datasets.CIFAR10
    root = _find_or_fetch_cifar10(catalogue)
    raw = catalogue(root, train=split == "train", download=False)
    images = torch.from_numpy(raw.data[:limit]).permute(0, 3, 1, 2).contiguous()
    return Dataset(
        "cifar10",
        images.float().div_(255),
        torch.tensor(raw.targets[:limit]),
        tuple(raw.classes),
        f"{root / catalogue.base_folder} ({split})",
    )


def _find_or_fetch_cifar10(catalogue) -> Path:
    """The folder that holds `cifar-10-batches-py`, every file in it checked."""
    for folder in _beneath(catalogue.base_folder):
        if troubles := _cifar10_troubles(catalogue, folder):
            raise _broken(*troubles[0])
        return folder.parent
    cache = cache_folder() / "cifar10"
    unpacked = cache / catalogue.base_folder
    troubles = _cifar10_troubles(catalogue, unpacked)
    if not troubles:
        return cache
    if unpacked.exists():
        print(f"{troubles[0][0]} is broken ({troubles[0][1]}): unpacking it again.")
    for archive in _beneath(catalogue.filename):
        if trouble := _trouble(archive, catalogue.tgz_md5):
            raise _broken(archive, trouble)
        break
    else:
        archive = cache / catalogue.filename
        if _trouble(archive, catalogue.tgz_md5):
            _fetch_for("cifar10", [catalogue.url], archive, catalogue.tgz_md5)
    cache.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(cache, filter="data")
    if troubles := _cifar10_troubles(catalogue, unpacked):
        raise _broken(*troubles[0])
    return cache


def _cifar10_troubles(catalogue, folder: Path) -> list[tuple[Path, str]]:
    files = [*catalogue.train_list, *catalogue.test_list, (catalogue.meta["filename"], catalogue.meta["md5"])]
    found = ((folder / file, _trouble(folder / file, md5)) for file, md5 in files)
    return [(path, trouble) for path, trouble in found if trouble]


def _beneath(name: str) -> Iterator[Path]:
    """Files and folders of a name in the folder `VITLAB_DATA`, itself included, the nearest first."""
    wish = os.environ.get("VITLAB_DATA", "").strip()
    if not wish:
        return
    root = Path(wish).expanduser()
    if not root.is_dir():
        raise DataUnavailable(f"VITLAB_DATA names {root}, which is no folder. Correct it, or unset it.")
    if root.name == name:
        yield root
    level = [root]
    for _ in range(_DEEP + 1):
        yield from (folder / name for folder in level if (folder / name).exists())
        level = [below for folder in level for below in _folders(folder)]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:  # one that may not be read holds nothing for us
        return []


def _trouble(path: Path, md5: str) -> str | None:
    """What is wrong with a file, in words; None when it is whole."""
    if not path.is_file():
        return "it is missing"
    found = md5_of(path)
    return None if found == md5 else f"{path.stat().st_size} bytes with md5 {found}, not {md5}"


def _broken(path: Path, trouble: str) -> DataUnavailable:
    return DataUnavailable(f"{path} is broken or only half there: {trouble}. Replace it, or delete it.")


def _fetch_for(name: str, urls: list[str], target: Path, md5: str) -> Path:
    try:
        return fetch(urls, target, md5)
    except DataUnavailable as error:
        raise DataUnavailable(
            f'The set {name} is not here: {error}\nUse load("{_STAND_IN[name]}") instead, which needs no network, '
            f"or set VITLAB_DATA to a folder that holds the files of {name}."
        ) from error
