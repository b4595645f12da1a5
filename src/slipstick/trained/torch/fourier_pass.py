"""One pass of light through two lenses: a display, its spectrum, a mask of mirrors in that plane, and a camera.

The field behind the second lens is the circular convolution of the image with the mask's impulse response; a camera
sees its intensity. Lenses are ideal: one Fourier transform each. Equations: Goodman, Introduction to Fourier Optics;
the real form of a pass is our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from slipstick.core.errors import SlipstickError


@dataclass(frozen=True, eq=False)
class MaskParts:
    """Masks as a pass takes them: the half spectra of their even and odd parts; no odd part for symmetric masks.

    A mask of real values is the sum of a part that is even about the zero frequency and of one that is odd. The even
    part makes a real field, the odd part an imaginary one, so that |y|^2 is the sum of two squares of real transforms,
    half the work of complex ones.
    """

    even: Tensor
    odd: Tensor | None
    sides: tuple[int, int]


def mask_parts(masks: Tensor, *, symmetric: bool = False) -> MaskParts:
    """Return the parts of masks [..., rows, columns], the zero frequency first.

    Parameters
    ----------
    symmetric : whether the masks are even about the zero frequency: half the work again.
    """
    half, sides = masks.shape[-1] // 2 + 1, (masks.shape[-2], masks.shape[-1])
    if symmetric:
        return MaskParts(masks[..., :half].contiguous(), None, sides)
    mirrored = masks.flip((-2, -1)).roll((1, 1), (-2, -1))
    even, odd = (masks + mirrored)[..., :half] / 2, (masks - mirrored)[..., :half] / 2
    return MaskParts(even, odd * -1j, sides)


def pass_intensity(images: Tensor, masks: Tensor | MaskParts) -> Tensor:
    """Return the intensity [..., rows, columns] behind masks of real values, for real images.

    Parameters
    ----------
    images : [..., rows, columns], at least 0 where they are shown as amplitudes.
    masks : [..., rows, columns], broadcast against the images, the zero frequency first; or their parts, computed once.

    Errors
    ------
    SlipstickError for a mask of another size than the images.

    Examples
    --------
    >>> point = torch.zeros(4, 4); point[1, 2] = 3.0
    >>> pass_intensity(point, torch.ones(4, 4))[1, 2].item()
    9.0
    """
    parts = masks if isinstance(masks, MaskParts) else mask_parts(masks)
    if tuple(images.shape[-2:]) != parts.sides:
        allowed = str(tuple(images.shape[-2:]))
        raise SlipstickError("a mask of another size", path="mask", value=parts.sides, allowed=allowed)
    return masked_intensity(torch.fft.rfft2(images), parts)


def masked_intensity(spectrum: Tensor, parts: MaskParts) -> Tensor:
    """Return the intensity behind masks for the half spectrum [..., rows, columns // 2 + 1] of real images."""
    field: Tensor = torch.fft.irfft2(spectrum * parts.even, s=parts.sides)
    if parts.odd is None:
        return field.square()
    other = torch.fft.irfft2(spectrum * parts.odd, s=parts.sides)
    return torch.addcmul(field.square(), other, other)
