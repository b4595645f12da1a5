"""Data sets from files that the tests write themselves: what was written is what is read, and where it is absent."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.datasets import data_set, names
from slipstick.datasets.cifar import _from_jpeg
from slipstick.datasets.images import DataSet, Images, Normal

pytest.importorskip("PIL", reason="Pillow is not installed (extra: data)")
from PIL import Image

RANDOM = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return RANDOM.integers(0, 256, shape, np.uint8)


def idx(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder: Path, *, packed: bool) -> dict[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    folder.mkdir()
    arrays = {}
    for prefix, count in (("train", 20), ("t10k", 7)):
        arrays[f"{prefix}-images-idx3-ubyte"] = pixels(count, 28, 28)
        arrays[f"{prefix}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8) % 10
    for name, array in arrays.items():
        raw = idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(raw) if packed else raw)
    return arrays


def picture(array: np.ndarray[Any, np.dtype[np.uint8]], kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx(tmp_path: Path, name: str, packed: bool) -> None:
    arrays = write_idx(tmp_path / name, packed=packed)
    data = data_set(name, root=tmp_path)
    assert (data.train.images[..., 0] == arrays["train-images-idx3-ubyte"]).all()
    assert (data.test.labels == arrays["t10k-labels-idx1-ubyte"]).all()
    assert data.shape == (28, 28, 1)
    assert data.mirrors == (name == "fashion-mnist")
    assert data_set(tmp_path / name).train.labels.tolist() == data.train.labels.tolist()


def test_root_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    write_idx(tmp_path / "data" / "mnist", packed=True)
    for named in (tmp_path, tmp_path / "data", tmp_path / "reference"):
        monkeypatch.setenv("SLIPSTICK_DATA", str(named))
        assert len(data_set("mnist").test) == 7


def test_npz(tmp_path: Path) -> None:
    arrays = {"train_image": pixels(6, 9, 9), "test_image": pixels(3, 9, 9)}
    labels = {"train_label": np.arange(6, dtype=np.uint8), "test_label": np.arange(3, dtype=np.uint8)}
    np.savez(tmp_path / "own.npz", **arrays, **labels)
    data = data_set(tmp_path / "own.npz")
    assert (data.test.images[..., 0] == arrays["test_image"]).all()
    assert data.train.labels.tolist() == list(range(6))


def test_cifar_binary_planes_become_channels(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    images = pixels(6, 2, 32, 32, 3)  # six files of two images
    for number, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        rows = [bytes([number]) + image.transpose(2, 0, 1).tobytes() for image in images[number]]
        (folder / name).write_bytes(b"".join(rows))
    data = data_set("cifar10", root=tmp_path)
    assert (data.train.images == images[:5].reshape(10, 32, 32, 3)).all()
    assert (data.test.images == images[5]).all()
    assert data.train.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def jpeg_parts(array: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[bytes, bytes]:
    """Split a JPEG behind its start-of-scan segment."""
    raw = picture(array, "JPEG")
    place = raw.index(b"\xff\xda")
    end = place + 2 + int.from_bytes(raw[place + 2 : place + 4], "big")
    return raw[:end], raw[end:]


def write_jpeg_npz(path: Path, counts: tuple[int, int] = (4, 2)) -> list[bytes]:
    parts = [jpeg_parts(pixels(32, 32, 3)) for _ in range(sum(counts))]
    arrays: dict[str, Any] = {"jpeg_header": np.frombuffer(parts[0][0], np.uint8)}
    for split, chosen in (("train", parts[: counts[0]]), ("test", parts[counts[0] :])):
        scans = [scan for _, scan in chosen]
        arrays[f"{split}_scan"] = np.frombuffer(b"".join(scans), np.uint8)
        arrays[f"{split}_offset"] = np.cumsum([0, *map(len, scans)]).astype(np.uint32)
        arrays[f"{split}_label"] = np.arange(len(scans), dtype=np.uint8)
    np.savez(path, **arrays)
    return [header + scan for header, scan in parts]


def test_cifar_jpeg_equals_pillow_and_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTICK_CACHE", str(tmp_path / "cache"))
    files = write_jpeg_npz(tmp_path / "copies.npz")
    wanted = np.stack([np.asarray(Image.open(io.BytesIO(raw))) for raw in files])
    for _ in range(2):
        data = _from_jpeg(tmp_path / "copies.npz")
        assert (np.concatenate([data.train.images, data.test.images]) == wanted).all()
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])  # a damaged cache is made anew
    assert (_from_jpeg(tmp_path / "copies.npz").test.images == wanted[4:]).all()
    (tmp_path / "copies.npz").unlink()
    write_jpeg_npz(tmp_path / "copies.npz")  # another source is another entry
    assert not (_from_jpeg(tmp_path / "copies.npz").train.images == wanted[:4]).all()


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("SLIPSTICK_CACHE", str(tmp_path / "a-file"))
    write_jpeg_npz(tmp_path / "copies.npz")
    assert len(_from_jpeg(tmp_path / "copies.npz").train) == 4


def write_folder(folder: Path, classes: dict[str, int], shape: tuple[int, int] = (10, 12)) -> None:
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            (folder / name / f"{number:02}.png").write_bytes(picture(pixels(*shape, 3)))


def test_folder_without_splits(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets", {"dog": 10, "cat": 5})
    data = data_set(tmp_path / "pets")
    assert data.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0] * 4 + [1] * 8
    assert data.test.labels.tolist() == [0, 1, 1]
    fifth = np.asarray(Image.open(tmp_path / "pets" / "cat" / "04.png"))
    assert (data.test.images[0] == fifth).all()


def test_folder_with_splits_and_a_size(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"a": 2, "b": 1})
    write_folder(tmp_path / "val", {"a": 1, "b": 2}, shape=(30, 20))
    data = data_set(tmp_path, size=8)
    assert data.shape == (8, 8, 3)
    assert (len(data.train), data.test.labels.tolist()) == (3, [0, 1, 1])
    with pytest.raises(SlipstickError, match="train and test images differ in shape"):
        data_set(tmp_path)


def test_imagenet_sample(tmp_path: Path) -> None:
    folder = tmp_path / "imagenet_sample_1000"
    folder.mkdir()
    images = {label: pixels(224, 224, 3) for label in (3, 0, 999)}
    with zipfile.ZipFile(folder / "images_224.zip", "w") as archive:
        for label, image in images.items():
            archive.writestr(f"{label:04}_n{label:08}.jpg", picture(image, "JPEG"))
        archive.writestr("README.txt", "no picture")
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["index", "synset", "name"], *([n, "n0", f"thing {n}"] for n in range(1000))])
    data = data_set("imagenet-sample", root=tmp_path)
    assert data.test.labels.tolist() == [0, 3, 999]
    assert data.classes[3] == "thing 3"
    wanted = np.asarray(Image.open(io.BytesIO(picture(images[3], "JPEG"))))
    assert (data.test.images[1] == wanted).all()
    with pytest.raises(SlipstickError, match="no training images"):
        data.normal  # noqa: B018


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPSTICK_DATA", raising=False)
    with pytest.raises(SlipstickError, match=r"cifar-10-batches-bin.*_DATA is not set.*unpack cifar-10-binary"):
        data_set("cifar10")
    with pytest.raises(SlipstickError, match=f"no imagenet_sample_1000 in {tmp_path}"):
        data_set("imagenet-sample", root=tmp_path)
    with pytest.raises(SlipstickError, match="did you mean 'fashion-mnist'"):
        data_set("fashion-mnits")
    (tmp_path / "mnist").mkdir()
    with pytest.raises(SlipstickError, match=r"train-images-idx3-ubyte.*No such file"):
        data_set("mnist", root=tmp_path)
    assert set(names()) >= {"digits", "mnist", "fashion-mnist", "cifar10", "cifar10-jpeg", "imagenet-sample"}


def test_normal_is_that_of_all_images() -> None:
    images = pixels(9000, 4, 4, 2)
    images[::2] //= 2  # as MNIST's, images of two sources take turns
    data = DataSet("x", Images(images, np.zeros(9000, np.int64)), Images(images[:0], np.zeros(0, np.int64)), ("a",))
    assert data.normal.mean == pytest.approx((images / 255).mean((0, 1, 2)))
    assert data.normal.deviation == pytest.approx((images / 255).std((0, 1, 2)))
    values = data.normal.apply(images)
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(0, abs=1e-5)
    assert values.std() == pytest.approx(1, abs=1e-5)
    assert Normal((0.5,), (0.5,)).apply(np.zeros((1, 1, 1, 1), np.uint8)).item() == -1


def test_digits_need_no_files() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: data)")
    data = data_set("digits", root="/nowhere")
    assert np.bincount(data.test.labels).min() > 30
    assert data.train.images.max() == 255
