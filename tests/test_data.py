"""Every data set comes in one shape, from where it says, and never broken."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.data import NAMES, DataUnavailable, load, sample_image
from helpers.data.faces import draw_faces
from helpers.data.shapes import draw_shapes
from helpers.plots import capture
from helpers.torchvision_ops import load_torchvision

EMBEDDED = {"digits": (1, 8, 8), "shapes": (3, 32, 32), "faces": (3, 32, 32)}
datasets = load_torchvision().datasets


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch, tmp_path, request):
    monkeypatch.setenv("VITLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if "data" not in request.keywords:
        monkeypatch.delenv("VITLAB_DATA", raising=False)


# ------------------------------------------------------------------------------------------------ embedded sets


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_set_keeps_the_contract(name, split):
    data = load(name, split)
    n = len(data)
    assert data.images.shape == (n, *EMBEDDED[name])
    assert data.images.dtype == torch.float32
    assert data.images.is_contiguous()
    assert 0 <= data.images.min() < 0.1
    assert 0.9 < data.images.max() <= 1
    assert data.labels.shape == (n,)
    assert data.labels.dtype == torch.int64
    counts = data.labels.bincount(minlength=len(data.classes))
    assert len(counts) == len(data.classes)
    assert counts.min() > 0.9 * counts.max(), "classes are balanced"
    assert "\n" not in repr(data)
    for word in (name, str(n), split):
        assert word in repr(data)


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_set_is_the_same_every_time_and_a_part_is_its_beginning(name):
    torch.manual_seed(1)
    np.random.seed(1)
    whole, part = load(name), load(name, limit=300)
    assert len(part) == 300
    assert torch.equal(part.images, whole.images[:300])
    assert torch.equal(part.labels, whole.labels[:300])
    assert part.labels.bincount().min() > 0, "a part has every class"
    assert len(load(name, limit=10**6)) == len(whole)


@pytest.mark.parametrize("name", EMBEDDED)
def test_no_image_is_in_both_splits(name):
    def keys(split):
        return {image.numpy().tobytes() for image in load(name, split).images}

    assert not keys("train") & keys("test")


def test_the_digits_are_all_of_scikit_learns():
    from sklearn.datasets import load_digits

    assert len(load("digits")) + len(load("digits", "test")) == len(load_digits().target)
    assert load("digits").images.sum() + load("digits", "test").images.sum() == pytest.approx(
        load_digits().images.sum() / 16, rel=1e-5
    )


def test_two_thousand_shapes_are_drawn_in_a_second():
    start = time.process_time()
    draw_shapes(2000, seed=5)
    assert time.process_time() - start < 1.5


def test_shapes_of_another_seed_differ_and_of_another_size_fit():
    images, labels = draw_shapes(20, seed=7, size=48)
    assert images.shape == (20, 3, 48, 48)
    assert labels.shape == (20,)
    assert not np.array_equal(images, draw_shapes(20, seed=8, size=48)[0])


def separable(features: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy on the second half of a ridge regression fitted on the first."""
    x = np.concatenate([features, np.ones((len(features), 1))], 1)
    half, y = len(x) // 2, 2.0 * labels - 1
    weights = np.linalg.solve(x[:half].T @ x[:half] + np.eye(x.shape[1]), x[:half].T @ y[:half])
    return float(((x[half:] @ weights > 0) == (y[half:] > 0)).mean())


def test_a_bag_of_pixels_cannot_tell_a_scrambled_face_and_places_can():
    images, labels = draw_faces(1000, seed=11)
    bag = np.sort(images.reshape(1000, 3, -1), axis=2)[:, :, ::8].reshape(1000, -1)
    assert separable(bag, labels) < 0.6
    assert separable(images.reshape(1000, -1), labels) > 0.8


def test_over_and_under_differ_in_their_places_only():
    images, labels = draw_shapes(6000, seed=12)
    keep = labels >= 7
    over, under = (images[keep & (labels == label)] for label in (7, 8))
    assert np.abs(over.mean((0, 2, 3)) - under.mean((0, 2, 3))).max() < 0.02


def test_unknown_names_and_splits_are_refused_with_the_right_ones():
    with pytest.raises(ValueError, match="digits, shapes, faces"):
        load("imagenet")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        load("digits", "validation")
    with pytest.raises(ValueError, match="at least 1"):
        load("digits", limit=0)


