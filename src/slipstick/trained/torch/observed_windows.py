"""Input windows of a torch module's layers, sampled from some images: the operands of each filter's products."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import FloatArray
from slipstick.core.extras import require
from slipstick.trained.network import ObservedInputs
from slipstick.trained.torch.batch_prediction import _images_at_once, predict

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slipstick.datasets.images import Images, Normal

_POSITIONS = 12  # windows of an image and layer: neighbours are alike


@dataclass(frozen=True, eq=False)
class _InputWindows(ObservedInputs):
    """Sampled windows of a layer's input [groups, n, k]: n windows, k weights per filter, channels last."""

    windows: NDArray[np.float32]

    def outputs(self, weights: FloatArray) -> FloatArray:
        """Return the outputs [n, filters]: the sums of products of filters with every window."""
        groups, _, size = self.windows.shape
        rows = weights.reshape(groups, -1, size)
        products = self.windows.astype(np.float64) @ rows.transpose(0, 2, 1)
        sums: FloatArray = products.transpose(1, 0, 2).reshape(self.windows.shape[1], -1)
        return sums

    def mean_change(self, change: FloatArray) -> FloatArray:
        """Return the mean over all windows of the change of each filter's output, [filters]."""
        mean: FloatArray = self.outputs(change).mean(axis=0)
        return mean

    def variance(self, change: FloatArray) -> FloatArray:
        """Return the variance over all windows of the change of each filter's output, [filters]."""
        power: FloatArray = self.outputs(change).var(axis=0)
        return power


def _observe_windows(
    net: nn.Module, images: Images, normal: Normal, names: Iterable[str], *, positions: int = _POSITIONS, seed: int = 0
) -> dict[str, _InputWindows]:
    """Return input windows of the named convolutions and dense layers; the module is left unchanged.

    Parameters
    ----------
    positions : windows of each image; a dense layer sees one vector of each.
    """
    random = np.random.default_rng(seed)
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}

    def recorder(name: str) -> Any:
        def hook(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            parts[name].append(_windows(layer, inputs[0], positions, random))

        return hook

    hooks = [net.get_submodule(name).register_forward_hook(recorder(name)) for name in parts]
    try:
        for start in range(0, len(images), step := _images_at_once(images)):
            predict(net, images.take(np.arange(start, min(start + step, len(images)))), normal)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _InputWindows(np.concatenate(windows, axis=1)) for name, windows in parts.items() if windows}


def _windows(layer: Any, x: Tensor, positions: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return windows [groups, n, k] of a layer's input, at random positions of each image."""
    torch = require("torch", "torch")
    if not isinstance(layer, torch.nn.Conv2d):
        rows = x.detach().reshape(len(x), -1, x.shape[-1])
        drawn = rows[:, random.permutation(rows.shape[1])[:positions]]
        return np.asarray(drawn.float().reshape(1, -1, x.shape[-1]).numpy(), np.float32)
    padded = torch.nn.functional.pad(x.detach(), _padding(layer)).float().numpy()
    reach = [dilation * (size - 1) + 1 for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)]
    short = [max(0, span - size) for size, span in zip(padded.shape[2:], reach, strict=True)]
    if any(short):  # an image smaller than the kernel, which a layer that pads its input itself takes
        padded = np.pad(padded, ((0, 0), (0, 0), *((lack // 2, lack - lack // 2) for lack in short)))
    across = [
        (size - span) // stride + 1 for size, span, stride in zip(padded.shape[2:], reach, layer.stride, strict=True)
    ]
    places = [
        random.integers(0, count, (len(x), positions, 1)) * stride + dilation * np.arange(size)
        for count, stride, dilation, size in zip(across, layer.stride, layer.dilation, layer.kernel_size, strict=True)
    ]
    image = np.arange(len(x))[:, None, None, None]
    cut = padded[image, :, places[0][:, :, :, None], places[1][:, :, None, :]]  # [images, positions, kh, kw, channels]
    rows = cut.reshape(-1, cut.shape[2] * cut.shape[3], layer.groups, cut.shape[4] // layer.groups)
    return np.ascontiguousarray(rows.transpose(2, 0, 1, 3).reshape(layer.groups, len(rows), -1), np.float32)


def _padding(layer: Any) -> list[int]:
    """Return the padding of a convolution in torch's order: left, right, top, bottom."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    if layer.padding == "same":
        sides = [dilation * (size - 1) for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [sides[1] // 2, sides[1] - sides[1] // 2, sides[0] // 2, sides[0] - sides[0] // 2]
    high, wide = layer.padding
    return [wide, wide, high, high]
