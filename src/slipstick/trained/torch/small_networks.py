"""Small image and keyword networks in torch, for microcontrollers and tests."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from slipstick.trained.torch.same_padding import _SameConv


def mlp(classes: int, inputs: int, hidden: int = 64) -> nn.Module:
    """Return a multilayer perceptron of two dense layers with a ReLU between them.

    Examples
    --------
    >>> sum(p.numel() for p in mlp(10, 64).parameters())
    4810
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(inputs, hidden))
    parts["relu"], parts["fc2"] = nn.ReLU(), nn.Linear(hidden, classes)
    return nn.Sequential(parts)


def tiny_conv(classes: int = 10, channels: int = 3, side: int = 32) -> nn.Module:
    """Return the small network of three 5x5 convolutions, used in studies of stochastic and analog arithmetic.

    After each: batch norm, ReLU, a mean of 2x2 and a clamp to 0 .. 1; the classifier is a convolution over what is left
    of the image. 89,440 weights for CIFAR-10, without the batch norms'. Source: the network of the published code for
    stochastic computing of Romaszkan et al. (UCLA), as our notes of it describe it.

    Examples
    --------
    >>> sum(p.numel() for p in tiny_conv().parameters() if p.ndim == 4)
    89440
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, out in enumerate((32, 32, 64), 1):
        parts[f"conv{number}"] = nn.Conv2d(channels, out, 5, padding=2, bias=False)
        parts[f"bn{number}"], parts[f"relu{number}"] = nn.BatchNorm2d(out), nn.ReLU(inplace=True)
        parts[f"pool{number}"], parts[f"clamp{number}"] = nn.AvgPool2d(2), nn.Hardtanh(0.0, 1.0)
        channels = out
    parts["classifier"], parts["bn4"] = nn.Conv2d(channels, classes, side // 8, bias=False), nn.BatchNorm2d(classes)
    parts["flatten"] = nn.Flatten()
    return nn.Sequential(parts)


def ds_cnn(classes: int = 12, channels: int = 1, width: int = 64) -> nn.Module:
    """Return DS-CNN, MLPerf Tiny's keyword network: a 10x4 convolution and four depthwise separable ones.

    Its input is 49 x 10 cepstral coefficients, or any image. Source: Zhang et al. 1711.07128, table 8 (DS-CNN small);
    Banbury et al. 2106.07597 (its use; 24,908 numbers of which 1,152 are statistics).

    Examples
    --------
    >>> sum(p.numel() for p in ds_cnn().parameters())
    23756
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["conv1"] = _SameConv(channels, width, (10, 4), 2)
    parts["bn1"], parts["relu1"], parts["drop1"] = nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Dropout(0.2)
    for number in range(2, 6):
        parts[f"depthwise{number}"] = nn.Conv2d(width, width, 3, padding=1, groups=width)
        parts[f"bn{number}a"], parts[f"relu{number}a"] = nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        parts[f"pointwise{number}"] = nn.Conv2d(width, width, 1)
        parts[f"bn{number}b"], parts[f"relu{number}b"] = nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    parts["drop2"], parts["avgpool"], parts["flatten"] = nn.Dropout(0.4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    parts["fc"] = nn.Linear(width, classes)
    return nn.Sequential(parts)
