"""Data augmentation by random shifts and horizontal flips, a whole batch at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.datasets.images import DataSet, Images

_Augment = Literal["none", "crop", "crop-flip"]
_SHARE = 8  # shifts go up to an eighth of the side: 4 of 32 pixels, He et al. 1512.03385, section 4.2


def _kind(asked: Literal["auto", "none", "crop", "crop-flip"], data: DataSet) -> _Augment:
    """Return the name of the augmentation that ``auto`` selects for a data set."""
    if asked != "auto":
        return asked
    return "crop-flip" if data.mirrors else "crop"


def _batch(
    images: Images, which: NDArray[np.intp], augment: _Augment, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the augmented images and labels of a batch; pixels shifted in from outside are 0.

    Examples
    --------
    >>> data = Images(np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3, 1), np.zeros(1, np.int64))
    >>> _batch(data, np.array([0]), "none", np.random.default_rng(0))[0].ravel().tolist()
    [1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    batch_images = images.images[which]
    if augment != "none":
        batch_images = _shifted(batch_images, random, mirror=augment == "crop-flip")
    return batch_images, images.labels[which]


def _shifted(images: NDArray[np.uint8], random: np.random.Generator, *, mirror: bool) -> NDArray[np.uint8]:
    count, height, width, _ = images.shape
    rows, columns = (_places(count, side, random) for side in (height, width))
    if mirror:
        flipped = random.random(count) < 0.5
        columns[flipped] = columns[flipped, ::-1]
    tall, wide = (max(1, side // _SHARE) for side in (height, width))
    padded = np.pad(images, ((0, 0), (tall, tall), (wide, wide), (0, 0)))
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _places(count: int, side: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return source indices [count, side]: the row (or column) of the padded image that each output row shows."""
    return random.integers(0, 2 * max(1, side // _SHARE) + 1, count)[:, None] + np.arange(side)
