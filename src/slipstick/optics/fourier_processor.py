"""Device: a Fourier processor, two lenses between a display of mirrors, a mask of mirrors, and a camera."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.device import Device, Surroundings, register_device
from slipstick.core.spec import Spec
from slipstick.optics.mirror_orders import matched_focal_length, orders_on_mask


class MirrorDisplay(Spec):
    """Digital micro-mirror device: mirrors that are on or off, all at once, so many times a second."""

    rows: int = Field(gt=0, le=2**14, description="Mirrors of a column")
    columns: int = Field(gt=0, le=2**14, description="Mirrors of a row")
    pitch: units.Metres = Field(description="Distance from one mirror to the next")
    gap: units.Metres | None = Field(default=None, description="Gap between two mirrors; unknown: none is counted")
    frame_rate: units.Hertz = Field(description="Binary frames in a second")

    @property
    def fill(self) -> float:
        """Side of a mirror over the pitch."""
        return 1.0 - (self.gap or 0.0) / self.pitch


class ImageSensor(Spec):
    """Camera behind the second lens: it sees intensities."""

    rows: int = Field(gt=0, le=2**14, description="Pixels of a column")
    columns: int = Field(gt=0, le=2**14, description="Pixels of a row")
    frame_rate: units.Hertz = Field(description="Frames in a second at full size")
    bits: int = Field(default=8, ge=1, le=16, description="Bits of a pixel")


@register_device
class FourierProcessor(Device):
    """Fourier-optic convolution: a display, a lens, a mask in its focal plane, a lens, a camera.

    Examples
    --------
    >>> display = {"rows": 1080, "columns": 1920, "pitch": "7.56 um", "frame_rate": "9.5 kHz"}
    >>> camera = {"rows": 1080, "columns": 1920, "frame_rate": "1 kHz"}
    >>> device = FourierProcessor(wavelength="633 nm", display=display, mask=display, camera=camera)
    >>> round(device.focal_length_of() * 1e3, 1), device.order_count
    (97.5, 1)
    """

    kind: Literal["fourier"] = Field(default="fourier", description="Kind of device: fourier")
    wavelength: units.Metres = Field(description="Wavelength of the light")
    focal_length: units.Metres | None = Field(
        default=None, description="Focal length of both lenses; unknown: that which puts a frequency on each mirror"
    )
    display: MirrorDisplay = Field(description="Display of the images")
    mask: MirrorDisplay = Field(description="Display in the Fourier plane, which holds the kernels")
    camera: ImageSensor = Field(description="Camera behind the second lens")
    image_bits: int = Field(default=1, ge=1, le=16, description="Bit planes of an image, shown one after the other")
    mask_bits: int = Field(default=1, ge=1, le=16, description="Bit planes of a mask, shown one after the other")
    kernels: int = Field(
        default=1, gt=0, le=2**10,
        description="Kernels on the mask at once: each in a diffraction order and a region of the camera of its own",
    )  # fmt: skip

    def check(self, system: Surroundings) -> Iterator[str]:
        """Yield an error message where gaps leave no mirrors."""
        for name, display in (("display", self.display), ("mask", self.mask)):
            if display.fill <= 0:
                yield f"device.{name}.gap: {display.gap:g} m leaves no mirror in a pitch of {display.pitch:g} m"

    def focal_length_of(self) -> float:
        """Return the focal length [m], the matched one where none is stated."""
        if self.focal_length is not None:
            return self.focal_length
        side = min(self.display.rows, self.display.columns)
        return matched_focal_length(side, self.display.pitch, self.mask.pitch, self.wavelength)

    @property
    def order_count(self) -> int:
        """Whole diffraction orders along the shorter axis of the mask; 1 where it cuts the highest frequencies off."""
        side = min(self.mask.rows, self.mask.columns)
        pitches = self.mask.pitch, self.display.pitch
        return max(1, orders_on_mask(side, *pitches, self.wavelength, self.focal_length_of()))

    @property
    def frame_rate(self) -> float:
        """Passes in a second: the slowest of display, mask and camera, each over its bit planes."""
        planes = self.image_bits * self.mask_bits  # the camera integrates all planes of one frame
        return min(self.display.frame_rate / planes, self.mask.frame_rate / self.mask_bits, self.camera.frame_rate)
