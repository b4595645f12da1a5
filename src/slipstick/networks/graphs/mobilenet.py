"""MobileNetV2 as an operator graph: inverted residuals around depthwise convolutions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.builder import Classes, GraphBuilder, SampleTensor
from slipstick.networks.graphs.operator_graph import OperatorGraph, _check_one_position

# expansion, channels, blocks, stride of the first: Sandler et al. 1801.04381, table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
FIRST, LAST = 32, 1280  # channels of the first and the last convolution: the same table


class MobileNetV2(OperatorGraph):
    """MobileNetV2 (Sandler et al. 1801.04381, table 2), names and sizes as in torchvision.

    `width` multiplies all channels, rounded to multiples of 8; the last convolution never has fewer than 1280.

    Examples
    --------
    >>> MobileNetV2(name="mobilenet-v2").parameters
    3504872
    """

    graph: Literal["mobilenet-v2"] = "mobilenet-v2"
    width: Annotated[float, Field(gt=0, le=8)] = Field(default=1.0, description="Multiplier of all channels")
    image: Annotated[int, Field(ge=32, le=10**4)] = Field(default=224, description="Side of the square image [pixels]")
    classes: Classes = 1000

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for one image: the same in training and inference."""
        _check_one_position(self, sequence)
        g = GraphBuilder()
        x = g.input(3, self.image, self.image)
        x = _conv(g, "features.0", x, scaled_channels(FIRST, self.width), 3, stride=2)
        number = 1
        for expansion, channels, count, stride in STAGES:
            for block in range(count):
                step = 1 if block else stride
                x = _block(g, f"features.{number}.conv", x, scaled_channels(channels, self.width), expansion, step)
                number += 1
        x = _conv(g, f"features.{number}", x, scaled_channels(LAST, max(1.0, self.width)), 1)
        g.linear("classifier.1", g.global_pool("avgpool", x), self.classes)
        return g.ops


def scaled_channels(channels: int, width: float) -> int:
    """Return the channels at this width multiplier: the nearest multiple of 8 not more than 10 % below.

    Source: the authors' rule, torchvision's _make_divisible.
    """
    exact = channels * width
    nearest = max(8, int(exact + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * exact else nearest


def _conv(
    g: GraphBuilder, name: str, x: SampleTensor, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> SampleTensor:
    """Add a convolution without bias, its batch norm and its activation."""
    names = f"{name}.0", f"{name}.1", f"{name}.2"
    return g.conv_layer(names, x, channels, kernel, stride=stride, padding=kernel // 2, groups=groups)


def _block(g: GraphBuilder, name: str, x: SampleTensor, out: int, expansion: int, stride: int) -> SampleTensor:
    """Add an inverted residual: 1x1 expansion, depthwise convolution, 1x1 projection, shortcut if shapes agree."""
    y, wide, place = x, x.shape[0] * expansion, 0
    if expansion != 1:
        y, place = _conv(g, f"{name}.0", y, wide, 1), 1
    y = _conv(g, f"{name}.{place}", y, wide, 3, stride=stride, groups=wide)
    y = g.conv_layer((f"{name}.{place + 1}", f"{name}.{place + 2}", ""), y, out, 1)
    return g.add(f"{name}.add", x, y) if stride == 1 and x.shape[0] == out else y
