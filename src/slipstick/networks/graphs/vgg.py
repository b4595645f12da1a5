"""VGG and AlexNet as operator graphs: a stack of convolutions, then three matrix products."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.builder import Classes, GraphBuilder, SampleTensor
from slipstick.networks.graphs.operator_graph import OperatorGraph, _check_one_position

_Channels = Annotated[int, Field(gt=0, le=10**5)]
_HIDDEN = 4096  # features of the two hidden products: Simonyan & Zisserman 1409.1556, table 1; Krizhevsky, section 3.5


class Vgg(OperatorGraph):
    """VGG network (Simonyan & Zisserman, arXiv 1409.1556, table 1) without batch norms; names as in torchvision.

    `stages` lists the channels of each stage's 3x3 convolutions; a pool that halves the image ends each stage.

    Examples
    --------
    >>> stages = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
    >>> Vgg(name="vgg-16", stages=stages).parameters
    138357544
    """

    graph: Literal["vgg"] = "vgg"
    stages: Annotated[tuple[tuple[_Channels, ...], ...], Field(min_length=1, max_length=5)] = Field(
        description="Channels of each stage's 3x3 convolutions"
    )
    image: Annotated[int, Field(ge=32, le=10**4)] = Field(default=224, description="Side of the square image [pixels]")
    classes: Classes = 1000

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for one image: the same in training and inference."""
        _check_one_position(self, sequence)
        g = GraphBuilder()
        x, place = g.input(3, self.image, self.image), 0
        for stage in self.stages:
            for channels in stage:
                x = _conv(g, place, x, channels, 3, padding=1)
                place += 2
            x = g.pool(f"features.{place}", x, 2)
            place += 1
        _classify(g, g.pool_to("avgpool", x, 7), (0, 3, 6), self.classes)
        return g.ops


class AlexNet(OperatorGraph):
    """AlexNet on one device (Krizhevsky 1404.5997, section 5: "one tower"), names and sizes as in torchvision.

    Examples
    --------
    >>> AlexNet(name="alexnet").parameters
    61100840
    """

    graph: Literal["alexnet"] = "alexnet"
    image: Annotated[int, Field(ge=63, le=10**4)] = Field(default=224, description="Side of the square image [pixels]")
    classes: Classes = 1000

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for one image. Source: torchvision's alexnet.py."""
        _check_one_position(self, sequence)
        g = GraphBuilder()
        x = _conv(g, 0, g.input(3, self.image, self.image), 64, 11, stride=4, padding=2)
        x = g.pool("features.2", x, 3, stride=2)
        x = _conv(g, 3, x, 192, 5, padding=2)
        x = g.pool("features.5", x, 3, stride=2)
        for place, channels in ((6, 384), (8, 256), (10, 256)):
            x = _conv(g, place, x, channels, 3, padding=1)
        x = g.pool("features.12", x, 3, stride=2)
        _classify(g, g.pool_to("avgpool", x, 6), (1, 4, 6), self.classes)
        return g.ops


def _conv(
    g: GraphBuilder, place: int, x: SampleTensor, channels: int, kernel: int, *, stride: int = 1, padding: int
) -> SampleTensor:
    """Add a convolution with bias and an activation, named `features.{place}` and the next, as in torchvision."""
    names = f"features.{place}", "", f"features.{place + 1}"
    return g.conv_layer(names, x, channels, kernel, stride=stride, padding=padding, bias=True)


def _classify(g: GraphBuilder, x: SampleTensor, places: tuple[int, int, int], classes: int) -> None:
    """Add the three dense layers behind the convolutions."""
    x = g.flat(x)
    for place in places[:2]:
        x = g.relu(f"classifier.{place}.relu", g.linear(f"classifier.{place}", x, _HIDDEN))
    g.linear(f"classifier.{places[2]}", x, classes)