# ---------------------------------------------------------------------------------------------- Dataset, sample


def test_batches_cover_the_set_in_order():
    data = load("digits", limit=50)
    batches = list(data.batches(16))
    assert [len(x) for x, _ in batches] == [16, 16, 16, 2]
    assert torch.equal(torch.cat([x for x, _ in batches]), data.images)
    assert torch.equal(torch.cat([y for _, y in batches]), data.labels)


def test_shuffled_batches_repeat_with_their_seed_and_leave_torchs_generator_alone():
    data = load("digits", limit=50)
    before = torch.get_rng_state()
    one, again, other = (torch.cat([y for _, y in data.batches(16, shuffle=True, seed=s)]) for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(one.sort().values, data.labels.sort().values)


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        next(load("digits", limit=5).batches(0))


def test_show_draws_the_images_with_their_names():
    data = load("shapes", limit=10)
    with capture() as shown:
        data.show(4)
    (_, alt), *rest = shown
    assert not rest
    assert data.classes[data.labels[0]] in alt
    assert "4 images" in alt


@pytest.mark.parametrize("size", [(32, 32), (48, 96), (96, 32), (8, 8), 224])
def test_the_sample_image_can_be_drawn_in_any_size(size):
    image = sample_image(size)
    assert image.shape == (3, *((size, size) if isinstance(size, int) else size))
    assert image.dtype == torch.float32
    assert image.min() >= 0
    assert image.max() <= 1
    assert torch.equal(image, sample_image(size))


def test_a_wrong_order_of_the_sample_images_patches_is_seen():
    image = sample_image()
    patches = [image[:, y : y + 8, x : x + 8] for y in range(0, 32, 8) for x in range(0, 32, 8)]
    apart = [(a - b).abs().mean() for i, a in enumerate(patches) for b in patches[:i]]
    assert min(apart) > 0.03


def test_an_empty_sample_image_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        sample_image((0, 32))


# ------------------------------------------------------------------------------------------- files: tiny, real format


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


IMAGES = np.arange(12 * 28 * 28, dtype="uint8").reshape(12, 28, 28)
LABELS = np.arange(12, dtype="uint8") % 10
MNIST = {
    f"{prefix}-{kind}": gzip.compress(idx(array), mtime=0)
    for prefix in ("train", "t10k")
    for kind, array in (("images-idx3-ubyte.gz", IMAGES), ("labels-idx1-ubyte.gz", LABELS))
}


@pytest.fixture(params=["mnist", "fashion_mnist"])
def mnist(request, monkeypatch):
    """Name of a set whose catalogue in torchvision lists our tiny files, and no address that answers."""
    catalogue = getattr(datasets, {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[request.param])
    monkeypatch.setattr(catalogue, "resources", [(name, md5(data)) for name, data in MNIST.items()])
    monkeypatch.setattr(catalogue, "mirrors", ["http://127.0.0.1:9/"])
    return request.param


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name.removesuffix(".gz"): gzip.decompress(data) for name, data in files.items()}


FOLDERS = {
    "mnist": ["mnist", "MNIST/raw", "sets/vision/MNIST/raw"],
    "fashion_mnist": ["fashion_mnist", "FashionMNIST/raw", "sets/fashion-mnist"],
}


@pytest.mark.parametrize("form", [dict, unpacked])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_mnist_is_found_wherever_it_lies_packed_or_unpacked(mnist, place, form, tmp_path, monkeypatch):
    folder = put(tmp_path / "data" / FOLDERS[mnist][place], form(MNIST))
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path / "data"))
    data = load(mnist, "test", limit=11)
    assert data.images.shape == (11, 1, 28, 28)
    assert data.images.dtype == torch.float32
    assert torch.equal((data.images[:, 0] * 255).round().byte(), torch.from_numpy(IMAGES[:11]))
    assert data.labels.tolist() == LABELS[:11].tolist()
    assert len(data.classes) == 10
    assert str(folder) in repr(data)


