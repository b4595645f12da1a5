"""Pictures of formats: well formed, and what they show counted."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats import Swis
from slipstick.formats.format_pictures import group_svg, pool_svg


def shapes(svg: str, name: str) -> int:
    root = ET.fromstring(svg)  # noqa: S314  # of our own making
    return sum(name in element.get("class", "").split() for element in root.iter() if element.tag.endswith("rect"))


def test_a_group_shows_its_bits() -> None:
    codes, form = np.array([100, -36, 5, 0]), Swis(2)
    kept = np.abs(form.recode(codes[None])[0])
    found = group_svg(codes, form)
    lost = sum((int(abs(code)) & ~int(left)).bit_count() for code, left in zip(codes, kept, strict=True))
    ones = sum(int(abs(code)).bit_count() for code in codes) - lost + sum(int(left).bit_count() for left in kept)
    assert shapes(found, "lost") == lost
    assert shapes(found, "one") == ones
    assert shapes(found, "shared") == 2
    with pytest.raises(SlipstickError, match="not one group"):
        group_svg([1, 2], form)


def test_a_pool_shows_every_weight() -> None:
    pool = np.random.default_rng(0).integers(-127, 128, (64, 8))
    found = pool_svg(pool)
    assert shapes(found, "up") == (pool >= 0).sum()
    assert shapes(found, "down") == (pool < 0).sum()
    with pytest.raises(SlipstickError, match="not a pool"):
        pool_svg(np.zeros((0, 8)))
