"""Curves of data and hybrid parallelism, where they cross, and the verb and command around them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.cluster.convergence.epochs_to_target import CriticalBatch, EpochCurve
from slipstick.cluster.convergence.speedup_curves import Curves
from slipstick.core.errors import SlipstickError
from slipstick.engines.operator_placement import instance
from slipstick.engines.question import ask
from slipstick.engines.step_speedup import _Layers, _layers, _rows, pipelined
from slipstick.networks.graphs import chains

COUNTS = [2**k for k in range(1, 11)]


@settings(max_examples=100)
@given(st.floats(1.0, 2.0), st.floats(50.0, 50000.0), st.integers(0, 2**32 - 1))
def test_the_curves_cross_where_the_inequality_says(su: float, critical: float, seed: int) -> None:
    epochs = CriticalBatch(4.0, critical)
    rng = np.random.default_rng(seed)
    share = dict(zip([1, *COUNTS], np.sort(rng.uniform(0.5, 1.0, 11))[::-1].tolist(), strict=True))
    found = Curves.of(COUNTS, 32, epochs, {2: su}, share)
    for place, count in enumerate(COUNTS):
        e_n, e_mn = epochs.at([count // 2 * 32, count * 32]).tolist()
        said = su > 2 * (share[count] / share[count // 2]) * (e_n / e_mn)  # Pal et al., the condition for hybrid
        ours = found.hybrid[2][place] / found.alone[place]
        if abs(ours - 1) > 1e-9:
            assert said == (ours > 1)


def test_hybrid_pays_from_some_count_on_and_not_before() -> None:
    found = Curves.of(COUNTS, 32, CriticalBatch(4.0, 2048.0), {2: 1.32, 4: 1.5})
    at = found.crossover(2)
    assert at is not None
    assert ((found.hybrid[2] > found.alone) == (np.array(COUNTS) >= at)).all()
    never = Curves.of(COUNTS, 32, CriticalBatch(4.0, 1e9), {2: 1.32})
    assert never.crossover(2) is None, "epochs never grow: more workers always pay"
    later = Curves.of(COUNTS, 32, CriticalBatch(4.0, 2048.0), {2: 1.1}).crossover(2)
    assert later is not None
    assert later > at


def test_where_data_parallelism_has_stopped_to_gain_hybrid_gains_all_of_the_step() -> None:
    """Theory 2.1: beyond the critical batch the speed-up saturates, and the gain is SU^2 - 1, never more."""
    flat = EpochCurve((32, 1024, 2048, 65536), (4.0, 4.0, 8.0, 256.0))  # epochs double with the batch
    found = Curves.of([2, 4, 8, 16, 32, 64, 128], 32, flat, {2: 1.22})
    assert found.best_alone().devices == 32
    assert found.gain() == pytest.approx(0.22)


def test_beyond_the_measured_points_nothing_is_known() -> None:
    curve = EpochCurve((32, 256), (4.0, 8.0))
    found = Curves.of([2, 4, 8, 16, 32], 32, curve, {2: 1.9})
    assert np.isnan(found.alone[-2:]).all()
    assert np.isnan(found.hybrid[2][-1])
    assert found.crossover(2) == 2
    assert Curves.of([2, 4, 8, 16], 32, curve, {2: 1.4}).crossover(2) is None
    with pytest.raises(SlipstickError, match="no epochs are known"):
        Curves.of([2, 4], 4096, curve, {2: 1.9}).best_alone()


@pytest.mark.parametrize("counts", [[], [0, 2], [4, 2], [2, 2]])
def test_counts_must_grow(counts: list[int]) -> None:
    with pytest.raises(SlipstickError, match="must grow"):
        Curves.of(counts, 32, CriticalBatch(4.0, 64.0), {2: 1.3})


def test_a_pipeline_lies_between_one_device_and_as_many_as_there_are() -> None:
    for workload in ("inception-v3", "gnmt-4", "big-lstm"):
        found = pipelined(workload, "dgx1-v100", 2, 64)
        assert 0.5 < found.value < 2.0, workload
        assert "microbatches" in found.method
    chain = pipelined("resnet-50", "dgx1-v100", 2, 64)
    assert chain.value > 1.2, "a chain of layers has no parallel branches, but it has stages"


@pytest.mark.parametrize(
    ("workload", "devices"), [("resnet-50", 2), ("resnet-50", 4), ("inception-v3", 4), ("gnmt-4", 4)]
)
def test_a_pipeline_takes_its_bubble_and_stages_that_no_cut_makes_shorter(workload: str, devices: int) -> None:
    """The slowest stage lies between an even share and that, the longest layer and what it hands on."""
    found = pipelined(workload, "dgx1-v100", devices, 64)
    count = int(re.findall(r"(\d+) microbatches", found.method)[0])
    whole, small = (layers_of(workload, devices, batch) for batch in (64, 64 // count))
    rounds = count + devices - 1
    even = small.seconds.sum() / devices
    slack = small.seconds.max() + small.crossing.max() / 25e9  # one NVLink: no cut hands its results on more slowly
    assert found.value <= whole.seconds.sum() / (rounds * even) * (1 + 1e-9)
    assert found.value >= whole.seconds.sum() / (rounds * (even + slack)) * (1 - 1e-9)


@pytest.mark.parametrize("workload", ["inception-v3", "gnmt-4"])
def test_a_cut_carries_results_once_and_every_gradient(workload: str) -> None:
    """Cut by cut from the edges: what lies before and is read behind, and the gradients on their way back."""
    question = ask(workload, "dgx1-v100:2", verb="place", batch=32)
    ours, given = _layers(question).crossing, instance(question)
    layer_of = _rows(chains(question.workload.operator_graph))
    home = {name: layer_of[name if name in layer_of else name.rpartition(".")[0]] for name in given.problem.names}
    for cut in range(len(ours)):
        ahead: dict[str, float] = {}
        back = 0.0
        for (a, b), size in given.sent.items():
            if home[a] <= cut < home[b]:
                ahead[a] = size
            elif home[b] <= cut < home[a]:
                back += size
        assert ours[cut] == pytest.approx(sum(ahead.values()) + back)


def layers_of(workload: str, devices: int, batch: int) -> _Layers:
    return _layers(ask(workload, f"dgx1-v100:{devices}", verb="place", batch=batch))
