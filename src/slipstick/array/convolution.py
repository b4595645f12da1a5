"""Convolutions as matrix products of an array: output pixels, reduction length and filters."""

from __future__ import annotations

from pydantic import Field, model_validator

from slipstick.core.spec import Spec


class _Convolution(Spec):
    """A two-dimensional convolution of one image; a fully connected layer is 1x1 on one pixel.

    Examples
    --------
    >>> layer = _Convolution(height=58, width=58, channels=64, kernel=3, filters=64)
    >>> layer.pixels, layer.reduction, layer.macs
    (3136, 576, 115605504)
    """

    name: str = Field(default="", description="Name of the layer")
    height: int = Field(gt=0, description="Rows of the input, padding excluded")
    width: int = Field(gt=0, description="Columns of the input, padding excluded")
    channels: int = Field(gt=0, description="Input channels of all groups")
    kernel: int = Field(default=1, gt=0, description="Side of the square kernel")
    filters: int = Field(gt=0, description="Output channels of all groups")
    stride: int = Field(default=1, gt=0, description="Step of the kernel in both directions")
    padding: int = Field(default=0, ge=0, description="Zeros on each of the four sides")
    groups: int = Field(default=1, gt=0, description="Groups of channels; as many as channels: depthwise")

    @model_validator(mode="after")
    def _fits(self) -> _Convolution:
        if self.kernel > min(self.height, self.width) + 2 * self.padding:
            raise ValueError("the kernel is larger than the padded input")
        if self.channels % self.groups or self.filters % self.groups:
            raise ValueError("groups must divide channels and filters")
        return self

    @property
    def pixels(self) -> int:
        """Number of output pixels, rows times columns."""
        high, wide = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in (self.height, self.width))
        return high * wide

    @property
    def reduction(self) -> int:
        """Products summed for one output: channels of one group times the kernel's area."""
        return self.channels // self.groups * self.kernel**2

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return self.pixels * self.reduction * self.filters
