"""The picture of layers: one bar for each layer and run, of heights in the ratio of the cycles."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from slipstick import estimate
from slipstick.array.cycle_picture import layers_svg
from slipstick.core.errors import SlipstickError


def test_bars_are_the_cycles() -> None:
    runs = {name: estimate("alexnet", name, "formats=int4").detail for name in ("stripes-8x8", "int8-8x8")}
    drawn = layers_svg(runs)
    ElementTree.fromstring(drawn)  # noqa: S314  our own text
    bars = re.findall(r'height="([\d.]+)" class="b(\d)( wait)?"><title>([^,]+), [^:]+: ([\d,]+) cycles', drawn)
    heights: dict[tuple[str, str], float] = {}
    cycles: dict[tuple[str, str], float] = {}
    for height, number, _, layer, count in bars:
        heights[number, layer] = heights.get((number, layer), 0.0) + float(height)
        cycles[number, layer] = float(count.replace(",", ""))
    assert len(cycles) == 2 * 8
    scale = max(heights.values()) / max(cycles.values())
    for key, height in heights.items():
        assert height == pytest.approx(cycles[key] * scale, abs=0.05)


def test_runs_of_different_networks_are_refused() -> None:
    runs = {name: estimate(name, "swis-8x8").detail for name in ("alexnet", "resnet-18")}
    with pytest.raises(SlipstickError, match="one network"):
        layers_svg(runs)
