"""Network whose first layer is light: what its camera sees is a complex transform's square, written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import slipstick
from slipstick.core.errors import SlipstickError

pytest.importorskip("torch")

import torch

from slipstick.trained.torch import module
from slipstick.trained.torch.fourier_cnn import MirrorMasks, fourier_cnn


def test_the_camera_sees_the_square_of_the_low_frequencies_behind_each_mask() -> None:
    torch.manual_seed(1)
    masks, frequencies, side = 4, 5, 8
    layer = MirrorMasks(2, side, masks, frequencies)
    images = torch.rand(3, 2, side, side)
    seen = layer(images).detach().numpy()
    amplitudes = layer.masks().detach().numpy()
    assert 0 <= amplitudes.min() <= amplitudes.max() <= 1
    places = np.arange(-(frequencies // 2), frequencies // 2 + 1)
    grid = np.arange(frequencies) / frequencies
    for picture, number in ((0, 0), (1, 1), (2, 2), (1, 3)):
        field = np.zeros((frequencies, frequencies), complex)
        pixels = images[picture, number // 2].numpy()
        for u in places:
            for v in places:
                phases = np.exp(-2j * np.pi * (u * np.arange(side)[:, None] + v * np.arange(side)) / side)
                strength = (pixels * phases).sum() / side * amplitudes[number, u, v]
                field += strength * np.exp(2j * np.pi * (u * grid[:, None] + v * grid))
        assert np.allclose(seen[picture, number], np.sqrt(np.abs(field / frequencies) ** 2 + 1e-6), atol=1e-4)


def test_bit_planes_add_up_intensities_and_not_fields() -> None:
    torch.manual_seed(2)
    layer = MirrorMasks(1, 8, 3, 7)
    codes = torch.randint(0, 16, (2, 1, 8, 8))
    grey = layer(codes / 15)
    frames = [layer((codes // 2**bit % 2).float()).square() - 1e-6 for bit in range(4)]
    layer.planes = 4
    seen = layer(codes / 15)
    expected = sum(2**bit * frame for bit, frame in enumerate(frames)) / 15
    assert torch.allclose(seen.square() - 1e-6, expected, atol=1e-4)
    assert not torch.allclose(seen, grey, rtol=0.05)
    with torch.no_grad():
        layer.weight.fill_(
            1e3
        )  # open masks at all low frequencies: a camera of 7 x 7 pixels sees a flat image, not its square
    flat = layer(torch.full((1, 1, 8, 8), 5 / 15))
    assert torch.allclose(flat.square(), torch.full_like(flat, 5 / 15 * (8 / 7) ** 2), rtol=1e-3)


def test_images_are_shown_from_black_to_white_however_they_are_normalised() -> None:
    digits = slipstick.data_set("digits")
    net = module("fourier-cnn", digits)
    black, white = (torch.from_numpy(digits.normal.apply(np.full((1, 1, 1, 1), code, np.uint8))) for code in (0, 255))
    assert net.masks.black.item() == pytest.approx(black.item(), abs=1e-6)
    assert net.masks.white.item() == pytest.approx(white.item(), abs=1e-6)
    dark = net.masks(torch.full((1, 1, 8, 8), black.item() - 1.0))
    assert torch.allclose(dark, torch.full_like(dark, 1e-3)), "what is darker than black is no negative light"


@pytest.mark.trains
def test_it_learns_and_its_file_gives_the_same_network(tmp_path: Path, training_seed: int) -> None:
    path = tmp_path / "net.safetensors"
    trained = slipstick.train("fourier-cnn", "digits", recipe={"epochs": 4, "seed": training_seed}, out=path)
    assert trained.value("accuracy.test") > 0.5  # chance is 0.1; one seed in four epochs: 0.79
    again = slipstick.measure(path, "digits")
    assert again["accuracy.top1"].value == pytest.approx(trained.value("accuracy.test"))


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(SlipstickError, match="odd number of frequencies up to 8"):
        MirrorMasks(1, 8, 4, 4)
    with pytest.raises(SlipstickError, match="3 colours"):
        MirrorMasks(3, 8, 4, 5)
    with pytest.raises(SlipstickError, match="a square from 8 pixels"):
        module("fourier-cnn", classes=10, shape=(8, 9, 1))
    assert fourier_cnn(10, 3, 32).fc1.in_features == 66 * 16
