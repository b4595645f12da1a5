"""EfficientNet-Lite0 in torch, padded as TensorFlow does, so that its published weights fit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slipstick.trained.torch.same_padding import _SameConv

# Tan & Le 1905.11946, table 1 (B0); Lite: no squeeze-and-excite, ReLU6, stem and head of fixed width.
# Expansion, channels, blocks, the first one's stride, and the kernel of each stage
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_STEM, _HEAD = 32, 1280  # channels, as in the same table
_EPSILON = 1e-3  # of the batch norms: TensorFlow's
_DROPOUT = 0.2  # before the classifier


class LiteBlock(nn.Module):
    """Inverted residual block: 1x1 expansion, depthwise convolution, 1x1 projection, and a shortcut if shapes agree."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expand_conv = _SameConv(channels, wide, 1, bias=False) if expansion != 1 else None
        self.bn0 = _norm(wide) if expansion != 1 else None
        self.depthwise_conv = _SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self.bn1 = _norm(wide)
        self.project_conv = _SameConv(wide, out, 1, bias=False)
        self.bn2 = _norm(out)
        self.relu = nn.ReLU6(inplace=True)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H / stride, W / stride)."""
        wide = x
        if self.expand_conv is not None and self.bn0 is not None:
            wide = self.relu(self.bn0(self.expand_conv(x)))
        y: Tensor = self.bn2(self.project_conv(self.relu(self.bn1(self.depthwise_conv(wide)))))
        return x + y if self.residual else y


class _EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 as a torch module; its inputs are (byte - 127) / 128.

    Examples
    --------
    >>> sum(p.numel() for p in _EfficientNetLite0().parameters())
    4652008
    """

    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.conv_stem, self.bn0 = _SameConv(channels, _STEM, 3, 2, bias=False), _norm(_STEM)
        blocks: list[nn.Module] = []
        width = _STEM
        for expansion, out, count, first, kernel in _STAGES:
            for number in range(count):
                blocks.append(LiteBlock(width, out, 1 if number else first, expansion, kernel))
                width = out
        self.blocks = nn.Sequential(*blocks)
        self.conv_head, self.bn1 = _SameConv(width, _HEAD, 1, bias=False), _norm(_HEAD)
        self.relu, self.dropout, self.fc = nn.ReLU6(inplace=True), nn.Dropout(_DROPOUT), nn.Linear(_HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, classes)."""
        x = self.blocks(self.relu(self.bn0(self.conv_stem(x))))
        x = self.relu(self.bn1(self.conv_head(x)))
        return self.fc(self.dropout(x.mean((2, 3))))  # type: ignore[no-any-return]


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


def _renamed(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the published weights under our parameter names, without underscores and batch counters."""
    weights = {name.replace("._", ".").removeprefix("_"): tensor for name, tensor in published.items()}
    for name in [name for name in weights if name.endswith(".running_mean")]:
        weights.setdefault(name.replace("running_mean", "num_batches_tracked"), torch.zeros((), dtype=torch.long))
    return weights
