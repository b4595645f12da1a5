"""Pipeline stages: every layer once, as even or as balanced as can be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slipstick.cluster.sweep.distinct import _distinct
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.pipeline_stages import _balanced, _even, _LayerStack, _Stages


@given(layers=st.integers(1, 200), pp=st.integers(1, 16), interleave=st.integers(1, 8))
def test_even_deals_every_layer_once(layers: int, pp: int, interleave: int) -> None:
    counts = _even(np.zeros(layers, dtype=np.int64), 1, pp, interleave)[:, 0]
    assert counts.sum() == layers
    assert counts.max() - counts.min() <= interleave  # one layer a chunk
    if layers % (pp * interleave) == 0:
        assert counts.max() == counts.min()


@given(kinds=st.lists(st.integers(0, 2), min_size=1, max_size=80), pp=st.integers(1, 12), head=st.floats(0, 20))
def test_balanced_keeps_the_order_and_every_layer(kinds: list[int], pp: int, head: float) -> None:
    order, costs = np.array(kinds, dtype=np.int64), np.array([1.0, 2.0, 0.5])
    counts, last = _balanced(_LayerStack(order, costs, head), pp)
    assert counts.sum(axis=0).tolist() == [kinds.count(kind) for kind in range(3)]
    assert 0 <= last < pp
    share = (costs[order].sum() + head) / pp
    loads = counts @ costs
    loads[last] += head
    assert loads.max() <= share + max(2.0, head) + 1e-9  # a stage stops at the first layer that reaches its share


def test_kinds_of_stage_cover_all_stages() -> None:
    pp = np.array([1, 2, 5, 8, 48])
    found = _Stages.of(_LayerStack(np.zeros(48, dtype=np.int64), np.ones(1)), Plans.of_columns(5, {"pp": pp}))
    assert found.copies.sum(axis=1).tolist() == pp.tolist()
    assert (found.layers[..., 0] * found.copies).sum(axis=1).tolist() == [48] * 5
    assert (found.embedding * found.copies).sum(axis=1).tolist() == [1] * 5
    assert (found.head * found.copies).sum(axis=1).tolist() == [1] * 5


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans(), st.integers(0, 2**40)), min_size=1, max_size=50))
def test_distinct_rows_are_those_of_numpy(rows: list[tuple[int, bool, int]]) -> None:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    first, kind = _distinct(columns)
    assert len(first) == len(set(rows))
    assert all(rows[first[k]] == row for k, row in zip(kind, rows, strict=True))


@given(st.lists(st.tuples(*[st.sampled_from([-(2**45), -1, 0, 3, 2**40, 2**45])] * 4), min_size=1, max_size=30))
def test_distinct_rows_of_columns_too_wide_for_one_integer(rows: list[tuple[int, int, int, int]]) -> None:
    """Four columns of 2**46 values each: their code is made dense before it overflows."""
    rows = [*rows, (-(2**45),) * 4, (2**45,) * 4]
    first, kind = _distinct([np.array(column) for column in zip(*rows, strict=True)])
    assert len(first) == len(set(rows))
    assert all(rows[first[k]] == row for k, row in zip(kind, rows, strict=True))
