"""Residual networks in torch: 18 to 152 layers, names as in torchvision, so that its weights load."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from slipstick.core.errors import SlipstickError
from slipstick.networks.graphs.resnet import EXPANSION, Block, Stem


class _Basic(nn.Module):
    """Basic residual block: two 3x3 convolutions and a shortcut (He et al. 1512.03385, figure 5, left)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION["basic"]
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H / stride, W / stride)."""
        y: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)  # type: ignore[no-any-return]


class _Bottleneck(nn.Module):
    """Bottleneck block: 1x1, 3x3 (strided), 1x1 and a shortcut (He et al. 1512.03385, figure 5, right)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * EXPANSION["bottleneck"]
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)  # type: ignore[no-any-return]


_BLOCKS = {"basic": _Basic, "bottleneck": _Bottleneck}


def _resnet(
    blocks: Sequence[int],
    *,
    block: Block = "bottleneck",
    stem: Stem = "photograph",
    width: int = 64,
    classes: int = 1000,
    channels: int = 3,
) -> nn.Module:
    """Return a residual network with the given blocks per stage: (2, 2, 2, 2) of ``basic`` is ResNet-18.

    Parameters
    ----------
    stem : what comes before the stages: 7x7 and a pool for photographs, one 3x3 for ``small`` images.
    width : channels of the first stage; each stage doubles them and halves the image.
    classes : outputs; ImageNet's challenge has 1000.

    Examples
    --------
    >>> sum(p.numel() for p in _resnet((3, 4, 6, 3)).parameters())
    25557032
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    photograph = stem == "photograph"
    kernel, stride, padding = (7, 2, 3) if photograph else (3, 1, 1)
    parts["conv1"] = nn.Conv2d(channels, width, kernel, stride, padding, bias=False)
    parts["bn1"], parts["relu"] = nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    if photograph:
        parts["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(parts | _stages(blocks, block, width, classes))


def small_resnet(depth: int, *, width: int = 16, classes: int = 10, channels: int = 3) -> nn.Module:
    """Return the CIFAR residual network with `depth` = 6 n + 2 layers (He et al. 1512.03385, section 4.2).

    Where the shape changes, the shortcut is a 1x1 convolution with a batch norm (option B of section 4.1). The paper's
    own for small images is option A, without weights: 2,752 parameters fewer.

    Errors
    ------
    SlipstickError for a depth that is not 6 n + 2.

    Examples
    --------
    >>> sum(p.numel() for p in small_resnet(14).parameters())
    175258
    """
    if depth < 8 or depth % 6 != 2:
        raise SlipstickError("not 6 n + 2", path="resnet.depth", value=depth, allowed="8, 14, 20, 26, ...")
    return _resnet([depth // 6] * 3, block="basic", stem="small", width=width, classes=classes, channels=channels)


def _stages(blocks: Sequence[int], block: Block, width: int, classes: int) -> OrderedDict[str, nn.Module]:
    """Return the stages behind the stem; each after the first halves the image and doubles the channels."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = width
    for stage, count in enumerate(blocks):
        layers: list[nn.Module] = []
        for number in range(count):
            stride = 2 if stage and not number else 1
            layers.append(_BLOCKS[block](channels, width * 2**stage, stride))
            channels = width * 2**stage * EXPANSION[block]
        parts[f"layer{stage + 1}"] = nn.Sequential(*layers)
    parts["avgpool"], parts["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    parts["fc"] = nn.Linear(channels, classes)
    return parts


def _shortcut(channels: int, out: int, stride: int) -> nn.Sequential | None:
    """Return the projection of a shortcut whose shape changes, or None for an identity."""
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
