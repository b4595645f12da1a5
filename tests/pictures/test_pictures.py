"""Pictures: everything given is drawn, in proportion and in one colour a category; nonsense is refused."""

from __future__ import annotations

import re
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.pictures import svg
from slipstick.pictures.heatmap import heatmap_svg
from slipstick.pictures.timeline import Lane, Span, ticks, timeline_svg

NS = "{http://www.w3.org/2000/svg}"


def bars(drawn: str) -> list[tuple[float, float, str]]:
    """Return (x, width, class) of every rectangle that has a tip."""
    tree = fromstring(drawn)  # noqa: S314  our own text
    marked = [rect for rect in tree.iter(f"{NS}rect") if rect.find(f"{NS}title") is not None]
    return [(float(rect.attrib["x"]), float(rect.attrib["width"]), rect.attrib["class"]) for rect in marked]


def test_a_timeline_is_in_proportion() -> None:
    spans = (Span(0.0, 1.0, "a", "compute"), Span(1.0, 4.0, "b", "MP"), Span(5.0, 6.0, "c", "compute"))
    drawn = bars(timeline_svg([Lane("NPU 0", spans)], "t"))
    assert [kind for *_, kind in drawn] == ["f0", "f1", "f0"]
    assert drawn[1][1] == pytest.approx(3 * drawn[0][1], abs=0.02)
    assert drawn[2][0] - drawn[0][0] == pytest.approx(5 * drawn[0][1], abs=0.05)


def test_a_strangers_words_are_escaped() -> None:
    drawn = timeline_svg([Lane("<script>", (Span(0.0, 1.0, "<b>&", '"'),))], "<title>")
    assert "<script>" not in drawn
    fromstring(drawn)  # noqa: S314  our own text
    assert "<x>" not in svg.page("<x>", [drawn])


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_few_and_inside(first: float, length: float) -> None:
    found = ticks(first, first + length)
    assert len(found) <= 10
    slack = length * 1e-3
    assert all(first - slack <= tick <= first + length + slack for tick in found)


@pytest.mark.parametrize("spans", [(), (Span(1.0, 0.5, "x", "y"),), (Span(0.0, float("nan"), "x", "y"),)])
def test_a_timeline_refuses_nonsense(spans: tuple[Span, ...]) -> None:
    with pytest.raises(SlipstickError, match="timeline"):
        timeline_svg([Lane("NPU 0", spans)], "t")


def test_a_heat_map_marks_the_best_and_leaves_holes_grey() -> None:
    values: list[list[float | None]] = [[3.0, None], [float("nan"), 1.0]]
    low, high = (heatmap_svg(["a", "b"], ["c", "d"], values, "t", best=best) for best in ("low", "high"))
    assert low.count("none cell") == 2
    frame = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)"[^>]*class="best"')
    (at_low,), (at_high,) = frame.findall(low), frame.findall(high)
    assert float(at_low[0]) > float(at_high[0])
    assert float(at_low[1]) > float(at_high[1])


@pytest.mark.parametrize("values", [[[1.0]], [[1.0, 2.0], [3.0]], [[None, None], [None, None]]])
def test_a_heat_map_refuses_wrong_shapes(values: list[list[float | None]]) -> None:
    with pytest.raises(SlipstickError, match=r"heatmap\.values"):
        heatmap_svg(["a", "b"], ["c", "d"], values, "t")
