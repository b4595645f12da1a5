"""Pictures of photonic accelerators: energy and area by part, and the losses of the light on its way, as bars."""

from __future__ import annotations

from collections.abc import Mapping

from slipstick.core.units import format_quantity
from slipstick.pictures import svg
from slipstick.pictures.axes import LEFT, RIGHT, TITLE, WIDTH

_NAMES = 150.0  # pixels for the names of parts
_ROW, _BAR = 24.0, 16.0  # pixels: from one bar to the next, and its height
_VALUES = 150.0  # pixels for the values behind the bars
_STYLE = svg.palette("b", "fill")


def _bars_svg(values: Mapping[str, float], title: str, unit: str) -> str:
    """Return the SVG of one horizontal bar per part, with its value and its share of the sum; parts of 0 are left out.

    Parameters
    ----------
    unit : SI unit of the values, such as ``J``.
    """
    known = {name: value for name, value in values.items() if value > 0}
    total, most = sum(known.values()), max(known.values(), default=1.0)
    room = WIDTH - LEFT - RIGHT - _NAMES - _VALUES
    parts = [svg.text(LEFT, TITLE, f"{title}: {format_quantity(total, unit)}", "title")]
    for row, (name, value) in enumerate(known.items()):
        y, words = TITLE + _ROW * (row + 1), f"{format_quantity(value, unit)}, {100 * value / total:.1f} %"
        parts.append(svg.text(LEFT + _NAMES - 8, y + _BAR - 4, name.replace("_", " "), "end"))
        parts.append(
            svg.rect(LEFT + _NAMES, y, max(1.0, room * value / most), _BAR, f"b{row % svg.COLOURS}", tip=words)
        )
        parts.append(svg.text(LEFT + _NAMES + max(1.0, room * value / most) + 8, y + _BAR - 4, words, "soft"))
    return svg.document(WIDTH, TITLE + _ROW * (len(known) + 2), parts, title=title, style=_STYLE)


def cost_pictures(
    energy: Mapping[str, float], area: Mapping[str, float], losses: Mapping[str, float] | None = None
) -> dict[str, str]:
    """Return the pictures of energy [J] and area [m2] by part, and of the losses [dB] from laser to detector."""
    drawn = {
        "energy by part": _bars_svg(energy, "energy by part", "J"),
        "area by part": _bars_svg(area, "area by part", "m2"),
    }
    return drawn | ({"loss chain": _bars_svg(losses, "losses from laser to detector", "dB")} if losses else {})
