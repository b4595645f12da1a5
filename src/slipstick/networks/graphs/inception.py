"""Inception-V3 as an operator graph, module by module."""

from __future__ import annotations

from typing import Annotated, Literal, Unpack

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.builder import Classes, ConvOptions, GraphBuilder, Pair, SampleTensor
from slipstick.networks.graphs.operator_graph import OperatorGraph, _check_one_position


class InceptionV3(OperatorGraph):
    """Inception-V3 (Szegedy et al. 1512.00567, table 1 and figures 5 to 7), names and sizes as in torchvision.

    With `auxiliary`, training also runs the classifier beside the 17x17 grid (section 4 of the paper).

    Examples
    --------
    >>> InceptionV3(name="inception-v3").parameters, InceptionV3(name="with head", auxiliary=True).parameters
    (23834568, 27161264)
    """

    graph: Literal["inception-v3"] = "inception-v3"
    image: Annotated[int, Field(ge=75, le=10**4)] = Field(default=299, description="Side of the square image [pixels]")
    classes: Classes = 1000
    auxiliary: bool = Field(default=False, description="Train with the classifier beside the 17x17 grid")

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for one image; the auxiliary head runs in training only."""
        _check_one_position(self, sequence)
        g = GraphBuilder()
        x = _stem(g, g.input(3, self.image, self.image))
        for name, pooled in zip(_GRID_35, (32, 64, 64), strict=True):  # channels behind the pool: torchvision's
            x = _module_a(g, name, x, pooled)
        x = _reduction_b(g, "Mixed_6a", x)
        for name, width in zip(_GRID_17, (128, 160, 160, 192), strict=True):  # channels within: torchvision's
            x = _module_c(g, name, x, width)
        if self.auxiliary and phase is Phase.TRAIN:
            _auxiliary(g, x, self.classes)
        x = _reduction_d(g, "Mixed_7a", x)
        for name in _GRID_8:
            x = _module_e(g, name, x)
        g.linear("fc", g.global_pool("avgpool", x), self.classes)
        return g.ops


_GRID_35 = ("Mixed_5b", "Mixed_5c", "Mixed_5d")
_GRID_17 = ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e")
_GRID_8 = ("Mixed_7b", "Mixed_7c")


def _conv(
    g: GraphBuilder, name: str, x: SampleTensor, channels: int, kernel: Pair, **options: Unpack[ConvOptions]
) -> SampleTensor:
    """Add a convolution without bias, with its batch norm and activation."""
    return g.conv_layer((f"{name}.conv", f"{name}.bn", f"{name}.relu"), x, channels, kernel, **options)


def _stem(g: GraphBuilder, x: SampleTensor) -> SampleTensor:
    """Add the stem before the first module. Source: Szegedy et al. 1512.00567, table 1; torchvision."""
    x = _conv(g, "Conv2d_1a_3x3", x, 32, 3, stride=2)
    x = _conv(g, "Conv2d_2a_3x3", x, 32, 3)
    x = _conv(g, "Conv2d_2b_3x3", x, 64, 3, padding=1)
    x = g.pool("maxpool1", x, 3, stride=2)
    x = _conv(g, "Conv2d_3b_1x1", x, 80, 1)
    x = _conv(g, "Conv2d_4a_3x3", x, 192, 3)
    return g.pool("maxpool2", x, 3, stride=2)


def _pooled(g: GraphBuilder, name: str, x: SampleTensor, channels: int) -> SampleTensor:
    """Add the pool branch of the modules that keep the grid: a 3x3 average pool, then a 1x1 convolution."""
    return _conv(g, f"{name}.branch_pool", g.pool(f"{name}.pool", x, 3, stride=1, padding=1), channels, 1)


def _module_a(g: GraphBuilder, name: str, x: SampleTensor, pooled: int) -> SampleTensor:
    """Add a module of the 35x35 grid. Source: Szegedy et al. 1512.00567, figure 5; torchvision's inception.py."""
    pointwise = _conv(g, f"{name}.branch1x1", x, 64, 1)
    five = _conv(g, f"{name}.branch5x5_1", x, 48, 1)
    five = _conv(g, f"{name}.branch5x5_2", five, 64, 5, padding=2)
    three = _conv(g, f"{name}.branch3x3dbl_1", x, 64, 1)
    three = _conv(g, f"{name}.branch3x3dbl_2", three, 96, 3, padding=1)
    three = _conv(g, f"{name}.branch3x3dbl_3", three, 96, 3, padding=1)
    return g.concat(f"{name}.cat", [pointwise, five, three, _pooled(g, name, x, pooled)])


