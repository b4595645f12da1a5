"""CIFAR-10: the original binary batches, and copies of its images as JPEG with one common header."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_bytes
from slipstick.datasets.array_cache import _cached
from slipstick.datasets.classes import CIFAR
from slipstick.datasets.image_files import _decode_picture
from slipstick.datasets.images import DataSet, Images
from slipstick.datasets.npz_file import _read_npz

_SIDE = 32  # pixels
_ROW = 1 + 3 * _SIDE * _SIDE  # bytes of a binary record: the label, then a plane each of red, green and blue
BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_MAX_BATCH_BYTES = 2**28  # of one binary batch: the original's have 30.7 MB
_MAX_SCAN_BYTES = 2**16  # of one JPEG's scan: 32 x 32 pixels need about 300


def _from_binary(folder: Path, name: str = "cifar10") -> DataSet:
    """Return CIFAR-10 from its binary version: data_batch_1.bin to data_batch_5.bin and test_batch.bin."""
    batches = [_batch(folder / batch) for batch in BATCHES]
    images = np.concatenate([batch.images for batch in batches])
    train = Images(images, np.concatenate([batch.labels for batch in batches]))
    return DataSet(name, train, _batch(folder / "test_batch.bin"), CIFAR, "CIFAR-10")


def _from_jpeg(path: Path, name: str = "cifar10-jpeg") -> DataSet:
    """Return CIFAR-10 from JPEG copies in an npz file, which are decoded once (13 s) and stored in the user's cache.

    The images differ from CIFAR-10's: quote results as "CIFAR-10 (JPEG copies)".
    """
    array_kinds: dict[str, tuple[str, int]] = {"jpeg_header": ("uint8", 1)}
    for split in ("train", "test"):
        array_kinds |= {f"{split}_scan": ("uint8", 1), f"{split}_offset": ("uint32", 1), f"{split}_label": ("uint8", 1)}
    arrays = _read_npz(path, array_kinds)
    counts = [_count(arrays, split, str(path)) for split in ("train", "test")]
    shape = (sum(counts), _SIDE, _SIDE, 3)
    images = _cached("cifar10-jpeg", path, shape, lambda: _decoded(arrays, shape, str(path)))
    parts = [(images[: counts[0]], arrays["train_label"]), (images[counts[0] :], arrays["test_label"])]
    train, test = (Images(pixels, labels.astype(np.int64)) for pixels, labels in parts)
    return DataSet(name, train, test, CIFAR, "CIFAR-10 (JPEG copies)")


def _batch(path: Path) -> Images:
    raw = np.frombuffer(read_bytes(path, limit=_MAX_BATCH_BYTES), np.uint8)
    if len(raw) == 0 or len(raw) % _ROW:
        raise SlipstickError(f"{len(raw)} bytes are not records of {_ROW} bytes", path=str(path))
    rows = raw.reshape(-1, _ROW)
    images = rows[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return Images(np.ascontiguousarray(images), rows[:, 0].astype(np.int64))


def _count(arrays: dict[str, NDArray[Any]], split: str, path: str) -> int:
    """Return the number of images in a split, after checking that every image lies within the scans."""
    offsets = arrays[f"{split}_offset"].astype(np.int64)
    lengths = np.diff(offsets)
    ends = len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(arrays[f"{split}_scan"])
    if ends or (len(lengths) and not 0 < lengths.min() <= lengths.max() <= _MAX_SCAN_BYTES):
        raise SlipstickError("offsets that do not divide the scans into images", path=f"{path}: {split}_offset")
    if len(lengths) != len(arrays[f"{split}_label"]):
        raise SlipstickError(
            "the number of labels is not that of the images",
            path=f"{path}: {split}_label",
            value=len(arrays[f"{split}_label"]),
            allowed=str(len(lengths)),
        )
    return len(lengths)


def _decoded(arrays: dict[str, NDArray[Any]], shape: tuple[int, ...], path: str) -> NDArray[np.uint8]:
    header, images, number = arrays["jpeg_header"].tobytes(), np.empty(shape, np.uint8), 0
    for split in ("train", "test"):
        scans, offsets = arrays[f"{split}_scan"].tobytes(), arrays[f"{split}_offset"].tolist()
        for start, end in pairwise(offsets):
            picture = _decode_picture(header + scans[start:end], where=f"{path}: image {number}")
            if picture.shape != shape[1:]:
                raise SlipstickError(
                    "a picture of another shape", path=path, value=picture.shape, allowed=f"{shape[1:]}"
                )
            images[number] = picture
            number += 1
    return images
