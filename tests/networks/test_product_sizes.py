"""Products of a graph's operations by their indices: every index runs once, counted by walking them."""

from __future__ import annotations

import itertools
import math

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.networks.graphs.product_sizes import _einsum

SIZES = {"b": 3, "h": 2, "i": 4, "j": 5, "k": 6}


@pytest.mark.parametrize(
    ("equation", "terms", "result"),
    [
        ("bik,bkj->bij", ("bik", "bkj"), "bij"),
        ("bhik, bhjk -> bhij", ("bhik", "bhjk"), "bhij"),
        ("ik,kj->ij", ("ik", "kj"), "ij"),
        ("i,i->", ("i", "i"), ""),
        ("...ik,...kj->...ij", ("bik", "bkj"), "bij"),
        ("i,j->ij", ("i", "j"), "ij"),
    ],
)
def test_two_factors_are_multiplied_over_every_index(equation: str, terms: tuple[str, str], result: str) -> None:
    shapes = [tuple(SIZES[letter] for letter in term) for term in terms]
    letters = sorted({letter for term in terms for letter in term})
    walked = sum(1 for _ in itertools.product(*(range(SIZES[letter]) for letter in letters)))
    sized = _einsum(equation, shapes, tuple(SIZES[letter] for letter in result))
    assert sized["flops"] == 2.0 * walked
    assert sized["dims"]["m"] * sized["dims"]["k"] * sized["dims"]["n"] == walked
    assert sized["dims"]["m"] == math.prod(SIZES[letter] for letter in result)


def test_more_factors_are_multiplied_pair_by_pair_and_one_is_none() -> None:
    assert _einsum("bij,bj,bi->b", [(3, 4, 5), (3, 5), (3, 4)], (3,))["flops"] == 2.0 * 2 * 3 * 4 * 5
    assert _einsum("bij->bji", [(3, 4, 5)], (3, 5, 4))["flops"] == 0.0


@pytest.mark.parametrize("equation", ["bi,bkj->bij", "bikk,bkj->bij", "...k,bkj->bij"])
def test_equations_that_do_not_fit_are_refused(equation: str) -> None:
    """Also dots for more than one axis, whose sizes nothing names."""
    with pytest.raises(SlipstickError, match=r"the einsum does not fit its operands.*an index for each axis"):
        _einsum(equation, [(3, 4, 6), (3, 6, 5)], (3, 4, 5))
