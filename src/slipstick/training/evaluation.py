"""What a network answers, image by image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.extras import require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slipstick.datasets.images import Images, Normal

BF16_PRODUCTS = ("amx_bf16", "avx512_bf16", "bf16")  # as torch.cpu.get_capabilities names them, x86-64 and ARM
PIXELS = 2**19  # at once, 10 images of 224 x 224: EfficientNet-Lite0 takes 1.5 times as long with five times as many


def predict(
    net: nn.Module, images: Images, normal: Normal, *, precision: Literal["bf16", "fp32"] = "fp32"
) -> NDArray[np.float32]:
    """Return a network's outputs for every image, float32 [n, classes], in evaluation mode (restored after)."""
    torch = require("torch", "torch")
    training, parts = net.training, []
    batch = at_once(images)
    net.eval()
    try:
        with torch.inference_mode(), autocast(precision):
            for start in range(0, len(images), batch):
                parts.append(net(tensor(images.images[start : start + batch], normal)).float().numpy())
    finally:
        net.train(training)
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def at_once(images: Images) -> int:
    """Return how many images are computed at once."""
    return max(1, PIXELS // max(1, math.prod(images.images.shape[1:3])))


def evaluate(
    net: nn.Module, images: Images, normal: Normal, *, precision: Literal["bf16", "fp32"] = "fp32"
) -> NDArray[np.bool_]:
    """Tell for each image whether its class gets the largest output [n]; the mean is the accuracy.

    Two networks are compared image by image (McNemar), which needs far fewer images than comparing their means.
    """
    if not len(images):
        return np.zeros(0, np.bool_)
    return np.asarray(predict(net, images, normal, precision=precision).argmax(1) == images.labels)


def tensor(images: NDArray[np.uint8], normal: Normal) -> Tensor:
    """Bytes [n, h, w, c] -> normalised [n, c, h, w], channels_last in memory, which is how they lie already."""
    found: Tensor = require("torch", "torch").from_numpy(normal.apply(images)).permute(0, 3, 1, 2)
    return found


def chosen_precision(asked: Literal["auto", "bf16", "fp32"]) -> Literal["bf16", "fp32"]:
    """Return what ``auto`` means on this processor: bf16 only where it has instructions for its products."""
    if asked != "auto":
        return asked
    able = require("torch", "torch").cpu.get_capabilities()
    return "bf16" if any(able.get(name) for name in BF16_PRODUCTS) else "fp32"


def autocast(precision: Literal["bf16", "fp32"]) -> Any:
    """Return the context in which products are computed in bf16, or as they stand."""
    torch = require("torch", "torch")
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def interval(right: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % confidence interval of an accuracy, by Wilson's score. Source: Wilson, JASA 22 (1927).

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
