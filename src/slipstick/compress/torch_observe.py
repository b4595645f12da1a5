"""What the layers of a torch network see of some images, and what changed weights then do to their outputs.

The counterpart of `trained.integer.layer_statistics` for networks in real numbers: windows of every layer's
input, drawn at random, as its filters see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.arrays import FloatArray
from slipstick.core.extras import require
from slipstick.training.evaluation import at_once, predict

if TYPE_CHECKING:
    from torch import Tensor, nn

    from slipstick.datasets.images import Images, Normal

POSITIONS = 12  # windows of an image and layer: neighbours are alike


@dataclass(frozen=True, eq=False)
class Seen:
    """Windows of a layer's input [groups, n, k]: k weights of a filter, input channels last, as formats have them.

    `norm` is the batch norm that reads this layer's output and nothing else, empty if there is none.
    """

    windows: NDArray[np.float32]
    norm: str = ""

    def outputs(self, weights: FloatArray) -> FloatArray:
        """Return what filters [filters, ...] make of the windows, [n, filters], without a bias."""
        groups, _, each = self.windows.shape
        rows = weights.reshape(groups, -1, each)
        products = self.windows.astype(np.float64) @ rows.transpose(0, 2, 1)
        found: FloatArray = products.transpose(1, 0, 2).reshape(self.windows.shape[1], -1)
        return found


def layers_see(
    net: nn.Module, images: Images, normal: Normal, names: Iterable[str], *, positions: int = POSITIONS, seed: int = 0
) -> dict[str, Seen]:
    """Return what the named convolutions and dense layers see of `images`; the network is left as it was.

    Parameters
    ----------
    positions : windows of each image; a dense layer sees one vector of each.
    """
    random = np.random.default_rng(seed)
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    made: dict[int, str] = {}  # outputs of layers that are still alive in this pass, by identity
    norms: dict[str, set[str]] = {name: set() for name in parts}
    held: list[Tensor] = []  # so that no identity is used twice in a pass

    def look(name: str) -> Any:
        def hook(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            parts[name].append(_windows(layer, inputs[0], positions, random))
            made[id(output)] = name
            held.append(output)

        return hook

    def read(norm: str) -> Any:
        def hook(layer: Any, inputs: tuple[Tensor, ...]) -> None:
            if (name := made.get(id(inputs[0]))) is not None:
                norms[name].add(norm)

        return hook

    nn_ = require("torch.nn", "torch")
    hooks = [net.get_submodule(name).register_forward_hook(look(name)) for name in parts]
    hooks += [
        module.register_forward_pre_hook(read(name))
        for name, module in net.named_modules()
        if isinstance(module, nn_.BatchNorm2d)
    ]
    try:
        for start in range(0, len(images), step := at_once(images)):
            predict(net, images.take(np.arange(start, min(start + step, len(images)))), normal)
            made.clear()
            held.clear()
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: Seen(np.concatenate(found, axis=1), next(iter(norms[name])) if len(norms[name]) == 1 else "")
        for name, found in parts.items()
        if found
    }


def noise(change: FloatArray, seen: Seen) -> FloatArray:
    """Return the power that a change of weights [filters, ...] makes in each output, its mean taken out, [filters]."""
    power: FloatArray = seen.outputs(change).var(axis=0)
    return power


def signal(weights: FloatArray, seen: Seen) -> float:
    """Return the power of a layer's output, all filters, each one's mean taken out; never 0."""
    return float(noise(weights, seen).sum()) or 1.0  # an output that never changes: nothing does more or less to it


def hold_means(net: nn.Module, name: str, change: FloatArray, seen: Seen) -> bool:
    """Take the mean of what a change of weights does to a layer's output into its bias, or into its batch norm's mean.

    Returns whether the layer has either. Source: Nagel et al., ICCV 2019, section 4.2.
    """
    torch = require("torch", "torch")
    layer: Any = net.get_submodule(name)
    moved = torch.from_numpy(seen.outputs(change).mean(axis=0).astype(np.float32))
    with torch.no_grad():
        if isinstance(layer.bias, torch.Tensor):
            layer.bias.sub_(moved)
            return True
        if seen.norm and isinstance(mean := _of(net, seen.norm, "running_mean"), torch.Tensor):
            mean.add_(moved)
            return True
    return False


def _of(net: nn.Module, name: str, attribute: str) -> Any:
    return getattr(net.get_submodule(name), attribute)


def weights_of(net: nn.Module, names: Iterable[str]) -> Mapping[str, FloatArray]:
    """Return the layers' weights as formats take them: filters first, input channels last."""
    from slipstick.formats.integer_rows import channels_last

    return {
        name: np.ascontiguousarray(channels_last(_of(net, name, "weight").detach().double().numpy())) for name in names
    }


def _windows(layer: Any, x: Tensor, positions: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return windows [groups, n, k] of a layer's input, at random positions of each image."""
    torch = require("torch", "torch")
    if not isinstance(layer, torch.nn.Conv2d):
        rows = x.detach().reshape(len(x), -1, x.shape[-1])
        drawn = rows[:, random.permutation(rows.shape[1])[:positions]]
        return np.asarray(drawn.float().reshape(1, -1, x.shape[-1]).numpy(), np.float32)
    padded = torch.nn.functional.pad(x.detach(), _padding(layer)).float().numpy()
    reach = [dilation * (size - 1) + 1 for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)]
    across = [
        (size - span) // stride + 1 for size, span, stride in zip(padded.shape[2:], reach, layer.stride, strict=True)
    ]
    places = [
        random.integers(0, count, (len(x), positions, 1)) * stride + dilation * np.arange(size)
        for count, stride, dilation, size in zip(across, layer.stride, layer.dilation, layer.kernel_size, strict=True)
    ]
    image = np.arange(len(x))[:, None, None, None]
    found = padded[
        image, :, places[0][:, :, :, None], places[1][:, :, None, :]
    ]  # [images, positions, kh, kw, channels]
    cut = found.reshape(-1, found.shape[2] * found.shape[3], layer.groups, found.shape[4] // layer.groups)
    return np.ascontiguousarray(cut.transpose(2, 0, 1, 3).reshape(layer.groups, len(cut), -1), np.float32)


def _padding(layer: Any) -> list[int]:
    """Return what a convolution pads, as torch's pad takes it: left, right, top, bottom."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    if layer.padding == "same":
        sides = [dilation * (size - 1) for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [sides[1] // 2, sides[1] - sides[1] // 2, sides[0] // 2, sides[0] - sides[0] // 2]
    high, wide = layer.padding
    return [wide, wide, high, high]
