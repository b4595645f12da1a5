"""Fred switches by their construction: micro-switches, configurations, areas, trees of switches and their flows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.fabric.strategies import Strategy, strategies
from slipstick.fabric.switch.clos_network import MAX_MIDDLES, MAX_PORTS, Fred
from slipstick.fabric.switch.configuration import _Settings
from slipstick.fabric.switch.counting import flow_sets
from slipstick.fabric.switch.flow_routing import _must_route, conflicts, routable, route
from slipstick.fabric.switch.remedies import as_rings, fewest_middles, rounds
from slipstick.fabric.switch.routable_strategies import Tree, _all_reduces, _stage_casts, conflicting
from slipstick.fabric.switch.switch_flow import Flow
from slipstick.fabric.switch.wafer_switches import (
    _beachfront_area,
    _chiplet_bandwidths,
    _switch_area,
    _switch_power,
    switches,
)
from slipstick.fabric.switch.worker_placement import Certificate, _exchanges, _longer, place


def counted(ports: int, middles: int, three: str) -> Counter[str]:
    """The paper's rule once more: R and D at the rim, m middles, an RD or a wire in the innermost level."""
    if ports == 1:
        return Counter()
    if ports == 2:
        return Counter(RD=1)
    if ports == 3 and three == "benes":
        return Counter(R=1, RD=1, D=1)
    total = Counter(R=ports // 2, D=ports // 2)
    if ports % 2:
        total += Counter(demux=1, mux=1)
    for _ in range(middles):
        total += counted(-(-ports // 2), middles, three)
    return total


@pytest.mark.parametrize("three", ["benes", "demux"])
@pytest.mark.parametrize("middles", [2, 3, 5])
@pytest.mark.parametrize("ports", [1, 2, 3, 4, 5, 6, 7, 9, 12, 13])
def test_micro_switches_and_bits_of_a_configuration(ports: int, middles: int, three: str) -> None:
    switch = Fred(ports, middles, three)
    kinds = switch.micro_switches()
    assert Counter(kinds) == counted(ports, middles, three)
    if (
        three == "demux"
    ):  # every micro-switch of the rim has m ways: two bits a way of an R, a number from 0 to m a pick
        pick = middles.bit_length()
        ends = kinds.get("demux", 0) + kinds.get("mux", 0)
        bits = 2 * middles * kinds.get("R", 0) + 2 * pick * kinds.get("D", 0) + 4 * kinds.get("RD", 0) + pick * ends
        assert switch.configuration_bits == bits
    packed = _Settings.of(_must_route(switch, [Flow.of([0], [ports - 1])])).pack(switch)
    assert len(packed) == -(-switch.configuration_bits // 8)
    assert _Settings.unpack(switch, packed).pack(switch) == packed


def test_the_benes_piece() -> None:
    piece = Fred(3)
    assert (piece.ways, piece.pairs, piece.piece, piece.demux) == (2, 1, True, False)
    assert (piece.inner(0).ports, piece.inner(1).ports) == (2, 1)
    assert piece.configuration_bits == 2 * 2 + 2 * 2 + 4  # an R of two ways, two picks of a middle, an RD
    other = Fred(3, 2, "demux")
    assert (other.ways, other.piece, other.demux) == (2, False, True)
    assert (other.inner(0).ports, other.inner(1).ports) == (2, 2)
    assert Fred(1).configuration_bits == Fred(1).ways == 0
    assert Fred(2).ways == 0
    assert not Fred(4).demux
    assert not Fred(1).demux


def test_bounds_of_a_switch() -> None:
    assert (MAX_PORTS, MAX_MIDDLES) == (256, 8)
    Fred(256, 8)
    Fred(1, 2)
    for ports, middles in ((257, 2), (0, 2), (4, 9), (4, 1)):
        with pytest.raises(SlipstickError, match="no such switch"):
            Fred(ports, middles)


def test_memory_holds_whole_configurations() -> None:
    switch = Fred(4)  # 32 bits
    assert [switch.configurations_in(size) for size in (0, 3, 4, 7, 8, 8.9)] == [0, 0, 1, 1, 2, 2]
    assert Fred(2).configurations_in(3) == 3  # four bits take a byte


def ones(settings: _Settings) -> int:
    """Bits that are set in a configuration, counted on its fields."""
    own = [tap for taps in settings.taps for tap in taps] + [pick for picks in settings.picks for pick in picks]
    return sum(value.bit_count() for value in [*own, *settings.ends]) + sum(ones(inner) for inner in settings.inner)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 13), st.integers(2, 4), st.sampled_from(["benes", "demux"]), st.randoms(use_true_random=False))
def test_every_bit_of_a_configuration_has_a_place_of_its_own(
    ports: int, middles: int, three: str, chance: object
) -> None:
    targets = chance.sample(range(ports), ports)  # type: ignore[attr-defined]
    switch = Fred(ports, middles, three)
    chosen = _Settings.of(_must_route(switch, [Flow.of([i], [t]) for i, t in enumerate(targets)]))
    packed = chosen.pack(switch)
    assert int.from_bytes(packed, "little").bit_count() == ones(chosen)
    assert int.from_bytes(packed, "little").bit_length() <= switch.configuration_bits
    with pytest.raises(SlipstickError, match="not this switch's"):
        _Settings.unpack(switch, packed + b"\0")


def test_settings_of_a_small_switch_by_hand() -> None:
    """Fred_2(4): ports 0 and 3 reduce and copy to both; 1 goes to 2, over the other middle."""
    routed = _must_route(Fred(4, 2), [Flow.of([0, 3], [0, 3]), Flow.of([1], [2])])
    chosen, (way, other) = _Settings.of(routed), routed.colours
    assert {way, other} == {0, 1}
    taps = [
        {way: 1, other: 2},
        {way: 2, other: 0},
    ]  # R0: an input to each middle
    assert chosen.taps == tuple((row[0], row[1]) for row in taps)
    assert chosen.picks == ((way + 1, 0), (other + 1, way + 1))
    assert chosen.inner[way].taps == ((3, 3),)  # adds both, copies to both
    assert chosen.inner[other].taps == ((0, 1),)


@pytest.mark.parametrize("ports", [2, 3, 4, 5])
def test_kinds_of_sets_are_all_there_once(ports: int) -> None:
    for kind in ("groups", "stars", "chains"):
        sets = [tuple(sorted(masks)) for masks in flow_sets(kind, ports)]
        assert len(sets) == len(set(sets)), "each once"
    for masks in flow_sets("groups", ports):
        assert sum(group for group, _ in masks) == 2**ports - 1
        assert all(inputs == outputs for inputs, outputs in masks)
    for masks in flow_sets("stars", ports):
        assert all(root.bit_count() == 1 and outputs and not root & outputs for root, outputs in masks)
        members = [root | outputs for root, outputs in masks]
        assert sum(members) == sum(1 << p for p in range(ports) if any(m >> p & 1 for m in members)), "disjoint"
    for masks in flow_sets("chains", ports):
        assert sum(outputs for _, outputs in masks) < 2**ports
        assert len({inputs for inputs, _ in masks}) == len(masks)
    with pytest.raises(SlipstickError, match="no such kind"):
        flow_sets("rings", ports)


def test_two_flows_conflict_at_a_shared_input_or_output_micro_switch() -> None:
    flows = [Flow.of([0], [4]), Flow.of([1], [6]), Flow.of([2], [5]), Flow.of([3], [7])]
    assert conflicts(flows) == [(0, 1), (0, 2), (1, 3), (2, 3)]


def test_remedies_by_hand() -> None:
    groups = [[0, 2], [1, 4], [3, 5]]
    flows = [Flow.of(group, group) for group in groups]
    batches = rounds(Fred(8, 2), [*flows, Flow.of([6], [7])])
    assert sorted(len(batch) for batch in batches) == [1, 3]
    assert [len(batch) for batch in rounds(Fred(8, 2), [Flow.of([0], [1]), Flow.of([0], [2]), Flow.of([3], [1])])] == [
        1,
        2,
    ]
    assert fewest_middles(Fred(8, 5), flows).middles == 3
    assert fewest_middles(Fred(8, 5), flows[:2]).middles == 2
    lost = [masks for masks in flow_sets("chains", 3) if not routable(Fred(3, 8), masks)]
    assert len(lost) == 4  # the piece's last port goes to its RD alone, however many middles there are elsewhere
    for masks in lost:
        ports = [[[p for p in range(3) if side >> p & 1] for side in flow] for flow in masks]
        with pytest.raises(SlipstickError, match="no number of middles"):
            fewest_middles(Fred(3), [Flow.of(inputs, outputs) for inputs, outputs in ports])
    steps = as_rings([[0, 2, 4], [1, 3]])
    assert [sorted((min(f.inputs), min(f.outputs)) for f in step) for step in steps] == [
        [(0, 2), (1, 3), (2, 4), (3, 1), (4, 0)]] * 2 + [[(0, 2), (2, 4), (4, 0)]] * 2  # fmt: skip


# --- two-level trees --------------------------------------------------------------------------------------------------


def test_ports_of_a_tree() -> None:
    tree = Tree(4, (4, 3), 2)
    assert (tree.switch(0).ports, tree.switch(1).ports, tree.switch(-1).ports) == (12, 11, 8)
    assert tree.switch(0).middles == 2
    assert (tree.uplink(0, 1), tree.uplink(1, 0)) == (9, 7)


def test_flows_of_groups_by_hand() -> None:
    tree = Tree(2, (1, 1))  # NPUs 0, 1; controller 2; uplinks 3, 4
    flows = _all_reduces(tree, [[0, 1]])
    assert dict(flows) == {0: [Flow.of([0, 1], [0, 1])]}
    wide = _all_reduces(tree, [[1, 2, 3]])
    assert wide[0] == [Flow.of([1], [4]), Flow.of([4], [1])]
    assert wide[1] == [Flow.of([0, 1], [3]), Flow.of([3], [0, 1])]
    assert wide[-1] == [Flow.of([1, 2], [1, 2])]


def test_flows_of_stages_by_hand() -> None:
    tree = Tree(2, (1, 1, 1))
    flows = _stage_casts(tree, Strategy(2, 1, 3))  # stages on switches of their own
    assert flows[0] == [Flow.of([0], [3])]
    assert flows[-1] == [Flow.of([0], [2]), Flow.of([2], [4])]
    assert flows[1] == [Flow.of([3], [0, 1]), Flow.of([0], [3])]
    assert flows[2] == [Flow.of([3], [0, 1])]
    near = _stage_casts(tree, Strategy(1, 1, 3))  # 0 to 1 on one switch, 1 to 2 across
    assert near[0] == [Flow.of([0], [1]), Flow.of([1], [4])]
    assert near[-1] == [Flow.of([1], [2])]
    assert near[1] == [Flow.of([3], [0])]
    both = _stage_casts(Tree(4, (1, 1)), Strategy(3, 1, 2))  # worker 0 to 3, on its own switch, and 4, 5 beyond
    assert both[0] == [Flow.of([0], [3, 5])]
    assert both[-1] == [Flow.of([0], [4])]
    assert both[1] == [Flow.of([5], [0, 1])]
    assert dict(_stage_casts(tree, Strategy(2, 3, 1))) == {}


@pytest.mark.parametrize("strategy", [s for s in strategies(20) if s.pp > 1], ids=lambda s: s.name)
def test_stages_hear_the_one_before_once(strategy: Strategy) -> None:
    flows = _stage_casts(Tree(4, (4, 4, 4, 3, 3)), strategy)
    lower = [(4 * place, flow) for place, mine in flows.items() if place >= 0 for flow in mine]
    heard = [first + port for first, flow in lower for port in flow.outputs if port < 4]
    sent = [first + port for first, flow in lower for port in flow.inputs if port < 4]
    replicas, stages = range(strategy.dp), range(strategy.pp)
    later = [group for d in replicas for group in (strategy.tensor_group(d, stage) for stage in stages[1:])]
    assert sorted(heard) == sorted(worker for group in later for worker in group)
    assert sorted(sent) == sorted(strategy.rank(0, stage, d) for d in replicas for stage in stages[:-1])


def test_phases_that_conflict_are_named_with_their_switches() -> None:
    lost = {s.name: conflicting(Tree(4, (4, 4, 4, 3, 3), 2), s) for s in strategies(20)}
    lost = {name: phases for name, phases in lost.items() if phases}
    assert set(lost) == {
        "MP(1)-DP(2)-PP(10)", "MP(1)-DP(4)-PP(5)", "MP(2)-DP(2)-PP(5)", "MP(5)-DP(2)-PP(2)", "MP(5)-DP(4)-PP(1)",
        "MP(10)-DP(2)-PP(1)",
    }  # fmt: skip
    for name, phases in lost.items():
        for phase, places in phases.items():
            assert phase in ("MP", "DP", "PP"), name
            assert set(places) <= set(range(-1, 5))
            assert places == sorted(places)
        strategy = next(s for s in strategies(20) if s.name == name)
        groups = {"MP": strategy.tensor_groups, "DP": strategy.data_groups}
        tree = Tree(4, (4, 4, 4, 3, 3), 2)
        for phase in ("MP", "DP", "PP"):
            flows = _stage_casts(tree, strategy) if phase == "PP" else _all_reduces(tree, groups[phase])
            wanted = [at for at in range(-1, 5) if at in flows and route(tree.switch(at), flows[at]) is None]
            assert phases.get(phase, []) == wanted


# --- placement of workers ---------------------------------------------------------------------------------------------


def test_beginnings_leave_out_exchanged_ports() -> None:
    switch = Fred(4)
    assert _exchanges(switch) == {1: 0, 3: 2, 2: 0}
    assert _longer(switch, ()) == [(0,), (1,), (2,), (3,)]
    assert _longer(switch, (1,)) == [(1, 2), (1, 3)]  # the partner of port 0 is the larger one
    assert _longer(switch, (0, 3)) == [(0, 3, 1), (0, 3, 2)]
    assert _exchanges(Fred(3)) == {1: 0}
    assert _exchanges(Fred(3, 2, "demux")) == {1: 0}
    assert _exchanges(Fred(8)) == {1: 0, 3: 2, 5: 4, 7: 6, 2: 0, 6: 4, 4: 0}
    assert _exchanges(Fred(6, 3, "demux")) == {1: 0, 3: 2, 5: 4, 2: 0}


def test_a_search_counts_the_beginnings_that_it_looked_at() -> None:
    impossible = [(Flow.of([a], [a]), Flow.of([b], [b])) for a in range(3) for b in range(a)]
    assert isinstance(place(Fred(3), impossible), tuple)
    groups = [tuple(Flow.of(pair, pair) for pair in pairs) for pairs in (
        ((0, 1), (2, 3), (4, 5)), ((0, 2), (1, 4), (3, 5)), ((0, 3), (1, 5), (2, 4)), ((0, 4), (1, 3), (2, 5)),
        ((0, 5), (1, 2), (3, 4)),
    )]  # fmt: skip
    refused = place(Fred(6, 2), groups)
    assert isinstance(refused, Certificate)
    assert len(refused.refuted) < refused.tried
    with pytest.raises(SlipstickError, match="undecided"):
        place(Fred(6, 2), groups, most=refused.tried - 1)
    assert place(Fred(6, 2), groups, most=refused.tried) == refused


# --- areas and power --------------------------------------------------------------------------------------------------


def test_area_and_power_of_the_wafers_switches_by_hand() -> None:
    spec = switches.resolve("fred-wafer").model_copy(
        update={
            "npus": 4, "io": (2, 1), "uplinks": 3, "npu_bandwidth": 5.0, "io_bandwidth": 2.0, "lower_chiplets": 2,
            "upper_chiplets": 4, "edge_density": 10.0, "energy": 0.5,
        }
    )  # fmt: skip
    # two switches of 4 x 5 + 3 x 5, and 3 controllers of 2, both ways, on two chiplets; 2 x 3 x 5 both ways on four
    assert _chiplet_bandwidths(spec) == (2 * (2 * 35.0 + 6.0) / 2, 2 * 30.0 / 4)
    lower, upper = (76.0 / 40) ** 2, (15.0 / 40) ** 2
    assert _switch_area(spec) == pytest.approx(2 * lower + 4 * upper)
    assert _switch_area(spec, density=20.0) == pytest.approx((2 * lower + 4 * upper) / 4)
    assert _switch_area(spec, floor=1.0) == pytest.approx(2 * lower + 4 * 1.0)
    assert _switch_power(spec) == pytest.approx(0.5 * (2 * 76.0 + 4 * 15.0))
    assert _beachfront_area(8.0, 1.0) == 4.0
    assert (spec.lower_ports, spec.upper_ports) == ((9, 8), 6)
    metrics = spec.overheads()
    assert metrics["area"].value == _switch_area(spec)
    assert metrics["power"].value == _switch_power(spec)
    assert metrics["area at denser I/O"].value == _switch_area(spec, density=spec.dense_density)
    assert metrics["area at denser I/O published"].value == spec.dense_share * spec.published_area


def test_routing_is_symmetric_in_the_order_of_flows() -> None:
    groups = [[0, 2], [1, 4], [3, 5], [6, 7]]
    flows = [Flow.of(group, group) for group in groups]
    there = route(Fred(8), flows)
    back = route(Fred(8), flows[::-1])
    assert there is not None
    assert back is not None
    for routed in (there, back):
        for i, j in conflicts(routed.flows):
            assert routed.colours[i] != routed.colours[j]
    assert not routable(Fred(8, 2), tuple((sum(1 << p for p in g), sum(1 << p for p in g)) for g in groups[:3]))
