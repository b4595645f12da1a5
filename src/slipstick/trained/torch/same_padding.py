"""Convolutions with TensorFlow's SAME padding, which weights trained in TensorFlow expect."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class _SameConv(nn.Conv2d):
    """Convolution with SAME padding: ceil(side / stride) outputs per side; the larger half of the padding is behind."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, ceil(H / stride), ceil(W / stride))."""
        sides: list[int] = []
        for side, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            sides += [total // 2, total - total // 2]
        return super().forward(functional.pad(x, sides) if any(sides) else x)
