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
_FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


def load_mnist(name: str, split: str, limit: int | None) -> Dataset:
    """MNIST (LeCun, Cortes, Burges, 1998) or Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): (n, 1, 28, 28)."""
    catalogue = getattr(load_torchvision().datasets, _FOLDERS[name])
    prefix = "train" if split == "train" else "t10k"
    wanted = [(file, md5) for file, md5 in catalogue.resources if file.startswith(prefix)]
    image_file, label_file = (
        _find_or_fetch_mnist(name, catalogue.mirrors, file, md5)
        for file, md5 in sorted(wanted, key=lambda entry: "labels" in entry[0])
    )
    images = _read_idx(image_file, limit)
    labels = _read_idx(label_file, limit)
    if len(images) != len(labels):
        raise _broken(image_file, f"it holds {len(images)} images, and {label_file} holds {len(labels)} labels")
    classes = tuple(text.partition(" - ")[0] for text in catalogue.classes)
    return Dataset(
        name,
        torch.from_numpy(images).float().div_(255).unsqueeze(1),
        torch.from_numpy(labels).long(),
        classes,
        f"{image_file.parent} ({split})",
    )


def _find_or_fetch_mnist(name: str, mirrors: list[str], file: str, md5: str) -> Path:
    cache = cache_folder() / name / file
    for path in _candidates(name, file):
        if path.suffix != ".gz":
            return path  # unpacked: its header is checked when it is read
        trouble = _trouble(path, md5)
        if trouble is None:
            return path
        if path != cache:
            raise _broken(path, trouble)
        print(f"{path} is broken ({trouble}): downloading it again.")
    return _fetch_for(name, [mirror + file for mirror in mirrors], cache, md5)


def _candidates(name: str, file: str) -> Iterator[Path]:
    """Where the file may lie, packed or unpacked: anywhere beneath `VITLAB_DATA` in a folder of the set's name."""
    root = _data_folder()
    if root is not None:
        other = "fashion" in name
        places = [path for pattern in (file, file.removesuffix(".gz")) for path in sorted(root.rglob(pattern))]
        for path in places:
            inside = str(path.relative_to(root.parent)).lower()
            if path.is_file() and ("fashion" in inside) == other:
                yield path
    cached = cache_folder() / name / file
    if cached.is_file():
        yield cached


def _read_idx(path: Path, limit: int | None) -> np.ndarray:
    """An IDX file, packed or not: four bytes (0, 0, type, dimensions), the sizes, then the bytes of the array.

    Raises:
        DataUnavailable: the file is cut short, too long, or no IDX file of bytes.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08":
                raise _broken(path, "it is no IDX file of bytes")
            shape = struct.unpack(f">{head[3]}I", file.read(4 * head[3]))
            data = file.read()
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise _broken(path, str(error)) from error
    if len(data) != int(np.prod(shape)):
        raise _broken(path, f"its header announces {int(np.prod(shape))} bytes and {len(data)} follow")
    return np.frombuffer(data, dtype="uint8").reshape(shape)[:limit].copy()


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
        f"{Path(root) / catalogue.base_folder} ({split})",
    )


def _find_or_fetch_cifar10(catalogue) -> Path:
    """The folder that holds `cifar-10-batches-py`, every file in it checked."""
    files = [*catalogue.train_list, *catalogue.test_list, (catalogue.meta["filename"], catalogue.meta["md5"])]
    root, cache = _data_folder(), cache_folder() / "cifar10"
    for folder in sorted(root.rglob(catalogue.base_folder)) if root else []:
        for file, md5 in files:
            if trouble := _trouble(folder / file, md5):
                raise _broken(folder / file, trouble)
        return folder.parent
    if any((cache / catalogue.base_folder).glob("*")):
        troubles = [(file, _trouble(cache / catalogue.base_folder / file, md5)) for file, md5 in files]
        bad = [f"{cache / catalogue.base_folder / file} ({trouble})" for file, trouble in troubles if trouble]
        if not bad:
            return cache
        print(f"Broken: {', '.join(bad)}. Unpacking it again.")
    archive = next(iter(sorted(root.rglob(catalogue.filename)) if root else []), cache / catalogue.filename)
    trouble = _trouble(archive, catalogue.tgz_md5)
    if trouble and archive.is_file() and cache not in archive.parents:
        raise _broken(archive, trouble)
    if trouble:
        archive = _fetch_for("cifar10", [catalogue.url], archive, catalogue.tgz_md5)
    with tarfile.open(archive) as tar:
        tar.extractall(cache, filter="data")
    for file, md5 in files:
        if trouble := _trouble(cache / catalogue.base_folder / file, md5):
            raise _broken(cache / catalogue.base_folder / file, trouble)
    return cache


def _data_folder() -> Path | None:
    named = os.environ.get("VITLAB_DATA", "").strip()
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise DataUnavailable(f"VITLAB_DATA names {folder}, which is no folder. Correct it, or unset it.")
    return folder


def _trouble(path: Path, md5: str) -> str | None:
    """What is wrong with a file, in words; None when it is whole."""
    if not path.is_file():
        return "it is missing"
    found = md5_of(path)
    return None if found == md5 else f"{path.stat().st_size} bytes with md5 {found}, not {md5}"


def _broken(path: Path, trouble: str) -> DataUnavailable:
    return DataUnavailable(f"{path} is broken or only half there: {trouble}. Delete it or fetch it again.")


def _fetch_for(name: str, urls: list[str], target: Path, md5: str) -> Path:
    try:
        return fetch(urls, target, md5)
    except DataUnavailable as error:
        raise DataUnavailable(
            f"{name} is not here and could not be downloaded: {error}\n"
            f'Without a network use load("{_STAND_IN[name]}"), which is embedded, or set VITLAB_DATA to a folder '
            f"that holds the files of {name}."
        ) from error
