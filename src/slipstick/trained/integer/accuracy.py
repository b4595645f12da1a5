"""Which images a network names rightly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.integer_network import IntegerNetwork, Values


def accuracy(
    network: IntegerNetwork,
    images: Values,
    labels: Values,
    *,
    background: int = 0,
    weights: Mapping[int, Any] | None = None,
    biases: Mapping[int, Any] | None = None,
) -> NDArray[np.bool_]:
    """Return whether each image's largest output is its label's; the first of equal ones counts.

    Parameters
    ----------
    images : codes of the input's type [n, height, width, channels].
    labels : classes from 0 [n].
    background : outputs before that of class 0: 1 in the ImageNet files, whose output 0 is the background.
    weights, biases : as `IntegerNetwork.run` takes them.
    """
    labels = np.asarray(labels)
    classes = network.tensors[network.output].size - background
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise SlipstickError("not a label an image", path="labels", value=f"{labels.dtype} {list(labels.shape)}")
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        given = f"{labels.min()} to {labels.max()}"
        raise SlipstickError("no such class", path="labels", value=given, allowed=f"0 to {classes - 1}")
    outputs = network.run(images, weights, biases)
    found: NDArray[np.bool_] = outputs.reshape(len(images), -1).argmax(axis=1) == labels + background
    return found
