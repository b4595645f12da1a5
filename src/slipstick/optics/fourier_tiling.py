"""Convolutions on a Fourier processor: tiles of the display, passes, images in a second, with their definitions.

Images lie side by side on the display as tiles, a guard of zeros between them, so that one pass convolves all of them
with the same kernel. Guards of the kernel's span less one keep every tile's result from its neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.optics.fourier_processor import FourierProcessor
from slipstick.optics.layer_shots import OpticalLayer
from slipstick.optics.mirror_orders import usable_side

_SIGNS = 2  # positive and negative weights: a camera sees no sign


@dataclass(frozen=True)
class LayerPasses:
    """Passes of one layer for a batch.

    Parameters
    ----------
    tiles : images or channels side by side in one pass.
    kernels : of one pass, each in a diffraction order of its own.
    convolutions : of one channel by one kernel of one sign, of all images.
    passes : frames of light; every kernel has frames of its own, filled by channels and images.
    frequencies : products of one pass in the Fourier plane, one for each mirror of the mask that is used.
    """

    tiles: int
    kernels: int
    convolutions: int
    passes: int
    frequencies: int


def tiles_of(device: FourierProcessor, geometry: ConvolutionGeometry) -> int:
    """Return the number of images of a layer that lie side by side on the display, guards between them.

    Errors
    ------
    SlipstickError for an image that does not fit the display beside its kernel's support.
    """
    # zeros that a layer pads with are those of the guards
    lit = [
        max(image, padded - span + 1)
        for image, padded, span in zip(geometry.image, geometry.padded, geometry.span, strict=True)
    ]
    tiles = [
        (min(side, usable) + span - 1) // (image + span - 1)  # the frame's rim is the last tile's guard
        for side, usable, image, span in zip(
            (device.display.rows, device.display.columns), _usable(device, geometry), lit, geometry.span,
            strict=True,
        )
    ]  # fmt: skip
    if min(tiles) < 1:
        message = f"an image that exceeds the mirrors that {device.kernels} kernels leave it"
        allowed = f"at most {_usable(device, geometry)} with a kernel of {geometry.span}; fewer kernels leave more"
        raise SlipstickError(message, path="image", value=geometry.image, allowed=allowed)
    return tiles[0] * tiles[1]


def layer_passes(device: FourierProcessor, layer: OpticalLayer, images: int) -> LayerPasses:
    """Return the passes of a layer for a batch: every channel by every kernel, positive and negative weights apart.

    A camera sees intensities, so that channels and signs are told apart; electronics add their results up. The tiles of
    a pass share its kernels: with one kernel for each channel a pass is filled by the images of the batch alone.

    Errors
    ------
    SlipstickError for more kernels than diffraction orders on the mask, and an image that exceeds the display.
    """
    if device.kernels > device.order_count**2:
        message = "more kernels than diffraction orders on the mask"
        allowed = f"at most {device.order_count**2}; a shorter focal length holds more orders"
        raise SlipstickError(message, path="system.device.kernels", value=device.kernels, allowed=allowed)
    tiles = tiles_of(device, layer.geometry)
    pairs = _SIGNS * layer.channels * layer.filters * layer.groups
    passes = math.ceil(pairs / device.kernels) * math.ceil(images / tiles)
    return LayerPasses(tiles, device.kernels, pairs * images, passes, device.mask.rows * device.mask.columns)


def _usable(device: FourierProcessor, geometry: ConvolutionGeometry) -> tuple[int, int]:
    """Return the rows and columns of mirrors that may be lit without meeting the response's replica."""
    orders = math.isqrt(device.kernels - 1) + 1  # along an axis
    rows, columns = geometry.span
    return usable_side(device.mask.rows, orders, rows), usable_side(device.mask.columns, orders, columns)
