"""Data set: labelled images, split into training and test images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError

_HISTOGRAM_IMAGES = 4096  # counted at once, to bound memory
WHITE = 255  # largest value of a byte
Shape = tuple[int, int, int]  # height, width and channels of an image


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images: `images` uint8 [n, height, width, channels], `labels` int64 [n]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: slice | NDArray[np.intp]) -> Images:
        """Return the images at `indices`, in their order."""
        return Images(self.images[indices], self.labels[indices])

    def some(self, count: int | None) -> Images:
        """Return `count` evenly spread images (many sets are sorted by class); all for None or a larger count.

        Examples
        --------
        >>> Images(np.zeros((5, 1, 1, 1), np.uint8), np.arange(5)).some(2).labels.tolist()
        [0, 2]
        """
        if count is None or count >= len(self):
            return self
        return self.take(np.arange(count) * len(self) // count)

    def drawn(self, count: int) -> Images:
        """Return up to `count` images in an order that is drawn, always the same: sets are ordered by class."""
        return self.take(np.random.default_rng(0).permutation(len(self))[:count])


@dataclass(frozen=True)
class Normal:
    """Input normalisation, (value / 255 - mean) / std, with one mean and one std per channel.

    Examples
    --------
    >>> Normal((0.5,), (0.25,)).apply(np.array([[[[0], [255]]]], np.uint8)).ravel().tolist()
    [-2.0, 2.0]
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return normalised images, float32 [n, h, w, c], from bytes [n, h, w, c]."""
        scale = np.float32(1 / WHITE) / np.asarray(self.deviation, np.float32)
        offset = np.asarray(self.mean, np.float32) / np.asarray(self.deviation, np.float32)
        return np.subtract(images * scale, offset, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Data set of labelled images, split into `train` and `test`, with the names of its `classes`.

    `name` and `about` (one sentence) are for reports; `mirrors` tells whether a mirrored image still belongs to its
    class: not so for digits.
    """

    name: str
    train: Images
    test: Images
    classes: tuple[str, ...]
    about: str = ""
    mirrors: bool = True

    def __post_init__(self) -> None:
        for split, part in (("train", self.train), ("test", self.test)):
            _check(part, f"{self.name}.{split}", len(self.classes))
        if len(self.train) and len(self.test) and self.train.images.shape[1:] != self.test.images.shape[1:]:
            shapes = f"{self.train.images.shape[1:]} and {self.test.images.shape[1:]}"
            raise SlipstickError(f"train and test images differ in shape: {shapes}", path=self.name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        part = self.test if len(self.test) else self.train
        height, width, channels = part.images.shape[1:]
        return height, width, channels

    @cached_property
    def normal(self) -> Normal:
        """Mean and standard deviation per channel over all training images.

        Errors
        ------
        SlipstickError for a set without training images: its networks bring a `Normal` of their own.
        """
        if not len(self.train):
            allowed = "a Normal of the network's own (--mean, --deviation)"
            raise SlipstickError(
                "the data set has no training images for mean and deviation", path=self.name, allowed=allowed
            )
        counts, values = _histogram(self.train.images), np.arange(WHITE + 1) / WHITE
        mean = counts @ values / counts.sum(1)
        square = counts @ values**2 / counts.sum(1)
        deviation = np.sqrt(np.maximum(square - mean**2, 1 / WHITE**2))  # a blank channel has none
        return Normal(tuple(mean.tolist()), tuple(deviation.tolist()))


def _histogram(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the histogram of byte values per channel, [channels, 256], over all images."""
    counts = np.zeros((images.shape[3], WHITE + 1), np.int64)
    for start in range(0, len(images), _HISTOGRAM_IMAGES):
        for channel, row in enumerate(counts):
            row += np.bincount(images[start : start + _HISTOGRAM_IMAGES, :, :, channel].ravel(), minlength=WHITE + 1)
    return counts


def _check(part: Images, path: str, classes: int) -> None:
    images, labels = part.images, part.labels
    if images.dtype != np.uint8 or images.ndim != 4:
        raise SlipstickError(f"{images.dtype} of shape {images.shape}", path=path, allowed="uint8 [n, h, w, channels]")
    if labels.shape != images.shape[:1]:
        raise SlipstickError(f"{len(images)} images and labels of shape {labels.shape}", path=path)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        wrong = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
        raise SlipstickError("a label is outside of the classes", path=path, value=wrong, allowed=f"0 to {classes - 1}")
