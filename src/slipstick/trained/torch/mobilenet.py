"""MobileNetV2 in torch: inverted residuals, names as in torchvision, so that its weights load."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from slipstick.networks.graphs.mobilenet import FIRST, LAST, STAGES, scaled_channels

_DROPOUT = 0.2  # before the classifier: torchvision's


def _conv(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6(inplace=True))


class _InvertedResidual(nn.Module):
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


class _MobileNetV2(nn.Module):
    """MobileNetV2 (Sandler et al. 1801.04381, table 2).

    Parameters
    ----------
    width : multiplies all channels, as in the operator graph of the same name.
    stride : of the first convolution: 2 for 224 pixels; for small images 1, where the first stage with stride 2 keeps
        its size too.

    Examples
    --------
    >>> sum(p.numel() for p in _MobileNetV2().parameters())
    3504872
    """

    def __init__(self, classes: int = 1000, channels: int = 3, *, width: float = 1.0, stride: int = 2) -> None:
        super().__init__()
        before, head = scaled_channels(FIRST, width), scaled_channels(LAST, max(1.0, width))
        features: list[nn.Module] = [_conv(channels, before, 3, stride)]
        for stage, (expansion, wide, count, first) in enumerate(STAGES):
            for number in range(count):
                step = first if number == 0 and (stage != 1 or stride == 2) else 1
                features.append(_InvertedResidual(before, scaled_channels(wide, width), step, expansion))
                before = scaled_channels(wide, width)
        self.features = nn.Sequential(*features, _conv(before, head, 1))
        self.classifier = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(head, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, classes)."""
        return self.classifier(functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1))  # type: ignore[no-any-return]
