"""Convolutional network whose first layer is light: masks of mirrors in a Fourier plane, a camera, electronics behind.

Each mask sees one colour of the image and passes amplitudes from 0 to 1; its kernels are those that such masks have
(`slipstick mask`), so that the masks themselves are trained. The camera sees intensities, whose roots electronics take.
Source: Miscuglio et al., "Massively parallel amplitude-only Fourier neural network", Optica 7(12), 2020, of which only
the abstract was at hand; sizes are our own.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from slipstick.core.errors import SlipstickError
from slipstick.datasets.images import Normal
from slipstick.trained.torch.fourier_pass import MaskParts, mask_parts, masked_intensity

# sizes: own choice, of some thousand features of the camera in either case
_GREY = (16, 8, 128)  # masks, regions of a side of the camera and hidden units for images of one colour
_COLOURED = (22, 4, 256)  # the same for more, masks of each colour
_DROPOUT = 0.2  # of hidden units: own choice
_STEEPNESS = 16.0  # of the sigmoid: masks learn at the rate of dense layers (own runs: 96.5 % of MNIST where 1 gave 93)
_DARK = 1e-6  # added below the root, whose slope has no end at 0


class MirrorMasks(nn.Module):
    """Layer [b, colours, side, side] -> [b, masks, frequencies, frequencies]: roots of the camera's intensities.

    Parameters
    ----------
    frequencies : of a side of the masks, an odd number; mirrors of higher frequencies stay dark.

    Attributes
    ----------
    planes : bit planes in which a binary display shows an image, one after the other: the camera adds up intensities,
        I = sum_b 2^b |h * x_b|^2 / (2^planes - 1), which is not |h * x|^2. 0: amplitudes in grey.
    """

    black: Tensor
    white: Tensor

    def __init__(self, colours: int, side: int, masks: int, frequencies: int) -> None:
        super().__init__()
        if masks % colours or frequencies % 2 == 0 or frequencies > side:
            allowed = f"masks for each of {colours} colours, an odd number of frequencies up to {side}"
            raise SlipstickError("no such masks", path="masks", value=(masks, frequencies), allowed=allowed)
        self.planes = 0
        self.side, self.frequencies, self.copies = side, frequencies, masks // colours
        self.weight = nn.Parameter(torch.randn(masks, frequencies, frequencies) / _STEEPNESS)
        self.register_buffer("black", torch.zeros(colours, 1, 1))  # network input that is shown as no light, and as all
        self.register_buffer("white", torch.ones(colours, 1, 1))

    def masks(self) -> Tensor:
        """Return the amplitudes [masks, frequencies, frequencies] of the mirrors, the zero frequency first."""
        return torch.sigmoid(_STEEPNESS * self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the roots of the intensities behind every mask."""
        light = ((x - self.black) / (self.white - self.black)).clamp(0, 1).float()
        parts = mask_parts(self.masks())
        if not self.planes:
            seen = self._seen(light, parts)
        else:
            top = 2**self.planes - 1
            codes = (light * top).round().to(torch.int64)
            frames = (self._seen((codes >> bit & 1).float(), parts) * (2**bit / top) for bit in range(self.planes))
            seen = torch.stack(list(frames)).sum(0)
        return (seen * self.frequencies**2 + _DARK).sqrt()

    def _seen(self, light: Tensor, parts: MaskParts) -> Tensor:
        """Return the camera's intensities for one frame of the display."""
        low = self.frequencies // 2
        spectrum = torch.fft.rfft2(light, norm="ortho")[..., : low + 1]
        spectrum = torch.cat([spectrum[..., : low + 1, :], spectrum[..., -low:, :]], dim=-2)
        return masked_intensity(spectrum.repeat_interleave(self.copies, dim=1), parts)


def fourier_cnn(classes: int = 10, channels: int = 3, side: int = 32) -> nn.Module:
    """Return masks in a Fourier plane, batch norm, a mean over regions of the camera, and two dense layers.

    Examples
    --------
    >>> fourier_cnn(10, 1, 28).masks.weight.shape
    torch.Size([16, 21, 21])
    """
    copies, cells, hidden = _GREY if channels == 1 else _COLOURED
    masks = copies * channels
    frequencies = (side * 3 // 4 if channels == 1 else side // 2) | 1
    parts: OrderedDict[str, nn.Module] = OrderedDict(masks=MirrorMasks(channels, side, masks, frequencies))
    parts["bn1"], parts["pool"] = nn.BatchNorm2d(masks), nn.AdaptiveAvgPool2d(min(cells, frequencies))
    parts["flatten"], parts["fc1"] = nn.Flatten(), nn.Linear(masks * min(cells, frequencies) ** 2, hidden)
    parts["relu"], parts["drop"], parts["fc2"] = nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(hidden, classes)
    return nn.Sequential(parts)


def show_range(net: nn.Module, normal: Normal) -> None:
    """Tell the masks of a network which of its inputs are black and white, from how images are normalised."""
    mean, deviation = torch.tensor(normal.mean), torch.tensor(normal.deviation)
    for part in net.modules():
        if isinstance(part, MirrorMasks):
            part.black.copy_((-mean / deviation).view(-1, 1, 1))
            part.white.copy_(((1 - mean) / deviation).view(-1, 1, 1))
