"""Inception-V3 in torch, module by module, names as in torchvision, so that its weights load."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_EPSILON = 0.001  # of the batch norms: torchvision's


class _ConvNorm(nn.Module):
    """A convolution without bias, its batch norm and its activation."""

    def __init__(self, channels: int, out: int, kernel: int | tuple[int, int], **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, bias=False, **options)
        self.bn = nn.BatchNorm2d(out, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H', W')."""
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class _ModuleA(nn.Module):
    """1x1, 5x5, twice 3x3 and a pool side by side (Szegedy et al. 1512.00567, figure 5)."""

    def __init__(self, channels: int, pooled: int) -> None:
        """Build the branches. Source: Szegedy et al. 1512.00567, figure 5; torchvision (InceptionA)."""
        super().__init__()
        self.branch1x1 = _ConvNorm(channels, 64, 1)
        self.branch5x5_1 = _ConvNorm(channels, 48, 1)
        self.branch5x5_2 = _ConvNorm(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _ConvNorm(channels, 64, 1)
        self.branch3x3dbl_2 = _ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _ConvNorm(96, 96, 3, padding=1)
        self.branch_pool = _ConvNorm(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined branches [n, channels, h, w]; height and width stay."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_mean(x))], 1)


class _ReductionB(nn.Module):
    """3x3, twice 3x3 and a pool, all at stride 2 (Szegedy et al. 1512.00567, figure 10)."""

    def __init__(self, channels: int) -> None:
        """Build the branches. Source: Szegedy et al. 1512.00567, figure 10; torchvision (InceptionB)."""
        super().__init__()
        self.branch3x3 = _ConvNorm(channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = _ConvNorm(channels, 64, 1)
        self.branch3x3dbl_2 = _ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _ConvNorm(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined branches [n, channels, h, w]; height and width are halved."""
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), twice, functional.max_pool2d(x, 3, 2)], 1)


class _ModuleC(nn.Module):
    """1x1, 7x7 in lines, twice 7x7 in lines and a pool (Szegedy et al. 1512.00567, figure 6)."""

    def __init__(self, channels: int, width: int) -> None:
        """Build the branches. Source: Szegedy et al. 1512.00567, figure 6; torchvision (InceptionC)."""
        super().__init__()
        row: dict[str, Any] = {"kernel": (1, 7), "padding": (0, 3)}
        column: dict[str, Any] = {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = _ConvNorm(channels, 192, 1)
        self.branch7x7_1 = _ConvNorm(channels, width, 1)
        self.branch7x7_2 = _ConvNorm(width, width, **row)
        self.branch7x7_3 = _ConvNorm(width, 192, **column)
        self.branch7x7dbl_1 = _ConvNorm(channels, width, 1)
        self.branch7x7dbl_2 = _ConvNorm(width, width, **column)
        self.branch7x7dbl_3 = _ConvNorm(width, width, **row)
        self.branch7x7dbl_4 = _ConvNorm(width, width, **column)
        self.branch7x7dbl_5 = _ConvNorm(width, 192, **row)
        self.branch_pool = _ConvNorm(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined branches [n, channels, h, w]; height and width stay."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), seven, twice, self.branch_pool(_mean(x))], 1)


class _ReductionD(nn.Module):
    """3x3, 7x7 in lines then 3x3, and a pool, all at stride 2 (torchvision, InceptionD)."""

    def __init__(self, channels: int) -> None:
        """Build the branches. Source: torchvision (InceptionD)."""
        super().__init__()
        self.branch3x3_1 = _ConvNorm(channels, 192, 1)
        self.branch3x3_2 = _ConvNorm(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _ConvNorm(channels, 192, 1)
        self.branch7x7x3_2 = _ConvNorm(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = _ConvNorm(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = _ConvNorm(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined branches [n, channels, h, w]; height and width are halved."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, functional.max_pool2d(x, 3, 2)], 1)


class _ModuleE(nn.Module):
    """1x1, 3x3 split in two, 3x3 and 3x3 split in two, and a pool (Szegedy et al. 1512.00567, figure 7)."""

    def __init__(self, channels: int) -> None:
        """Build the branches. Source: Szegedy et al. 1512.00567, figure 7; torchvision (InceptionE)."""
        super().__init__()
        self.branch1x1 = _ConvNorm(channels, 320, 1)
        self.branch3x3_1 = _ConvNorm(channels, 384, 1)
        self.branch3x3_2a = _ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = _ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = _ConvNorm(channels, 448, 1)
        self.branch3x3dbl_2 = _ConvNorm(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = _ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = _ConvNorm(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined branches [n, channels, h, w]; height and width stay."""
        pointwise, three = self.branch1x1(x), self.branch3x3_1(x)
        three = torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        twice = torch.cat([self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)], 1)
        return torch.cat([pointwise, three, twice, self.branch_pool(_mean(x))], 1)


class _Auxiliary(nn.Module):
    """The classifier that helps training (Szegedy et al. 1512.00567, figure 8)."""

    def __init__(self, channels: int, classes: int) -> None:
        """Build the head. Source: Szegedy et al. 1512.00567, figure 8; torchvision (InceptionAux)."""
        super().__init__()
        self.conv0 = _ConvNorm(channels, 128, 1)
        self.conv1 = _ConvNorm(128, 768, 5)
        self.fc = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, 17, 17) -> (N, classes)."""
        x = self.conv1(self.conv0(functional.avg_pool2d(x, 5, 3)))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))  # type: ignore[no-any-return]


class _Inception(nn.Module):
    """Inception-V3 (Szegedy et al. 1512.00567, table 1). In training with `auxiliary` it returns both heads' logits.

    Examples
    --------
    >>> sum(p.numel() for p in _Inception(auxiliary=True).parameters())
    27161264
    """

    def __init__(self, classes: int = 1000, *, auxiliary: bool = False, dropout: float = 0.5) -> None:
        """Build the network. Source: Szegedy et al. 1512.00567, table 1; torchvision (Inception3)."""
        super().__init__()
        self.Conv2d_1a_3x3 = _ConvNorm(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = _ConvNorm(32, 64, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = _ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = _ConvNorm(80, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        self.Mixed_5b = _ModuleA(192, 32)
        self.Mixed_5c, self.Mixed_5d = _ModuleA(256, 64), _ModuleA(288, 64)
        self.Mixed_6a = _ReductionB(288)
        self.Mixed_6b, self.Mixed_6c = _ModuleC(768, 128), _ModuleC(768, 160)
        self.Mixed_6d, self.Mixed_6e = _ModuleC(768, 160), _ModuleC(768, 192)
        self.AuxLogits = _Auxiliary(768, classes) if auxiliary else None
        self.Mixed_7a = _ReductionD(768)
        self.Mixed_7b, self.Mixed_7c = _ModuleE(1280), _ModuleE(2048)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 3, 299, 299) -> (N, classes)."""
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        auxiliary = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return x if auxiliary is None else (x, auxiliary)


def _mean(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1)
