"""ResNet as an operator graph: residual networks of 18 to 152 layers, and small ones for CIFAR."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.builder import Classes, GraphBuilder, SampleTensor
from slipstick.networks.graphs.operator_graph import OperatorGraph, _check_one_position

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
    block: Block = Field(default="bottleneck", description="Convolutions of a block: two of 3x3, or 1x1, 3x3, 1x1")
    stem: Stem = Field(
        default="photograph", description="Layers before the first stage: 7x7 and a pool, or 3x3 for small images"
    )
    blocks: Annotated[tuple[Annotated[int, Field(gt=0, le=1000)], ...], Field(min_length=1, max_length=8)] = Field(
        description="Blocks of each stage, such as 3,4,6,3"
    )
    width: Annotated[int, Field(gt=0, le=10**4)] = Field(default=64, description="Channels of the first stage")
    image: Annotated[int, Field(ge=32, le=10**4)] = Field(default=224, description="Side of the square image [pixels]")
    classes: Classes = 1000

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for one image: the same in training and inference."""
        _check_one_position(self, sequence)
        g = GraphBuilder()
        x = _STEMS[self.stem](g, g.input(3, self.image, self.image), self.width)
        for stage, count in enumerate(self.blocks):
            for number in range(count):
                stride = 2 if stage and not number else 1
                x = _block(g, f"layer{stage + 1}.{number}", x, self.width * 2**stage, stride, self.block)
        g.linear("fc", g.global_pool("avgpool", x), self.classes)
        return g.ops


def _photograph(g: GraphBuilder, x: SampleTensor, width: int) -> SampleTensor:
    """Add the stem for large images: a 7x7 convolution at stride 2, then a 3x3 max pool at stride 2."""
    x = g.conv_layer(("conv1", "bn1", "relu"), x, width, 7, stride=2, padding=3)
    return g.pool("maxpool", x, 3, stride=2, padding=1)


def _small(g: GraphBuilder, x: SampleTensor, width: int) -> SampleTensor:
    """Add the stem for small images: a 3x3 convolution at stride 1."""
    return g.conv_layer(("conv1", "bn1", "relu"), x, width, 3, padding=1)


_STEMS = {"photograph": _photograph, "small": _small}


def _block(g: GraphBuilder, name: str, x: SampleTensor, width: int, stride: int, block: Block) -> SampleTensor:
    """Add a residual block: convolutions, the shortcut (projected where the shape changes), and their sum."""
    out = width * EXPANSION[block]
    basic = [(width, 3, stride), (out, 3, 1)]
    sizes = basic if block == "basic" else [(width, 1, 1), (width, 3, stride), (out, 1, 1)]
    y = x
    for number, (channels, kernel, step) in enumerate(sizes, start=1):
        activation = f"{name}.relu{number}" if number < len(sizes) else ""
        names = f"{name}.conv{number}", f"{name}.bn{number}", activation
        y = g.conv_layer(names, y, channels, kernel, stride=step, padding=kernel // 2)
    if stride != 1 or x.shape[0] != out:
        x = g.conv_layer((f"{name}.downsample.0", f"{name}.downsample.1", ""), x, out, 1, stride=stride)
    return g.relu(f"{name}.relu{len(sizes)}", g.add(f"{name}.add", y, x))