def _reduction_b(g: GraphBuilder, name: str, x: SampleTensor) -> SampleTensor:
    """Add the step from 35x35 to 17x17. Source: Szegedy et al. 1512.00567, figure 10; torchvision's inception.py."""
    three = _conv(g, f"{name}.branch3x3", x, 384, 3, stride=2)
    twice = _conv(g, f"{name}.branch3x3dbl_1", x, 64, 1)
    twice = _conv(g, f"{name}.branch3x3dbl_2", twice, 96, 3, padding=1)
    twice = _conv(g, f"{name}.branch3x3dbl_3", twice, 96, 3, stride=2)
    return g.concat(f"{name}.cat", [three, twice, g.pool(f"{name}.pool", x, 3, stride=2)])


def _module_c(g: GraphBuilder, name: str, x: SampleTensor, width: int) -> SampleTensor:
    """Add a module of the 17x17 grid. Source: Szegedy et al. 1512.00567, figure 6; torchvision's inception.py."""
    row, column = (1, 7), (7, 1)
    pointwise = _conv(g, f"{name}.branch1x1", x, 192, 1)
    seven = _conv(g, f"{name}.branch7x7_1", x, width, 1)
    seven = _lines(g, f"{name}.branch7x7", seven, [(width, row), (192, column)])
    twice = _conv(g, f"{name}.branch7x7dbl_1", x, width, 1)
    lines = [(width, column), (width, row), (width, column), (192, row)]
    twice = _lines(g, f"{name}.branch7x7dbl", twice, lines)
    return g.concat(f"{name}.cat", [pointwise, seven, twice, _pooled(g, name, x, 192)])


def _lines(g: GraphBuilder, name: str, x: SampleTensor, lines: list[tuple[int, tuple[int, int]]]) -> SampleTensor:
    """Add 1xn and nx1 convolutions (channels, kernel) that keep the grid, numbered from 2."""
    for number, (channels, (high, wide)) in enumerate(lines, start=2):
        x = _conv(g, f"{name}_{number}", x, channels, (high, wide), padding=(high // 2, wide // 2))
    return x


def _reduction_d(g: GraphBuilder, name: str, x: SampleTensor) -> SampleTensor:
    """Add the step from 17x17 to 8x8. Source: torchvision's inception.py (InceptionD)."""
    three = _conv(g, f"{name}.branch3x3_1", x, 192, 1)
    three = _conv(g, f"{name}.branch3x3_2", three, 320, 3, stride=2)
    seven = _conv(g, f"{name}.branch7x7x3_1", x, 192, 1)
    seven = _conv(g, f"{name}.branch7x7x3_2", seven, 192, (1, 7), padding=(0, 3))
    seven = _conv(g, f"{name}.branch7x7x3_3", seven, 192, (7, 1), padding=(3, 0))
    seven = _conv(g, f"{name}.branch7x7x3_4", seven, 192, 3, stride=2)
    return g.concat(f"{name}.cat", [three, seven, g.pool(f"{name}.pool", x, 3, stride=2)])


def _module_e(g: GraphBuilder, name: str, x: SampleTensor) -> SampleTensor:
    """Add a module of the 8x8 grid. Source: Szegedy et al. 1512.00567, figure 7; torchvision's inception.py."""
    pointwise = _conv(g, f"{name}.branch1x1", x, 320, 1)
    three = _split(g, name, "branch3x3", "branch3x3_2", _conv(g, f"{name}.branch3x3_1", x, 384, 1))
    twice = _conv(g, f"{name}.branch3x3dbl_1", x, 448, 1)
    twice = _conv(g, f"{name}.branch3x3dbl_2", twice, 384, 3, padding=1)
    twice = _split(g, name, "branch3x3dbl", "branch3x3dbl_3", twice)
    return g.concat(f"{name}.cat", [pointwise, three, twice, _pooled(g, name, x, 192)])


def _split(g: GraphBuilder, module: str, branch: str, name: str, x: SampleTensor) -> SampleTensor:
    """Add parallel 1x3 and 3x1 convolutions. Source: Szegedy et al. 1512.00567, figure 7; torchvision."""
    wide = _conv(g, f"{module}.{name}a", x, 384, (1, 3), padding=(0, 1))
    high = _conv(g, f"{module}.{name}b", x, 384, (3, 1), padding=(1, 0))
    return g.concat(f"{module}.{branch}.cat", [wide, high])


def _auxiliary(g: GraphBuilder, x: SampleTensor, classes: int) -> None:
    """Add the auxiliary classifier of training. Source: Szegedy et al. 1512.00567, figure 8; torchvision."""
    x = g.pool("AuxLogits.pool", x, 5, stride=3)
    x = _conv(g, "AuxLogits.conv0", x, 128, 1)
    x = _conv(g, "AuxLogits.conv1", x, 768, 5)
    g.linear("AuxLogits.fc", g.global_pool("AuxLogits.avgpool", x), classes)