def test_packed_files_with_the_right_checksum_are_found_in_any_folder(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("VITLAB_DATA", str(put(tmp_path / "downloads", MNIST)))
    assert len(load(mnist)) == 12


@pytest.mark.parametrize("other", ["KMNIST/raw", "emnist"])
@pytest.mark.parametrize("form", [dict, unpacked])
def test_another_sets_files_of_the_same_name_are_not_taken(mnist, other, form, tmp_path, monkeypatch):
    strange = {name: gzip.compress(gzip.decompress(data)[::-1]) for name, data in MNIST.items()}
    put(tmp_path / "data" / other, form(strange if form is dict else MNIST))
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path / "data"))
    with pytest.raises(DataUnavailable, match=r'Use load\("digits"\)'):
        load(mnist)


@pytest.mark.parametrize("form", [dict, unpacked])
@pytest.mark.parametrize("kind", ["images-idx3-ubyte", "labels-idx1-ubyte"])
def test_a_half_file_is_named_and_never_used(mnist, form, kind, tmp_path, monkeypatch):
    folder = put(tmp_path / FOLDERS[mnist][0], form(MNIST))
    (broken,) = folder.glob(f"train-{kind}*")
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 2 // 3])
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable) as error:
        load(mnist)
    assert str(broken) in str(error.value)
    assert "broken" in str(error.value)
    assert len(load(mnist, "test")) == 12, "the whole files beside it can be used"


def test_a_label_beyond_the_classes_is_named(mnist, tmp_path, monkeypatch):
    files = unpacked(MNIST) | {"train-labels-idx1-ubyte": idx(LABELS + 1)}
    monkeypatch.setenv("VITLAB_DATA", str(put(tmp_path / FOLDERS[mnist][0], files).parent))
    with pytest.raises(DataUnavailable, match="label 10"):
        load(mnist)


def test_a_data_folder_that_is_none_is_named(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailable, match=r"nowhere, which is no folder"):
        load(mnist)


# ------------------------------------------------------------------------------------------------------- CIFAR-10


def cifar_batch(seed: int) -> bytes:
    rng = np.random.RandomState(seed)
    return pickle.dumps({"data": rng.randint(0, 256, (4, 3072)).astype("uint8"), "labels": [0, 3, 9, 1]}, protocol=2)


CIFAR = {f"data_batch_{i}": cifar_batch(i) for i in range(1, 6)} | {"test_batch": cifar_batch(6)}
META = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}, protocol=2)


def cifar_archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in {**CIFAR, "batches.meta": META}.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


ARCHIVE = cifar_archive()


@pytest.fixture
def cifar(monkeypatch):
    sums = [[name, md5(data)] for name, data in CIFAR.items()]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5(META)})
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(ARCHIVE))
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")


@pytest.mark.parametrize("below", ["cifar-10-batches-py", "a/b/cifar-10-batches-py"])
def test_cifar10_is_found_wherever_it_lies(cifar, below, tmp_path, monkeypatch):
    put(tmp_path / "data" / below, {**CIFAR, "batches.meta": META})
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path / "data"))
    train, test = load("cifar10", limit=7), load("cifar10", "test")
    assert train.images.shape == (7, 3, 32, 32)
    assert test.images.shape == (4, 3, 32, 32)
    first = pickle.loads(CIFAR["test_batch"])["data"][0].reshape(3, 32, 32)
    assert torch.equal((test.images[0] * 255).round().byte(), torch.from_numpy(first))
    assert test.labels.tolist() == [0, 3, 9, 1]
    assert test.classes[3] == "class 3"


class Bomb:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_with_a_wrong_checksum_is_never_opened(cifar, tmp_path, monkeypatch):
    folder = put(tmp_path / "cifar-10-batches-py", {**CIFAR, "batches.meta": META})
    (folder / "data_batch_3").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match="data_batch_3 is broken"):
        load("cifar10")
    assert not (tmp_path / "exploded").exists()


def test_a_missing_batch_is_named(cifar, tmp_path, monkeypatch):
    folder = put(tmp_path / "cifar-10-batches-py", {**CIFAR, "batches.meta": META})
    (folder / "batches.meta").unlink()
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"batches.meta is broken.*missing"):
        load("cifar10")


def test_an_archive_is_unpacked_into_the_cache(cifar, tmp_path, monkeypatch):
    put(tmp_path / "data", {"cifar-10-python.tar.gz": ARCHIVE})
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path / "data"))
    assert len(load("cifar10")) == 20
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["cifar-10-python.tar.gz"]


