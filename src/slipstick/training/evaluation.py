"""Accuracy of a torch module on labelled images, with its confidence interval, and the precision to compute in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.extras import require
from slipstick.trained.torch.batch_prediction import predict

if TYPE_CHECKING:
    from torch import nn

    from slipstick.datasets.images import Images, Normal

_BF16_PRODUCTS = ("amx_bf16", "avx512_bf16", "bf16")  # as torch.cpu.get_capabilities names them, x86-64 and ARM


def evaluate(
    net: nn.Module, images: Images, normal: Normal, *, precision: Literal["bf16", "fp32"] = "fp32"
) -> NDArray[np.bool_]:
    """Return for each image whether its true class gets the largest output, [n]; the mean is the accuracy.

    Two networks are compared image by image (McNemar), which needs far fewer images than comparing their means.
    """
    if not len(images):
        return np.zeros(0, np.bool_)
    return np.asarray(predict(net, images, normal, precision=precision).argmax(1) == images.labels)


def _chosen_precision(asked: Literal["auto", "bf16", "fp32"]) -> Literal["bf16", "fp32"]:
    """Return the precision that ``auto`` selects on this machine: bf16 only where the processor multiplies it."""
    if asked != "auto":
        return asked
    able = require("torch", "torch").cpu.get_capabilities()
    return "bf16" if any(able.get(name) for name in _BF16_PRODUCTS) else "fp32"


def interval(right: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % confidence interval of an accuracy, Wilson's score interval. Source: Wilson, JASA 22 (1927).

    Examples
    --------
    >>> [round(bound, 3) for bound in interval(np.arange(100) < 90)]
    [0.826, 0.945]
    """
    count, z = len(right), 1.959964  # of the normal distribution, two-sided 5 %
    if not count:
        return 0.0, 1.0
    share, shrink = float(right.mean()), 1 + z**2 / count
    half = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    middle = share + z**2 / (2 * count)
    return (middle - half) / shrink, (middle + half) / shrink
