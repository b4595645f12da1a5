"""The fabric as a price of collectives: against closed forms, and asked by the cluster model."""

from __future__ import annotations

import numpy as np
import pytest

import slipstick
from slipstick.cluster.collectives.algorithm_time import _AlgorithmTime
from slipstick.cluster.constants.links import _Protocol
from slipstick.core.errors import SlipstickError
from slipstick.fabric import builders
from slipstick.fabric.link_load_price import FabricPrice
from slipstick.fabric.topology_file import resolve_topology

SIZE, RATE = 4e9, 100e9


@pytest.mark.parametrize("ranks", [2, 3, 8, 20])
def test_a_ring_has_the_closed_forms_bandwidth_limit(ranks: int) -> None:
    price = FabricPrice(builders.ring(ranks, RATE, 0.0))
    free = _Protocol(name="Simple", base=0.0, hop=0.0, efficiency=1.0, own=0.0, limit=np.inf)
    for op, steps in (("all_reduce", 2 * (ranks - 1)), ("all_gather", ranks - 1), ("reduce_scatter", ranks - 1)):
        latency, bandwidth = _AlgorithmTime.ring(
            free, *(np.array(float(x)) for x in (SIZE / ranks, steps, 0.0, RATE, RATE))
        )
        assert price(op, SIZE, ranks, 1) == pytest.approx(float(latency + bandwidth), rel=1e-12)


def test_every_node_of_an_all_to_all_sends_to_all_others() -> None:
    price = FabricPrice(builders.fully_connected(8, RATE, 0.0))
    assert price("all_to_all", SIZE, 8, 1) == pytest.approx(SIZE / 8 / RATE)


def test_groups_side_by_side_share_links() -> None:
    line = FabricPrice(builders.mesh((8,), RATE, 0.0))
    near, far = line("all_reduce", SIZE, 2, 1), line("all_reduce", SIZE, 2, 4)
    assert far == pytest.approx(4 * near)  # four groups cross the middle
    assert line("point_to_point", SIZE, 2, 4) == pytest.approx(far)


def test_nothing_to_send_takes_no_time() -> None:
    price = FabricPrice(builders.ring(4, RATE, 1e-6))
    assert price("all_reduce", SIZE, 1, 1) == price("all_reduce", 0.0, 4, 1) == 0.0


def test_what_has_no_price_is_said() -> None:
    price = FabricPrice(builders.ring(4, RATE, 0.0))
    with pytest.raises(SlipstickError, match="reaches further"):
        price("all_reduce", SIZE, 4, 2)
    with pytest.raises(SlipstickError, match="no such collective"):
        price("all_red", SIZE, 4, 1)


def test_estimate_asks_the_fabric() -> None:
    plan = "tp=4,pp=1,dp=5,microbatch=1,gradients=bf16"
    times = {}
    for name in ("wafer-mesh", "wafer-fred-a", "wafer-fred-d"):
        report = slipstick.estimate("turing-nlg-17b", name, plan, batch=80, fabric=True)
        times[name] = report.value("time.parts.tensor_parallel"), report.value("time.step")
    assert times["wafer-mesh"][0] > times["wafer-fred-a"][0] > times["wafer-fred-d"][0] > 0
    assert times["wafer-mesh"][1] > times["wafer-fred-d"][1]
    closed = [slipstick.estimate("turing-nlg-17b", name, plan, batch=80).value("time.step") for name in times]
    assert len(set(closed)) == 1  # the closed form knows no links
    messages = 78 * 4 * 16 * FabricPrice(resolve_topology("wafer-fred-d"))("all_reduce", 1024 * 4256 * 2, 4, 1)
    assert times["wafer-fred-d"][0] < 1.5 * messages


@pytest.mark.parametrize(
    ("workload", "system", "asked", "said"),
    [
        ("llama-3.1-8b", "h100-sxm-80gb:8", {}, "has no topology"),
        ("resnet-50", "wafer-mesh", {}, "train of decoders on accelerators"),
        ("llama-3.1-8b", "wafer-mesh", {"phase": "prefill"}, "train of decoders on accelerators"),
    ],
)
def test_what_the_fabric_cannot_price_is_said(workload: str, system: str, asked: dict[str, str], said: str) -> None:
    with pytest.raises(SlipstickError, match=said):
        slipstick.estimate(workload, system, "tp=1", fabric=True, **asked)


def test_a_broadcast_reaches_every_other_node() -> None:
    """In a tree of switches one copy goes up and one down to each: each link once, whichever group of nodes it is."""
    tree = FabricPrice(resolve_topology("wafer-fred-d"))
    whole = tree("broadcast", SIZE, 20, 1)
    assert whole > 0
    assert tree("broadcast", SIZE, 2, 1) > 0
    ring = FabricPrice(builders.ring(4, RATE, 0.0))
    assert ring("broadcast", SIZE, 4, 1) == pytest.approx(SIZE / RATE, rel=0.5)
