"""Residual networks for images: 18 to 152 layers are one function."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.builder import GraphBuilder, Tensor
from slipstick.networks.graphs.operator_graph import OperatorGraph, check_one_position

Block = Literal["basic", "bottleneck"]
Stem = Literal["photograph", "small"]
EXPANSION = {"basic": 1, "bottleneck": 4}  # channels that a block gives, per channel of its width (He et al., table 1)


class ResNet(OperatorGraph):
    """A residual network (He et al. 1512.03385, table 1), its stride in the 3x3 convolution of a bottleneck, as in
    torchvision and MLPerf ("v1.5"); names are torchvision's.

    `blocks` counts the blocks of each stage; a stage doubles the `width` of the one before and halves the image. The
    `stem` before them is that for photographs, or the one 3x3 convolution for small images (section 4.2, here with
    projections where the shape changes).

    Examples
    --------
    >>> ResNet(name="resnet-152", blocks=(3, 8, 36, 3)).parameters
    60192808
    """

    graph: Literal["resnet"] = "resnet"
    block: Block = "bottleneck"
    stem: Stem = "photograph"
    blocks: Annotated[tuple[Annotated[int, Field(gt=0, le=1000)], ...], Field(min_length=1, max_length=8)]
    width: Annotated[int, Field(gt=0, le=10**4)] = 64
    image: Annotated[int, Field(ge=32, le=10**4)] = 224
    classes: Annotated[int, Field(gt=0, le=10**7)] = 1000  # of ImageNet's challenge

    @property
    def max_positions(self) -> int:
        """One image is one sample."""
        return 1

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for one image: the same in training and inference."""
        check_one_position(self, sequence)
        g = GraphBuilder()
        x = STEMS[self.stem](g, g.input(3, self.image, self.image), self.width)
        for stage, count in enumerate(self.blocks):
            for number in range(count):
                stride = 2 if stage and not number else 1
                x = _block(g, f"layer{stage + 1}.{number}", x, self.width * 2**stage, stride, self.block)
        g.linear("fc", g.global_pool("avgpool", x), self.classes)
        return g.ops


def _photograph(g: GraphBuilder, x: Tensor, width: int) -> Tensor:
    """Add 7x7 at stride 2, then the largest of 3x3 at stride 2."""
    x = g.relu("relu", g.batch_norm("bn1", g.conv("conv1", x, width, 7, stride=2, padding=3)))
    return g.pool("maxpool", x, 3, stride=2, padding=1)


def _small(g: GraphBuilder, x: Tensor, width: int) -> Tensor:
    """Add 3x3 at stride 1."""
    return g.relu("relu", g.batch_norm("bn1", g.conv("conv1", x, width, 3, padding=1)))


STEMS = {"photograph": _photograph, "small": _small}


def _block(g: GraphBuilder, name: str, x: Tensor, width: int, stride: int, block: Block) -> Tensor:
    """Add a residual block: its convolutions, the shortcut (projected where the shape changes), and their sum."""
    out = width * EXPANSION[block]
    basic = [(width, 3, stride), (out, 3, 1)]
    sizes = basic if block == "basic" else [(width, 1, 1), (width, 3, stride), (out, 1, 1)]
    y = x
    for number, (channels, kernel, step) in enumerate(sizes, start=1):
        y = g.conv(f"{name}.conv{number}", y, channels, kernel, stride=step, padding=kernel // 2)
        y = g.batch_norm(f"{name}.bn{number}", y)
        if number < len(sizes):
            y = g.relu(f"{name}.relu{number}", y)
    if stride != 1 or x.shape[0] != out:
        x = g.conv(f"{name}.downsample.0", x, out, 1, stride=stride)
        x = g.batch_norm(f"{name}.downsample.1", x)
    return g.relu(f"{name}.relu{len(sizes)}", g.add(f"{name}.add", y, x))
