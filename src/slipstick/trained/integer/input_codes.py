"""Bytes of an image as a network's input codes: normalisation folded into scale, zero point and first layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.trained.integer.real_folding import _with_normal
from slipstick.trained.integer.real_network import NO_RIM, RealNetwork, RealOperator

_WHITE = 255  # largest byte of an image; its int8 code is 127
_MOVED = 128  # of a byte above its int8 code
_RIM_SHIFT = 0.25  # of a deviation: assumed; zeros around an image may be off by that much, CIFAR-10's are by 0.1
IMAGE = "image"  # name of the input's value


@dataclass(frozen=True)
class _InputCodes:
    """Meaning of the input's int8 codes (bytes less 128): a real number is scale * (code - zero_point)."""

    scale: float
    zero_point: int


def with_image_codes(
    network: RealNetwork, mean: Sequence[float], deviation: Sequence[float]
) -> tuple[RealNetwork, _InputCodes]:
    """Return the network that reads image bytes less 128, and what these codes stand for.

    (byte / 255 - mean) / deviation has one mean and deviation for each channel, codes have one scale: what is left of
    the former goes into weights and bias of the layers that read the image. Where there are others, where these layers'
    whole numbers could not stay, or where zeros around the image would be off, a depth-wise layer normalises first.
    """
    means, deviations = np.asarray(mean, np.float64), np.asarray(deviation, np.float64)
    zero = int(np.clip(np.rint(_WHITE * means.mean()), 0, _WHITE))
    common = float(deviations.mean())
    factors, shifts = common / deviations, (zero / _WHITE - means) / deviations
    readers = _first_layers(network)
    if readers and all(_takes(op, factors, shifts) for op in readers):
        moved = {op.output: _moved(op, factors, shifts) for op in readers}
        operators = tuple(moved.get(op.output, op) for op in network.operators)
        return replace(network, operators=operators), _InputCodes(1 / (_WHITE * common), zero - _MOVED)
    normalised = _with_normal(network, IMAGE, 1 / deviations, -means / deviations)
    return normalised, _InputCodes(1 / _WHITE, -_MOVED)


def _first_layers(network: RealNetwork) -> list[RealOperator]:
    """Return the convolutions and dense layers that read the image; empty if anything else reads it."""
    image, layers = {network.source}, []
    for op in network.operators:
        if not image & set(op.inputs):
            continue
        if op.kind == "reshape":
            image.add(op.output)
        elif op.kind in ("conv", "dense"):
            layers.append(op)
        else:
            return []
    return [] if network.result in image else layers


def _takes(op: RealOperator, factors: FloatArray, shifts: FloatArray) -> bool:
    """Return whether a layer may read codes that are scaled alike in all channels."""
    assert op.layer is not None  # noqa: S101  it has weights
    whole = op.layer.scales is None or bool((factors == factors[0]).all())
    return whole and (op.rim == NO_RIM or bool((np.abs(shifts) <= _RIM_SHIFT).all()))


def _moved(op: RealOperator, factors: FloatArray, shifts: FloatArray) -> RealOperator:
    assert op.layer is not None  # noqa: S101  it has weights
    pixels = op.layer.weights.shape[-1] // len(factors)  # of a dense layer that reads the whole image
    return replace(op, layer=op.layer.moved(np.tile(factors, pixels), np.tile(shifts, pixels)))
