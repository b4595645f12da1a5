"""One pass of light through two lenses: a display, its spectrum, a mask of mirrors in that plane, and a camera.

The field behind the second lens is the circular convolution of the image with the mask's impulse response; a camera
sees its intensity. Images that are shown bit plane by bit plane add up intensities, never fields. Lenses are ideal: one
Fourier transform each. Equations: Goodman, Introduction to Fourier Optics; the real form of a pass is our own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from slipstick.core.errors import SlipstickError


def pass_intensity(images: Tensor, masks: Tensor, *, symmetric: bool = False) -> Tensor:
    """Return the intensity [..., rows, columns] behind masks of real values, for real images.

    A mask is the sum of an even and an odd part about the zero frequency; the even part makes a real field, the odd
    part an imaginary one, so that |y|^2 is the sum of two squares of real transforms, half the work of complex ones.

    Parameters
    ----------
    images : [..., rows, columns], at least 0 where they are shown as amplitudes.
    masks : [rows, columns], or [..., rows, columns] broadcast against the images; the zero frequency first.
    symmetric : whether the masks are even about the zero frequency, which needs one transform back instead of two.

    Errors
    ------
    SlipstickError for a mask of another size than the images.

    Examples
    --------
    >>> point = torch.zeros(4, 4); point[1, 2] = 3.0
    >>> pass_intensity(point, torch.ones(4, 4))[1, 2].item()
    9.0
    """
    sides = tuple(images.shape[-2:])
    if tuple(masks.shape[-2:]) != sides:
        raise SlipstickError("a mask of another size", path="mask", value=tuple(masks.shape[-2:]), allowed=f"{sides}")
    return masked_intensity(torch.fft.rfft2(images), masks, symmetric=symmetric)


def masked_intensity(spectrum: Tensor, masks: Tensor, *, symmetric: bool = False) -> Tensor:
    """Return the intensity behind masks for the half spectrum [..., rows, columns // 2 + 1] of real images."""
    sides = masks.shape[-2], masks.shape[-1]
    half = sides[1] // 2 + 1
    even, odd = mask_parts(masks)
    intensity: Tensor = torch.fft.irfft2(spectrum * even[..., :half], s=sides).square()
    if not symmetric:
        intensity = intensity + torch.fft.irfft2(spectrum * (-1j * odd[..., :half]), s=sides).square()
    return intensity


def mask_parts(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return the even and the odd part of masks about the zero frequency."""
    mirrored = masks.flip((-2, -1)).roll((1, 1), (-2, -1))
    return (masks + mirrored) / 2, (masks - mirrored) / 2


def bit_plane_intensity(codes: Tensor, masks: Tensor, bits: int = 8) -> Tensor:
    """Return the intensity of images of whole numbers that a binary display shows bit plane by bit plane.

    Planes are shown one after the other, each as long as its bit weighs; the camera adds up intensities:
    I = sum_b 2^b |h * x_b|^2 / (2^bits - 1), which is not that of the image, |h * x|^2.

    Parameters
    ----------
    codes : whole numbers [..., rows, columns] from 0 to 2^bits - 1.

    Errors
    ------
    SlipstickError for codes out of range, or bits other than 1 to 16.
    """
    if not 1 <= bits <= 16:
        raise SlipstickError("out of range", path="bits", value=bits, allowed="1 to 16")
    low, high = (int(edge) for edge in torch.aminmax(codes))
    if low < 0 or high >= 2**bits:
        raise SlipstickError("out of range", path="images", value=f"{low} to {high}", allowed=f"0 to {2**bits - 1}")
    whole = codes.to(torch.int64)
    planes = (pass_intensity((whole >> bit & 1).to(masks.dtype), masks) * 2**bit for bit in range(bits))
    total: Tensor = sum(planes, start=torch.zeros((), dtype=masks.dtype)) / (2**bits - 1)
    return total
