"""MNIST and Fashion-MNIST: four idx files of images and labels, or one npz file with four arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.datasets.classes import DIGITS
from slipstick.datasets.idx_file import _read_idx
from slipstick.datasets.images import DataSet, Images
from slipstick.datasets.npz_file import _read_npz

_PREFIXES = {"train": "train", "test": "t10k"}


def _from_idx(folder: Path, name: str, classes: tuple[str, ...], about: str = "") -> DataSet:
    """Return the data set of a folder with train-images-idx3-ubyte and its three siblings, plain or .gz."""
    train, test = (_split(folder, prefix) for prefix in _PREFIXES.values())
    return DataSet(name, train, test, classes, about, mirrors=classes != DIGITS)


def _has_idx(folder: Path) -> bool:
    """Return whether a folder holds the idx files of MNIST."""
    return any((folder / f"train-images-idx3-ubyte{suffix}").is_file() for suffix in ("", ".gz"))


def _from_npz(path: Path, name: str, classes: tuple[str, ...] = DIGITS, about: str = "") -> DataSet:
    """Return the data set of an npz file with train_image, train_label, test_image and test_label, all bytes."""
    array_kinds = {f"{split}_image": ("uint8", 3) for split in _PREFIXES}
    arrays = _read_npz(path, array_kinds | {f"{split}_label": ("uint8", 1) for split in _PREFIXES})
    train, test = (Images(arrays[f"{s}_image"][..., None], arrays[f"{s}_label"].astype(np.int64)) for s in _PREFIXES)
    return DataSet(name, train, test, classes, about, mirrors=classes != DIGITS)


def _split(folder: Path, prefix: str) -> Images:
    images = _read(folder, f"{prefix}-images-idx3-ubyte", 3)
    return Images(images[..., None], _read(folder, f"{prefix}-labels-idx1-ubyte", 1).astype(np.int64))


def _read(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
    plain = folder / name
    array = _read_idx(plain if plain.exists() else folder / f"{name}.gz")
    if array.ndim != dimensions:
        raise SlipstickError(f"{array.ndim} dimensions", path=str(plain), allowed=f"{dimensions}")
    return array
