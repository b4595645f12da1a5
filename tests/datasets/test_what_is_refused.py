"""Data sets that cannot be used: one clear error each, and a cache that cannot be written leaves nothing behind."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.datasets import data_set
from slipstick.datasets.array_cache import _cached
from slipstick.datasets.cifar import _from_jpeg
from slipstick.datasets.image_files import _decode_picture
from slipstick.datasets.imagenet_sample import _imagenet_sample
from slipstick.datasets.images import DataSet, Images
from slipstick.datasets.npz_file import _read_npz

pytest.importorskip("PIL", reason="Pillow is not installed (extra: data)")
from PIL import Image

RANDOM = np.random.default_rng(1)


def picture(high: int, wide: int, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (high, wide, 3), np.uint8)).save(file, kind)
    return file.getvalue()


def sample(folder: Path, names: dict[str, bytes], *, classes: int = 1000) -> Path:
    with zipfile.ZipFile(folder / "images_224.zip", "w") as archive:
        for name, raw in names.items():
            archive.writestr(name, raw)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["index", "synset", "name"], *([n, "n0", f"thing {n}"] for n in range(classes))])
    return folder


ONE = "0007_n00000007.jpg"


def test_pictures_of_any_size_are_brought_to_224_pixels(tmp_path: Path) -> None:
    found = _imagenet_sample(sample(tmp_path, {f"deep/{ONE}": picture(250, 300), "0001_n00000001.jpeg": picture(8, 9)}))
    assert found.test.images.shape == (2, 224, 224, 3)
    assert found.test.labels.tolist() == [1, 7]
    assert len(found.train) == 0


def test_samples_of_imagenet_that_are_none(tmp_path: Path) -> None:
    cases = [
        ({"a.jpg": picture(8, 8)}, 1000, r"images_224.zip: 0 pictures named NNNN_nXXXXXXXX.jpg; allowed: 1 to 50000"),
        ({ONE: bytes(2**22 + 1)}, 1000, f"images_224.zip: {ONE}: the picture is too large"),
        ({ONE: b"no picture"}, 1000, f"images_224.zip: {ONE}: not a usable picture"),
        ({ONE: picture(8, 8)}, 999, r"labels.csv: not the 1,000 classes in order"),
    ]
    for names, classes, words in cases:
        with pytest.raises(SlipstickError, match=words):
            _imagenet_sample(sample(tmp_path, names, classes=classes))
    (tmp_path / "images_224.zip").write_bytes(b"no zip file")
    with pytest.raises(SlipstickError, match="not a usable zip file"):
        _imagenet_sample(tmp_path)
    (tmp_path / "images_224.zip").unlink()
    with pytest.raises(SlipstickError, match=r"images_224.zip: No such file"):
        _imagenet_sample(tmp_path)


def folder_of(path: Path, pictures: dict[str, bytes]) -> Path:
    for name, raw in pictures.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)
    return path


def test_a_folder_without_training_pictures_is_all_test(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"test/a/0.png": picture(9, 9, "PNG")})
    (folder / "train" / "a").mkdir(parents=True)
    data = data_set(folder, size=5)
    assert (len(data.train), len(data.test), data.shape) == (0, 1, (5, 5, 3))
    (folder / "train" / "b").mkdir()  # a class that no test folder has
    assert data_set(folder, size=5).classes == ("a", "b")


def test_pictures_that_differ_or_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = {f"a/{n}.png": picture(9, 9, "PNG") for n in range(6)}
    folder = folder_of(tmp_path, {**pictures, "a/1.png": picture(9, 8, "PNG")})
    with pytest.raises(SlipstickError, match=r"a/1.png: pictures of different sizes, \(9, 8\) here, \(9, 9\) in 0.png"):
        data_set(folder)
    assert len(data_set(folder, size=4).train) == 5
    monkeypatch.setattr("slipstick.datasets.image_folder._MAX_UNPACKED_BYTES", 5 * 4 * 4 * 3 - 1)
    with pytest.raises(SlipstickError, match="240 bytes unpacked; allowed: at most 239"):
        data_set(folder, size=4)


def test_pictures_of_more_pixels_than_any_camera(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(file, "PNG")
    with pytest.raises(SlipstickError, match="x: 10000 x 10000 pixels; allowed: at most 67108864"):
        _decode_picture(file.getvalue(), where="x")


def parts(high: int, wide: int) -> tuple[bytes, bytes]:
    """Split a JPEG behind its start-of-scan segment."""
    raw = picture(high, wide)
    place = raw.index(b"\xff\xda")
    end = place + 2 + int.from_bytes(raw[place + 2 : place + 4], "big")
    return raw[:end], raw[end:]


def write_copies(path: Path, side: int, labels: int) -> Path:
    header, scan = parts(side, side)
    arrays = {"jpeg_header": np.frombuffer(header, np.uint8)}
    for split in ("train", "test"):
        arrays[f"{split}_scan"] = np.frombuffer(scan, np.uint8)
        arrays[f"{split}_offset"] = np.array([0, len(scan)], np.uint32)
        arrays[f"{split}_label"] = np.zeros(labels, np.uint8)
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_copies_of_cifar_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTICK_CACHE", str(tmp_path / "cache"))
    assert len(_from_jpeg(write_copies(tmp_path / "x.npz", 32, 1)).train) == 1
    with pytest.raises(SlipstickError, match=r"x.npz: a picture of another shape; .*allowed: \(32, 32, 3\)"):
        _from_jpeg(write_copies(tmp_path / "x.npz", 16, 1))
    with pytest.raises(SlipstickError, match=r"train_label: the number of labels is not that of the images; got 2"):
        _from_jpeg(write_copies(tmp_path / "x.npz", 32, 2))


def test_idx_files_of_other_dimensions(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / "mnist" / name).write_bytes(bytes([0, 0, 8, 1]) + (2).to_bytes(4, "big") + bytes(2))
    with pytest.raises(SlipstickError, match=r"train-images-idx3-ubyte: 1 dimensions; allowed: 3"):
        data_set("mnist", root=tmp_path)


def test_images_that_are_not_bytes() -> None:
    nothing = np.zeros(0, np.int64)
    fitting = Images(np.zeros((0, 2, 2, 1), np.uint8), nothing)
    for images in (np.zeros((0, 2, 2, 1), np.float32), np.zeros((0, 2, 2), np.uint8)):
        with pytest.raises(SlipstickError, match=r"of shape .*allowed: uint8 \[n, h, w, channels\]"):
            DataSet("x", Images(images, nothing), fitting, ("a",))
    low = Images(np.zeros((1, 2, 2, 1), np.uint8), np.array([-1]))
    with pytest.raises(SlipstickError, match="a label is outside of the classes; got -1; allowed: 0 to 0"):
        DataSet("x", low, fitting, ("a",))


def test_arrays_whose_header_is_of_another_version(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros(3, np.uint8), version=(3, 0))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", file.getvalue())
    with pytest.raises(SlipstickError, match=r"npy version \(3, 0\)"):
        _read_npz(tmp_path / "x.npz", {"x": ("uint8", 1)})


def test_a_cache_that_is_half_written_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"what the array is made of")
    monkeypatch.setenv("SLIPSTICK_CACHE", str(tmp_path / "cache"))
    array, made = np.arange(6, dtype=np.uint8).reshape(2, 3), []

    def make() -> np.ndarray:
        made.append(1)
        return array

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        np.testing.assert_array_equal(_cached("x", source, (2, 3), make), array)
    assert list((tmp_path / "cache").iterdir()) == []
    for _ in range(2):
        np.testing.assert_array_equal(_cached("x", source, (2, 3), make), array)
    assert len(made) == 2, "once for each time that it was not stored"
    _cached("x", source, (3, 2), lambda: array.reshape(3, 2))
    assert np.load(next((tmp_path / "cache").iterdir())).shape == (3, 2), "another shape is made anew"
