"""Data set from a user's image files: a folder with one sub-folder per class."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_bytes
from slipstick.datasets.image_files import SUFFIXES, _decode_picture
from slipstick.datasets.images import DataSet, Images

_MAX_PICTURE_BYTES = 2**26
_MAX_UNPACKED_BYTES = 2**33  # of all pictures together, which are held in memory
_TEST_EVERY = 5  # without folders `train` and `test`, every fifth picture of a class is for the test

_Listed = list[tuple[Path, int]]


def _from_folder(folder: Path, *, size: int | None = None) -> DataSet:
    """Return the data set of a folder of image files, in RGB, one sub-folder per class.

    Parameters
    ----------
    folder : with a sub-folder for each class; or with `train` and `test` (or `val`), each with those. Without them
        every fifth picture of each class, in the order of the names, is for the test.
    size : make every picture a square of this side: scaled by its short side, the middle kept. Needed where sizes
        differ.

    Errors
    ------
    SlipstickError for a folder without pictures, pictures that differ in size, a broken one, or more than 8 GiB.
    """
    test = next((folder / name for name in ("test", "val") if (folder / name).is_dir()), None)
    train = folder / "train" if test is not None and (folder / "train").is_dir() else folder
    classes = tuple(sorted(entry.name for entry in os.scandir(train) if entry.is_dir() and entry.name[0] != "."))
    listed = _listed(train, classes)
    if train == folder:
        listed, tested = _split(listed)
    else:
        tested = _listed(test or folder, classes)
    if not listed and not tested:
        allowed = f"a sub-folder for each class, with {' '.join(SUFFIXES)}"
        raise SlipstickError("the folder has no pictures", path=str(folder), allowed=allowed)
    return DataSet(folder.name, _read(listed, size), _read(tested, size), classes, str(folder))


def _listed(folder: Path, classes: tuple[str, ...]) -> _Listed:
    pictures: _Listed = []
    for label, name in enumerate(classes):
        if (folder / name).is_dir():
            paths = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES)
            pictures += [(path, label) for path in paths]
    return pictures


def _split(listed: _Listed) -> tuple[_Listed, _Listed]:
    """Assign every fifth image of each class to the test set, all others to the training set."""
    seen: dict[int, int] = {}
    parts: tuple[_Listed, _Listed] = [], []
    for path, label in listed:
        seen[label] = seen.get(label, 0) + 1
        parts[seen[label] % _TEST_EVERY == 0].append((path, label))
    return parts


def _read(listed: _Listed, size: int | None) -> Images:
    if not listed:
        side = size or 1
        return Images(np.zeros((0, side, side, 3), np.uint8), np.zeros(0, np.int64))
    first = _picture(listed[0][0], size)
    total = len(listed) * first.nbytes
    if total > _MAX_UNPACKED_BYTES:
        raise SlipstickError(
            f"{total} bytes unpacked", path=str(listed[0][0].parent), allowed=f"at most {_MAX_UNPACKED_BYTES}"
        )
    images = np.empty((len(listed), *first.shape), np.uint8)
    for number, (path, _) in enumerate(listed):
        picture = _picture(path, size)
        if picture.shape != first.shape:
            shapes = f"{picture.shape[:2]} here, {first.shape[:2]} in {listed[0][0].name}"
            raise SlipstickError(f"pictures of different sizes, {shapes}: give a size", path=str(path))
        images[number] = picture
    return Images(images, np.array([label for _, label in listed], np.int64))


def _picture(path: Path, size: int | None) -> NDArray[np.uint8]:
    return _decode_picture(read_bytes(path, limit=_MAX_PICTURE_BYTES), where=str(path), size=size)