def test_a_half_archive_is_named(cifar, tmp_path, monkeypatch):
    put(tmp_path / "data", {"cifar-10-python.tar.gz": ARCHIVE[: len(ARCHIVE) // 2]})
    monkeypatch.setenv("VITLAB_DATA", str(tmp_path / "data"))
    with pytest.raises(DataUnavailable, match=r"cifar-10-python.tar.gz is broken"):
        load("cifar10")


# ------------------------------------------------------------------------------------------------------ downloads


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        if not self.path.startswith("/half/"):
            return super().do_GET()
        data = (Path(self.directory) / self.path.removeprefix("/half/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A loopback server with our tiny files; under /half/ each answer breaks off in the middle."""
    folder = put(tmp_path / "served", {**MNIST, "cifar-10-python.tar.gz": ARCHIVE})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.requests = []  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    server.folder = folder  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def catalogue_of(name: str):
    return datasets.MNIST if name == "mnist" else datasets.FashionMNIST


def test_a_set_is_downloaded_once_with_progress(mnist, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(catalogue_of(mnist), "mirrors", [server.url + "/"])
    assert len(load(mnist)) == 12
    assert "Downloading train-images-idx3-ubyte.gz" in capsys.readouterr().out
    assert len(server.requests) == 2
    assert len(load(mnist, limit=3)) == 3
    assert len(server.requests) == 2, "the second time it comes from the cache"
    assert cached(tmp_path) == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


def test_the_next_address_is_tried_when_one_breaks_off(mnist, server, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue_of(mnist), "mirrors", [server.url + "/half/", server.url + "/"])
    assert len(load(mnist)) == 12


def test_a_download_that_breaks_off_is_named_and_not_kept(mnist, server, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue_of(mnist), "mirrors", [server.url + "/half/"])
    with pytest.raises(DataUnavailable, match=r"train-.*broke off after \d+ of \d+ bytes"):
        load(mnist)
    assert cached(tmp_path) == []


def test_a_wrong_file_is_named_and_not_kept(mnist, server, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue_of(mnist), "mirrors", [server.url + "/"])
    for path in server.folder.glob("train-*"):
        path.write_bytes(b"<html>Sign in to the hotel's network</html>")
    with pytest.raises(DataUnavailable, match=r"not the file asked for \(43 bytes"):
        load(mnist)
    assert cached(tmp_path) == []


def test_a_broken_file_in_the_cache_is_named_and_fetched_again(mnist, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(catalogue_of(mnist), "mirrors", [server.url + "/"])
    put(tmp_path / "cache" / mnist, {"train-images-idx3-ubyte.gz": MNIST["train-images-idx3-ubyte.gz"][:50]})
    assert len(load(mnist)) == 12
    assert "train-images-idx3-ubyte.gz is broken (50 bytes" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "instead"), [("mnist", "digits"), ("fashion_mnist", "digits"), ("cifar10", "shapes")])
def test_without_a_network_one_message_names_the_embedded_set(name, instead, monkeypatch):
    for catalogue in (datasets.MNIST, datasets.FashionMNIST):
        monkeypatch.setattr(catalogue, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/x.tar.gz")
    with pytest.raises(DataUnavailable) as error:
        load(name)
    assert f'load("{instead}")' in str(error.value)
    assert "VITLAB_DATA" in str(error.value)
    assert "http://127.0.0.1:9/" in str(error.value)


def test_a_cache_that_cannot_be_written_is_named(mnist, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VITLAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataUnavailable, match="VITLAB_CACHE"):
        load(mnist)


def test_cifar10_is_downloaded_unpacked_and_repaired(cifar, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(datasets.CIFAR10, "url", server.url + "/cifar-10-python.tar.gz")
    assert len(load("cifar10")) == 20
    (tmp_path / "cache" / "cifar10" / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"half")
    assert len(load("cifar10")) == 20
    assert "data_batch_2 is broken" in capsys.readouterr().out
    assert len(server.requests) == 1, "the archive itself was whole"


# --------------------------------------------------------------------------------------------------- the real sets


if os.environ.get("VITLAB_DATA"):

    @pytest.mark.data
    @pytest.mark.parametrize(("name", "shape"), [("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))])
    def test_the_real_sets_are_read_from_their_folder(name, shape):
        data = load(name, "test")
        assert name in NAMES
        assert data.images.shape == (10000, *shape)
        assert len(data.classes) == 10
        assert data.labels.bincount().min() > 850
