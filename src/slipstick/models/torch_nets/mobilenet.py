"""MobileNetV2 in torch: inverted residuals, names as in torchvision, so that its weights load."""

from __future__ import annotations

from torch import Tensor, nn

# Sandler et al. 1801.04381, table 2: expansion, channels, blocks and the first one's stride of each stage
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM, HEAD = 32, 1280  # channels: the same table's first and last convolution
DROPOUT = 0.2  # before the classifier: torchvision's


def _conv(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """1x1 that widens, 3x3 of each channel, 1x1 that narrows (Sandler et al. 1801.04381, figure 4d)."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        layers: list[nn.Module] = [_conv(channels, wide, 1)] if expansion != 1 else []
        layers += [_conv(wide, wide, 3, stride, wide), nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H / stride, W / stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 1 (Sandler et al. 1801.04381, table 2).

    Parameters
    ----------
    stride : of the first convolution: 2 for 224 pixels; for small images 1, where the first stage with stride 2 keeps
        its size too.

    Examples
    --------
    >>> sum(p.numel() for p in MobileNetV2().parameters())
    3504872
    """

    def __init__(self, classes: int = 1000, channels: int = 3, stride: int = 2) -> None:
        super().__init__()
        features: list[nn.Module] = [_conv(channels, STEM, 3, stride)]
        width = STEM
        for stage, (expansion, out, count, first) in enumerate(STAGES):
            for number in range(count):
                step = first if number == 0 and (stage != 1 or stride == 2) else 1
                features.append(InvertedResidual(width, out, step, expansion))
                width = out
        self.features = nn.Sequential(*features, _conv(width, HEAD, 1))
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(HEAD, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, classes)."""
        return self.classifier(self.features(x).mean((2, 3)))  # type: ignore[no-any-return]
