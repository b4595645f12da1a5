"""Shots and conversions of a network's layers on correlators, exact counts by layer and as sums.

A layer of C input channels and F filters (of each group) takes, for each sign of the weights and each tile, its shots
ceil(C / inputs at once) times ceil(F / filters at once). A detector adds up `accumulation` shots of one result before
a conversion. Source: the dataflow of PhotoFourier (Li et al., HPCA 2023), as recollected; ReFOCUS's reuse likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op
from slipstick.networks.graphs.fusion import leaf_ops
from slipstick.optics.row_tiling import CorrelatorInput, RowTiling, row_tiling

LayerKind = Literal["conv", "depthwise", "pointwise", "dense"]
_PRODUCTS = ("conv", "matmul")


@dataclass(frozen=True)
class OpticalLayer:
    """Layer with weights as correlators take it: `groups` equal convolutions of `channels` inputs to `filters`.

    `geometry` is that of one channel of one image; `images` are those of the batch, or rows of a dense layer's input.
    A dense layer is one of a row of `channels` inputs each.
    """

    name: str
    kind: LayerKind
    geometry: ConvolutionGeometry
    groups: int
    channels: int
    filters: int
    images: int
    macs: int
    bytes_in: int
    bytes_out: int
    weights: int

    @property
    def results(self) -> int:
        """Results of all filters of one group, for the whole batch."""
        outputs = 1 if self.kind == "dense" else self.geometry.output[0] * self.geometry.output[1]
        return outputs * self.images * self.filters


@dataclass(frozen=True)
class Split:
    """Division of work at one time: input channels and filters at once, signs, shots added up, shots of one input."""

    inputs: int = 1
    filters: int = 1
    signs: int = 2
    accumulation: int = 1
    reuse: int = 1


@dataclass(frozen=True)
class ShotCounts:
    """Counts of a layer or a network: time in shots of one correlator after the other, and what they convert.

    Parameters
    ----------
    shots : correlations, of all correlators.
    steps : shots one behind the other: the time of the layer in clock cycles, pipelined.
    inputs : pixels that modulators of inputs set; one that all filters at once share, or a delay line keeps, is set
        once.
    weights : taps that modulators of weights set.
    conversions : results that are converted, each after at most `accumulation` shots.
    """

    shots: int = 0
    steps: int = 0
    inputs: int = 0
    weights: int = 0
    conversions: int = 0

    def __add__(self, other: ShotCounts) -> ShotCounts:
        return ShotCounts(
            self.shots + other.shots,
            self.steps + other.steps,
            self.inputs + other.inputs,
            self.weights + other.weights,
            self.conversions + other.conversions,
        )


def optical_layers(ops: Sequence[Op]) -> list[OpticalLayer]:
    """Return the layers with weights among operations (merged ones by their parts), in order.

    Errors
    ------
    SlipstickError for products of two activations, and convolutions of three axes or transposed ones.

    Examples
    --------
    >>> from slipstick.networks import network
    >>> from slipstick.core.workload import Phase
    >>> layers = optical_layers(network("resnet-18").ops(Phase.INFER, 1, 1, 1))
    >>> layers[0].geometry.kernel, layers[0].filters, sum(layer.macs for layer in layers)
    ((7, 7), 64, 1814073344)
    """
    return [layer for op in ops for leaf in leaf_ops(op) for layer in _layers_of(leaf)]


def _layers_of(op: Op) -> Iterator[OpticalLayer]:
    if op.kind not in _PRODUCTS:
        if op.flops:
            message = "a correlator multiplies by weights"
            raise SlipstickError(message, path=f"workload.{op.name}", value=op.kind, allowed=_PRODUCTS)
        return
    size = op.dims
    groups, reduction, taps = size.get("batch", 1), size["k"], size.get("taps", 1)
    geometry, images = op.geometry, 1
    kind: LayerKind = "conv"
    if op.kind == "matmul":
        geometry, kind, images = ConvolutionGeometry((1, 1), (1, 1)), "dense", size["m"]
    elif geometry is None:
        message = "a convolution of three axes or a transposed one, which has no rows to tile"
        raise SlipstickError(message, path=f"workload.{op.name}", allowed="convolutions of images or sequences")
    else:
        images = size["m"] // (geometry.output[0] * geometry.output[1])
        kind = "depthwise" if groups > 1 and reduction == taps else "pointwise" if taps == 1 else "conv"
    weights = reduction * size["n"] * groups
    for _ in range(op.count):
        yield OpticalLayer(
            op.name, kind, geometry, groups, reduction // taps, size["n"], images, size["m"] * weights,
            round(op.inputs), round(op.outputs), weights,
        )  # fmt: skip


def layer_tilings(layer: OpticalLayer, light: CorrelatorInput) -> tuple[RowTiling, ...]:
    """Return the tilings of a layer: of a convolution's phases, or a dense one's shot of as many inputs as taps.

    Examples
    --------
    >>> layer = OpticalLayer("fc", "dense", ConvolutionGeometry((1, 1), (1, 1)), 1, 512, 10, 4, 20480, 2048, 40, 5120)
    >>> (tiling,) = layer_tilings(layer, CorrelatorInput(packing="images"))
    >>> tiling.geometry.kernel, tiling.packed
    ((1, 25), 10)
    """
    if layer.kind != "dense":
        return row_tiling(layer.geometry, light)
    width = min(layer.channels, light.taps, light.waveguides)
    (tiling,) = row_tiling(ConvolutionGeometry((1, width), (1, width)), light)
    return (tiling,)


def shared_shots(layer: OpticalLayer, tiling: RowTiling, light: CorrelatorInput) -> tuple[int, int, int]:
    """Return the channels of a layer, the shots of its images, and those of its channels, packed ones counted once.

    Examples
    --------
    >>> layer = OpticalLayer("fc", "dense", ConvolutionGeometry((1, 1), (1, 1)), 1, 512, 10, 4, 20480, 2048, 40, 5120)
    >>> light = CorrelatorInput(packing="images")
    >>> shared_shots(layer, layer_tilings(layer, light)[0], light)
    (21, 1, 21)
    """
    channels = ceil(layer.channels / tiling.geometry.kernel[1]) if layer.kind == "dense" else layer.channels
    if light.packing == "images":
        return channels, ceil(layer.images / tiling.packed), channels
    return channels, layer.images, ceil(channels / tiling.packed)


def shot_counts(layer: OpticalLayer, light: CorrelatorInput, split: Split) -> ShotCounts:
    """Return the counts of a layer for the whole batch.

    Examples
    --------
    >>> geometry = ConvolutionGeometry((14, 14), (3, 3), padding=((1, 1), (1, 1)))
    >>> layer = OpticalLayer("conv", "conv", geometry, 1, 32, 64, 1, 3612672, 6272, 12544, 18432)
    >>> shot_counts(layer, CorrelatorInput(), Split(filters=8, accumulation=16))
    ShotCounts(shots=4096, steps=512, inputs=100352, weights=36864, conversions=50176)
    """
    total, added = ShotCounts(), 0
    repeats = layer.groups * split.signs
    batches = ceil(layer.filters / split.filters)
    for tiling in layer_tilings(layer, light):
        channels, pictures, lights = shared_shots(layer, tiling, light)
        steps = tiling.count * pictures * ceil(lights / split.inputs) * batches * repeats
        pixels = tiling.lit_pixels * layer.images * channels * ceil(batches / split.reuse) * repeats
        taps = tiling.tiles * pictures * tiling.geometry.kernel[0] * tiling.geometry.kernel[1]
        total += ShotCounts(
            shots=tiling.count * pictures * lights * layer.filters * repeats,
            steps=steps,
            inputs=pixels,
            weights=taps * channels * layer.filters * repeats,
        )
        added += tiling.tap_passes * ceil(lights / split.inputs)
    return total + ShotCounts(conversions=layer.results * repeats * ceil(added / split.accumulation))
