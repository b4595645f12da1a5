"""Batched inference of a torch module on labelled images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from slipstick.core.extras import require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slipstick.datasets.images import Images, Normal

_PIXELS = 2**19  # at once, 10 images of 224 x 224: EfficientNet-Lite0 takes 1.5 times as long with five times as many


def predict(
    net: nn.Module, images: Images, normal: Normal, *, precision: Literal["bf16", "fp32"] = "fp32"
) -> NDArray[np.float32]:
    """Return a module's outputs for every image, float32 [n, classes], in evaluation mode (restored after)."""
    torch = require("torch", "torch")
    training, parts = net.training, []
    batch = _images_at_once(images)
    net.eval()
    try:
        with torch.inference_mode(), autocast(precision):
            for start in range(0, len(images), batch):
                parts.append(net(input_tensor(images.images[start : start + batch], normal)).float().numpy())
    finally:
        net.train(training)
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _images_at_once(images: Images) -> int:
    """Return the batch size whose activations fit the processor's caches."""
    return max(1, _PIXELS // max(1, math.prod(images.images.shape[1:3])))


def autocast(precision: Literal["bf16", "fp32"]) -> Any:
    """Return the torch autocast context in which products are computed in bf16, or unchanged for fp32."""
    torch = require("torch", "torch")
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def input_tensor(images: NDArray[np.uint8], normal: Normal) -> Tensor:
    """Return image bytes [n, h, w, c] as a normalised tensor [n, c, h, w] in channels-last memory format."""
    tensor: Tensor = require("torch", "torch").from_numpy(normal.apply(images)).permute(0, 3, 1, 2)
    return tensor
