"""Key of a search's pictures: colour and dashes of each system, hollow points for devices that nobody measured."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

from slipstick.pictures import svg
from slipstick.pictures.axes import HEIGHT, LEFT, WIDTH
from slipstick.pictures.curves import BESIDE, KEY

_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "1 5")  # of lines of one colour
_MARK, _SAMPLE = 4.0, 22.0  # pixels: radius of a point in the legend, length of its line
_LIFT = 4.0  # pixels from the base line of words to the middle of their letters
_ENTRIES = 42  # of a legend; further systems are counted

STYLE = (
    ".pic .edge{fill:none;stroke-width:1.8}.pic .cloud{fill-opacity:.4;stroke-opacity:.5}"
    ".pic .hollow{fill:var(--bg);stroke-width:1.6}.pic .cloud.hollow{stroke-width:.8}"
    + "".join(f".pic .d{place}{{stroke-dasharray:{dash}}}" for place, dash in enumerate(_DASHES))
    + svg.palette("s", "stroke")
    + svg.palette("f", "fill")
)


@dataclass(frozen=True)
class _SystemKey:
    """Colour, dashes and points of each system of a picture.

    Up to ten systems have a colour each. Of more, a device has a colour and its counts have dashes of their own.
    Points of the systems in `uncalibrated` are hollow.
    """

    systems: Sequence[str]
    uncalibrated: Collection[str] = ()

    def line(self, system: str) -> str:
        """Return the classes of a system's line."""
        colour, dash = self._style(system)
        return f"edge s{colour} d{dash}"

    def point(self, x: float, y: float, radius: float, system: str, tip: str = "", more: str = "") -> str:
        """Return the SVG of a point at pixels x, y; `more` are further classes."""
        colour, _ = self._style(system)
        classes = f"hollow s{colour}" if system in self.uncalibrated else f"f{colour}"
        drawn = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{f"{more} {classes}".strip()}"'
        return f"{drawn}><title>{escape(tip)}</title></circle>" if tip else f"{drawn}/>"

    def legend(self, remarks: Sequence[str], *, lines: bool) -> tuple[list[str], float]:
        """Return the SVG of a legend below the plot, and its height [pixels]; `remarks` stand behind the names."""
        entries = list(zip(self.systems, remarks, strict=True))[:_ENTRIES]
        words = [f"{self._name(system)}: {remark}" for system, remark in entries]
        width = max(len(text) for text in words) * svg.LETTER + BESIDE + KEY
        columns = max(1, int((WIDTH - LEFT) / width))
        rows = -(-len(words) // columns)
        parts = []
        for place, ((system, _), text) in enumerate(zip(entries, words, strict=True)):
            left, base = LEFT + place // rows * width, HEIGHT + KEY * (place % rows)
            if lines:
                parts.append(svg.line(left, base - _LIFT, left + _SAMPLE, base - _LIFT, self.line(system)))
            parts.append(self.point(left + _SAMPLE / 2, base - _LIFT, _MARK, system))
            parts.append(svg.text(left + BESIDE, base, text))
        if len(self.systems) > _ENTRIES:
            parts.append(svg.text(LEFT, HEIGHT + KEY * rows, f"and {len(self.systems) - _ENTRIES} more", "soft"))
        return parts, KEY * (rows + (len(self.systems) > _ENTRIES))

    def _name(self, system: str) -> str:
        return f"{system} (uncalibrated)" if system in self.uncalibrated else system

    def _style(self, system: str) -> tuple[int, int]:
        """Return a system's places in the palette and among the dashes."""
        place = self.systems.index(system)
        devices = list(dict.fromkeys(_device(name) for name in self.systems))
        if len(self.systems) <= svg.COLOURS:
            return place, 0
        if len(devices) > svg.COLOURS:
            return place % svg.COLOURS, place // svg.COLOURS % len(_DASHES)
        own = [name for name in self.systems if _device(name) == _device(system)]
        return devices.index(_device(system)), own.index(system) % len(_DASHES)


def _device(system: str) -> str:
    """Return the name of a system without its count.

    Examples
    --------
    >>> _device("h100-sxm:8")
    'h100-sxm'
    """
    return system.partition(":")[0]
