"""Passes of light through a mask: against complex transforms and sums written out, intensities and not fields."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError

pytest.importorskip("torch")

import torch

from slipstick.trained.torch.fourier_pass import bit_plane_intensity, mask_parts, pass_intensity

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
    mask = images_of(4, 8, 8)
    even, odd = mask_parts(mask)
    assert torch.allclose(even + odd, mask)
    assert not mask_parts(even)[1].any()
    some = images_of(1, 8, 8)
    assert torch.allclose(pass_intensity(some, even, symmetric=True), pass_intensity(some, even))
    image = images_of(1, 8, 8)
    each = torch.stack([pass_intensity(image[0], part) for part in mask])
    assert torch.allclose(pass_intensity(image, mask), each, atol=1e-15)
    with pytest.raises(SlipstickError, match="another size"):
        pass_intensity(image, images_of(4, 4))


def test_bit_planes_add_up_intensities_and_not_fields() -> None:
    codes, mask = torch.from_numpy(RNG.integers(0, 256, (2, 8, 8))), images_of(8, 8)
    planes = [((codes // 2**bit) % 2).double() for bit in range(8)]
    slow = sum(2**bit * pass_intensity(plane, mask) for bit, plane in enumerate(planes)) / 255
    seen = bit_plane_intensity(codes, mask)
    assert torch.allclose(seen, slow)
    assert not torch.allclose(seen, pass_intensity(codes.double() / 255, mask), rtol=0.05)
    flat = bit_plane_intensity(codes, torch.ones(8, 8, dtype=torch.float64))
    assert torch.allclose(flat, codes.double() / 255), "an open mask shows the image itself, not its square"
    with pytest.raises(SlipstickError, match="0 to 15"):
        bit_plane_intensity(codes, mask, 4)
    with pytest.raises(SlipstickError, match="bits"):
        bit_plane_intensity(codes, mask, 0)
