"""Pictures of accuracy and of sensitivity: every point and every layer is there, and says what it is."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from slipstick.compress.accuracy_pictures import accuracy_svg, sensitivity_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_every_point_of_every_method() -> None:
    series = {"one": [(2.0, 0.5, "3 shifts"), (1.0, 0.25, "2 shifts")], "other & more": [(1.5, 0.75, "4 shifts")]}
    root = ET.fromstring(accuracy_svg(series, "title", "MB"))  # noqa: S314  our own text
    tips = [circle.findtext(f"{SVG}title") for circle in root.iter(f"{SVG}circle")]
    assert tips == ["one, 2 shifts: 25.0 %", "one, 3 shifts: 50.0 %", "other & more, 4 shifts: 75.0 %"]
    [front, line, other] = [line.get("points").split() for line in root.iter(f"{SVG}polyline")]
    assert front == [line[0], other[0]], "3 shifts of one cost more than 4 of the other, and are less accurate"
    first, second = ([float(value) for value in point.split(",")] for point in line)
    assert first[0] < second[0]
    assert first[1] > second[1]  # a picture's y grows downwards


def test_a_bar_as_high_as_its_layer_is_sensitive() -> None:
    root = ET.fromstring(sensitivity_svg(["a", "b", "c"], ["conv", "depthwise", "conv"], [1.0, 4.0, 0.0]))  # noqa: S314  our own text
    bars = {rect.findtext(f"{SVG}title"): rect for rect in root.iter(f"{SVG}rect") if rect.findtext(f"{SVG}title")}
    heights = {tip[0]: float(rect.get("height")) for tip, rect in bars.items()}
    assert set(bars) == {"a, conv: 1.00", "b, depthwise: 4.00", "c, conv: 0.00"}
    assert abs(heights["b"] - 4 * heights["a"]) < 0.5  # coordinates have a digit or two
    assert heights["c"] == 0
    assert bars["a, conv: 1.00"].get("class") == bars["c, conv: 0.00"].get("class")
