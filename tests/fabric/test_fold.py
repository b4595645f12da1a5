"""Folded simulations give what the whole ones give."""

from __future__ import annotations

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.topology import Topology
from slipstick.fabric import builders
from slipstick.fabric.collectives.by_name import collective_schedule
from slipstick.fabric.flows import run
from slipstick.fabric.symmetry import _link_kinds, folded_all_reduce
from slipstick.fabric.tasks import Endpoint, lower

SPEED, DELAY, SIZE = 50e9, 5e-7, 2.0**24
ENDS = Endpoint(1e-8, 1e14)
TOPOLOGIES = {"ring": builders.ring, "fully_connected": builders.fully_connected, "switch": builders.switch}


@pytest.mark.parametrize("count", [2, 3, 5, 8, 20, 64])
@pytest.mark.parametrize("algorithm", ["ring", "direct"])
@pytest.mark.parametrize("family", TOPOLOGIES)
def test_the_same_times_and_loads_as_unfolded(family: str, algorithm: str, count: int) -> None:
    topology: Topology = TOPOLOGIES[family](count, SPEED, DELAY)
    schedule = collective_schedule("all_reduce", algorithm, count)
    whole = run(lower(schedule, topology, SIZE, endpoint=ENDS), topology)
    folded = run(folded_all_reduce(algorithm, topology, SIZE, ENDS), topology)
    assert folded.time == pytest.approx(whole.time, rel=1e-12)
    kind = _link_kinds(topology)
    for number in range(kind.max() + 1):
        first = int((kind == number).argmax())
        assert folded.busy[first] == pytest.approx(whole.busy[kind == number].mean(), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    "topology", [builders.mesh((4, 4), SPEED, DELAY), builders.cube_mesh(SPEED, DELAY)], ids=lambda t: t.name
)
def test_what_is_not_the_same_for_every_rank_is_refused(topology: Topology) -> None:
    with pytest.raises(SlipstickError, match="not the same"):
        folded_all_reduce("ring", topology, SIZE)
