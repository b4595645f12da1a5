"""The dynamic program against every possible cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.placement.pipeline_partition import partition


def every_cut(seconds: list[int], memory: list[int], stages: int, capacity: float, sent: list[int]) -> float:
    best = np.inf
    for cuts in itertools.combinations(range(1, len(seconds)), stages - 1):
        edges = [0, *cuts, len(seconds)]
        spans = list(itertools.pairwise(edges))
        if all(sum(memory[b:e]) <= capacity for b, e in spans):
            times = [sum(seconds[b:e]) + (sent[e - 1] if e < len(seconds) else 0) for b, e in spans]
            best = min(best, max(times))
    return best


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=9),
    st.integers(1, 4), st.integers(1, 40),
)  # fmt: skip
def test_no_cut_is_better(layers: list[tuple[int, int, int]], stages: int, capacity: int) -> None:
    seconds, memory, sent = (list(column) for column in zip(*layers, strict=True))
    if stages > len(layers):
        with pytest.raises(SlipstickError, match="stages"):
            partition(seconds, memory, stages)
        return
    best = every_cut(seconds, memory, stages, capacity, sent)
    if not np.isfinite(best):
        with pytest.raises(SlipstickError, match="no cut fits"):
            partition(seconds, memory, stages, capacity, sent)
        return
    found = partition(seconds, memory, stages, capacity, sent)
    assert found.slowest == best
    assert max(found.memory) <= capacity
    assert len(found.seconds) == stages


def test_stages_of_different_memory() -> None:
    assert partition([1] * 6, [1] * 6, 2, capacity=[5, 1]).cuts == (5,)
