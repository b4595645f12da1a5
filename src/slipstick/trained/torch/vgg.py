"""AlexNet and VGG in torch: plain stacks of layers, with torchvision's parameter names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

_Stages = Sequence[Sequence[int]]  # channels of each stage's convolutions; a pool ends the stage
_HIDDEN = 4096  # of both networks' two hidden dense layers
_VGG_16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # 1409.1556, table 1, column D


def _vgg(stages: _Stages = _VGG_16, classes: int = 1000, channels: int = 3) -> nn.Module:
    """Return a VGG network (Simonyan & Zisserman, arXiv 1409.1556) without batch normalisation.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):
    ...     net = _vgg()
    >>> sum(p.numel() for p in net.parameters())
    138357544
    """
    layers = _stages(stages, channels, batch_norms=False)
    channels = stages[-1][-1]
    dense = (nn.Linear(channels * 7 * 7, _HIDDEN), nn.ReLU(inplace=True), nn.Dropout())
    more = (nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(inplace=True), nn.Dropout())
    return _whole(layers, 7, [*dense, *more, nn.Linear(_HIDDEN, classes)])


def small_vgg(stages: _Stages = _VGG_16, classes: int = 10, channels: int = 3) -> nn.Module:
    """Return a VGG network for images of 32 pixels, with batch norms and a single dense layer.

    Examples
    --------
    >>> sum(p.numel() for p in small_vgg().parameters())
    14724042
    """
    return _whole(_stages(stages, channels, batch_norms=True), 1, [nn.Linear(stages[-1][-1], classes)])


def _alexnet(classes: int = 1000, channels: int = 3) -> nn.Module:
    """Return AlexNet for one device. Source: Krizhevsky 1404.5997, section 2 (footnote); torchvision (alexnet)."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)]
    layers += [nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)]
    layers += [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
    dense = (nn.Dropout(), nn.Linear(256 * 6 * 6, _HIDDEN), nn.ReLU(inplace=True))
    more = (nn.Dropout(), nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(inplace=True))
    return _whole(layers, 6, [*dense, *more, nn.Linear(_HIDDEN, classes)])


def _stages(stages: _Stages, channels: int, *, batch_norms: bool) -> list[nn.Module]:
    """Return the convolutions and pools of every stage; with batch norms, pooled sizes are rounded up.

    An image of 28 pixels then ends as 1, not 0.
    """
    layers: list[nn.Module] = []
    for stage in stages:
        for out in stage:
            layers.append(nn.Conv2d(channels, out, 3, padding=1, bias=not batch_norms))
            layers += [nn.BatchNorm2d(out)] if batch_norms else []
            layers.append(nn.ReLU(inplace=True))
            channels = out
        layers.append(nn.MaxPool2d(2, ceil_mode=batch_norms))
    return layers


def _whole(features: list[nn.Module], side: int, classifier: list[nn.Module]) -> nn.Module:
    parts: OrderedDict[str, nn.Module] = OrderedDict(features=nn.Sequential(*features))
    parts["avgpool"], parts["flatten"] = nn.AdaptiveAvgPool2d(side), nn.Flatten()
    parts["classifier"] = nn.Sequential(*classifier)
    return nn.Sequential(parts)
