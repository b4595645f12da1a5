"""Diffraction orders of a display of mirrors, and what fits on a mask in the plane where they appear.

Mirrors are a grid: the spectrum of what they show repeats at every order (a, b), weighted by the transform of one
mirror. Source: Fourier optics of sampled apertures (Goodman, Introduction to Fourier Optics); the bounds on fields are
those of the sampling of the second plane.
"""

from __future__ import annotations

import math

import numpy as np

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError


def order_weights(fill: float, most: int) -> FloatArray:
    """Return the field [2 most + 1, 2 most + 1] of the diffraction orders from -most to most along both axes.

    Parameters
    ----------
    fill : side of a mirror over the pitch: the square of it is the share of the area that reflects.

    Errors
    ------
    SlipstickError for a fill that is not above 0 and at most 1.

    Examples
    --------
    >>> weights = order_weights(0.75, 2)
    >>> [round(100 * float(weights[2 + a, 2 + b] ** 2), 2) for a, b in ((0, 0), (1, 0), (2, 1))]
    [31.64, 2.85, 0.13]
    """
    if not 0 < fill <= 1:
        raise SlipstickError("out of range", path="fill", value=fill, allowed="above 0, at most 1")
    orders = np.arange(-most, most + 1)
    line = fill * np.sinc(orders * fill)
    return np.asarray(np.outer(line, line), np.float64)


def matched_focal_length(mirrors: int, pitch: float, mask_pitch: float, wavelength: float) -> float:
    """Return the focal length [m] at which one frequency of a display falls on one mirror of the mask.

    f = N p1 p2 / wavelength: a frequency of N mirrors of pitch p1 stands wavelength f / (N p1) from the next.

    Examples
    --------
    >>> round(matched_focal_length(1080, 7.56e-6, 7.56e-6, 633e-9) * 1e3, 1)
    97.5
    """
    return mirrors * pitch * mask_pitch / wavelength


def orders_on_mask(mask_mirrors: int, mask_pitch: float, pitch: float, wavelength: float, focal_length: float) -> int:
    """Return the number of whole orders along an axis of the mask: one every wavelength f / p1."""
    return math.floor(mask_mirrors * mask_pitch * pitch / (wavelength * focal_length) * (1 + 1e-12))


def usable_side(mask_mirrors: int, orders: int, support: int) -> int:
    """Return the mirrors of an axis of the display that may be lit with `orders` kernels along that axis of the mask.

    A mask of M mirrors for one kernel repeats its response every M samples, so that field and kernel together must not
    exceed M = N2 / orders: N1 + support <= N2 / orders. More orders, fewer pixels.

    Examples
    --------
    >>> [usable_side(1080, orders, 3) for orders in (1, 2, 4)]
    [1077, 537, 267]
    """
    return max(0, mask_mirrors // orders - support)
