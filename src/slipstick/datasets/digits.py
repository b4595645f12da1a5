"""Handwritten digits of scikit-learn: 1,797 images that a fresh machine has without a download."""

from __future__ import annotations

import numpy as np

from slipstick.core.extras import require
from slipstick.datasets.classes import DIGITS
from slipstick.datasets.images import DataSet, Images

_MAX_INK = 16  # the images count ink in 4 x 4 squares of pixels: 0 to 16
_TRAIN_IMAGES = 1437  # four fifths of 1,797: the rest, by other hands, is the test


def _digits() -> DataSet:
    """Return scikit-learn's digits, 8 x 8 grey: the first 1,437 to train, the last 360 to test.

    Examples
    --------
    >>> data = _digits()
    >>> len(data.train), len(data.test), data.shape
    (1437, 360, (8, 8, 1))
    """
    bunch = require("sklearn.datasets", "data").load_digits()
    images = np.rint(bunch.images * (255 / _MAX_INK)).astype(np.uint8)[..., None]  # 255: white of a byte
    every = Images(images, bunch.target.astype(np.int64))
    about = "scikit-learn's digits (UCI optical recognition of handwritten digits, test part), last 360 as the test"
    return DataSet(
        "digits", every.take(slice(_TRAIN_IMAGES)), every.take(slice(_TRAIN_IMAGES, None)), DIGITS, about, mirrors=False
    )
