"""Passes of light through a mask: against complex transforms and sums written out, intensities and not fields."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError

pytest.importorskip("torch")

import torch

from slipstick.trained.torch.fourier_pass import mask_parts, pass_intensity

RNG = np.random.default_rng(3)


def images_of(*shape: int) -> torch.Tensor:
    return torch.from_numpy(RNG.random(shape))


@pytest.mark.parametrize("sides", [(8, 8), (7, 9), (16, 5)])
def test_a_pass_is_the_square_of_a_circular_convolution(sides: tuple[int, int]) -> None:
    images, mask = images_of(3, *sides), images_of(*sides)
    complex_field = torch.fft.ifft2(torch.fft.fft2(images) * mask)
    assert torch.allclose(pass_intensity(images, mask), complex_field.abs().square(), atol=6e-16)
    response = np.fft.ifft2(mask.numpy())
    slow = np.zeros(sides, complex)
    for row, column in np.ndindex(*sides):  # every pixel sends its response around the frame
        slow += images[0, row, column].item() * np.roll(response, (row, column), axis=(0, 1))
    assert np.allclose(pass_intensity(images[0], mask).numpy(), np.abs(slow) ** 2, atol=1e-12)


def test_symmetric_masks_need_one_transform_and_masks_broadcast() -> None:
    masks, image = images_of(4, 8, 8), images_of(1, 8, 8)
    mirrored = masks.flip((-2, -1)).roll((1, 1), (-2, -1))
    even = (masks + mirrored) / 2
    assert mask_parts(even, symmetric=True).odd is None
    assert torch.allclose(pass_intensity(image, mask_parts(even, symmetric=True)), pass_intensity(image, even))
    assert not torch.allclose(pass_intensity(image, mask_parts(masks, symmetric=True)), pass_intensity(image, masks))
    each = torch.stack([pass_intensity(image[0], part) for part in masks])
    assert torch.allclose(pass_intensity(image, masks), each, atol=1e-15)
    with pytest.raises(SlipstickError, match="another size"):
        pass_intensity(image, images_of(4, 4))
