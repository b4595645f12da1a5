"""Fred_m(P): exhaustive counts, the law, a brute-force oracle, and numbers that come out as numpy adds them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, islice, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.configuration import _Settings
from slipstick.fabric.switch.counting import flow_sets
from slipstick.fabric.switch.flow_routing import Masks, _halved, _Routed, conflicts, routable, route
from slipstick.fabric.switch.switch_flow import _COLLECTIVES, Flow, _collective_flows
from slipstick.fabric.switch.values import carry

# theory 1.4 gives 4, 5, 6, 8, 9; 7 is found here
UNROUTABLE = {2: 0, 3: 0, 4: 0, 5: 0, 6: 8, 7: 32, 8: 448}
FIGURE_7J = [[0, 2], [1, 4], [3, 5]]


def group_flows(groups: list[list[int]]) -> list[Flow]:
    return [Flow.of(group, group) for group in groups]


def as_flows(masks: Masks) -> list[Flow]:
    def ports(mask: int) -> list[int]:
        return [port for port in range(mask.bit_length()) if mask >> port & 1]

    return [Flow.of(ports(inputs), ports(outputs)) for inputs, outputs in masks]


def unroutable(switch: Fred, kind: str) -> int:
    return sum(not routable(switch, masks) for masks in flow_sets(kind, switch.ports))


def expected(flows: list[Flow], values: np.ndarray) -> dict[int, np.ndarray]:
    """Each output port gets numpy's sum over the flow's inputs."""
    sums = {port: values[sorted(flow.inputs)].sum(axis=0) for flow in flows for port in flow.outputs}
    return dict(sorted(sums.items()))


def brute_force(switch: Fred, flows: Masks) -> bool:
    """Try every colouring of every level: slow and obviously right."""
    if switch.ports <= 2:
        return True
    last = 1 << (switch.ports - 1)
    for colours in product(range(switch.ways), repeat=len(flows)):
        if switch.piece and any(c and (i | o) & last for c, (i, o) in zip(colours, flows, strict=True)):
            continue
        classes = [[f for c, f in zip(colours, flows, strict=True) if c == way] for way in range(switch.ways)]
        small = [tuple((_halved(i), _halved(o)) for i, o in members) for members in classes]
        if all(_no_sharing(members) for members in small) and all(
            brute_force(switch.inner(way), members) for way, members in enumerate(small)
        ):
            return True
    return False


def _no_sharing(flows: Masks) -> bool:
    return all(not (a[0] & b[0] or a[1] & b[1]) for place, a in enumerate(flows) for b in flows[:place])


@pytest.mark.parametrize("ports", range(2, 9))
@pytest.mark.parametrize("middles", [2, 3])
def test_all_partitions(ports: int, middles: int) -> None:
    assert unroutable(Fred(ports, middles), "groups") == (UNROUTABLE[ports] if middles == 2 else 0)


def test_nine_ports() -> None:
    assert unroutable(Fred(9, 2), "groups") == 2080


def test_partitions_are_counted_by_bell() -> None:
    assert [sum(1 for _ in flow_sets("groups", ports)) for ports in range(1, 10)] == [
        1,
        2,
        5,
        15,
        52,
        203,
        877,
        4140,
        21147,
    ]


@pytest.mark.parametrize(("ports", "lost"), [(6, 0), (7, 24), (8, 768)])
def test_all_pipeline_multicasts(ports: int, lost: int) -> None:
    """Disjoint groups, one member of each sends to the others: the counts are ours, the router brute force's equal."""
    assert unroutable(Fred(ports, 2), "stars") == lost
    assert unroutable(Fred(ports, 3), "stars") == 0


@pytest.mark.parametrize(("three", "lost"), [("benes", [4, 0, 0]), ("demux", [0, 0, 0])])
def test_multicasts_that_chain(three: str, lost: list[int]) -> None:
    """A port may receive while it sends: m = 3 carries every such set from P = 4; the Benes piece loses 4 at P = 3."""
    assert [unroutable(Fred(ports, 3, three), "chains") for ports in (3, 4, 5)] == lost


@pytest.mark.parametrize(
    ("ports", "middles", "three"), [(3, 2, "benes"), (3, 3, "benes"), (4, 2, "benes"), (5, 2, "demux")]
)
def test_the_router_is_brute_force_on_chains(ports: int, middles: int, three: str) -> None:
    switch = Fred(ports, middles, three)
    for masks in islice(flow_sets("chains", ports), 0, None, 1 if ports < 5 else 17):
        assert routable(switch, masks) == brute_force(switch, masks), masks


def test_the_router_is_brute_force_on_partitions() -> None:
    chance = random.Random(4)  # noqa: S311  a choice of cases
    for ports, sets in ((6, flow_sets("groups", 6)), (7, flow_sets("stars", 7)), (8, flow_sets("groups", 8))):
        chosen = chance.sample([masks for masks in sets if len(masks) <= 5], 150)
        for masks in chosen:
            assert routable(Fred(ports, 2), masks) == brute_force(Fred(ports, 2), masks), masks


def test_backtracking_crosses_levels() -> None:
    """For 64 sets of multicasts the first proper colouring fails deeper: a router without retries would lose them."""
    lost = [
        masks
        for masks in flow_sets("stars", 7)
        if routable(Fred(7, 2), masks) and not _first_colouring(Fred(7, 2), masks)
    ]
    assert len(lost) == 64
    assert all(brute_force(Fred(7, 2), masks) for masks in lost[:10])


def _first_colouring(switch: Fred, flows: Masks) -> bool:
    """Take the first proper colouring of each level, in the order of `product`, and no other."""
    if switch.ports <= 2:
        return True
    small = [(_halved(i), _halved(o)) for i, o in flows]
    for colours in product(range(switch.ways), repeat=len(flows)):
        classes = [tuple(f for c, f in zip(colours, small, strict=True) if c == way) for way in range(switch.ways)]
        if all(_no_sharing(members) for members in classes):
            return all(_first_colouring(switch.inner(way), members) for way, members in enumerate(classes))
    return False


@st.composite
def grouped(draw: st.DrawFn, most: int = 11) -> tuple[int, list[list[int]]]:
    """Draw a number of ports and disjoint groups of them."""
    ports = draw(st.integers(2, most))
    owners = draw(st.lists(st.integers(0, ports - 1), min_size=ports, max_size=ports))
    return ports, [[p for p in range(ports) if owners[p] == g] for g in sorted(set(owners))]


@given(grouped(), st.integers(2, 5), st.sampled_from(["benes", "demux"]))
@settings(max_examples=300, deadline=None)
def test_the_law(case: tuple[int, list[list[int]]], middles: int, three: str) -> None:
    ports, groups = case
    flows = group_flows(groups)
    assert len(conflicts(flows)) <= ports // 2
    if Fred(ports, middles, three).routes_all_groups:
        assert route(Fred(ports, middles, three), flows) is not None


@pytest.mark.parametrize("middles", [2, 3, 4])
def test_the_law_is_tight(middles: int) -> None:
    """At floor(P/2) = m (m + 1) / 2, m + 1 groups of m ports meet pairwise and conflict; one port less routes."""
    ports, groups = meeting(middles)
    assert ports == middles * (middles + 1)
    assert not Fred(ports, middles).routes_all_groups
    assert route(Fred(ports, middles), group_flows(groups)) is None
    assert route(Fred(ports, middles), group_flows([[p for p in g if p != ports - 1] for g in groups])) is not None


def meeting(middles: int) -> tuple[int, list[list[int]]]:
    """Return m + 1 groups of which any two share one micro-switch."""
    groups: list[list[int]] = [[] for _ in range(middles + 1)]
    port = 0
    for j in range(middles + 1):
        for i in range(j):
            groups[i].append(port)
            groups[j].append(port + 1)
            port += 2
    return port, groups


def test_the_first_failures_of_three_middles() -> None:
    """On 12 ports they are the four groups of three that meet pairwise: 6! 2**6 / 4! partitions, and each conflicts."""
    failing = set()
    for order in permutations(range(6)):
        for swaps in product((0, 1), repeat=6):
            groups = [0, 0, 0, 0]
            for pair, (i, j), swap in zip(order, combinations(range(4), 2), swaps, strict=True):
                groups[i] |= 1 << (2 * pair + swap)
                groups[j] |= 1 << (2 * pair + 1 - swap)
            failing.add(tuple(sorted((group, group) for group in groups)))
    assert len(failing) == 1920
    assert not any(routable(Fred(12, 3), masks) for masks in failing)


def test_the_example_of_figure_7j() -> None:
    flows = group_flows(FIGURE_7J)
    assert conflicts(flows) == [(0, 1), (0, 2), (1, 2)]
    assert route(Fred(8, 2), flows) is None
    assert route(Fred(8, 3), flows) is not None


@given(st.integers(2, 20), st.integers(2, 4), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_unicasts_never_block(ports: int, middles: int, chance: random.Random) -> None:
    """m = 2 is rearrangeable for permutations (Benes), at every size."""
    targets = chance.sample(range(ports), ports)
    assert route(Fred(ports, middles), [Flow.of([i], [target]) for i, target in enumerate(targets)]) is not None


def routed_sets() -> Iterator[tuple[Fred, Masks]]:
    for middles in (2, 3):
        for ports in range(2, 8):
            for sets in (flow_sets("groups", ports), flow_sets("stars", ports) if ports < 7 else ()):
                yield from ((Fred(ports, middles), masks) for masks in sets)
        yield from ((Fred(8, middles), masks) for masks in flow_sets("groups", 8))
        yield from (
            (Fred(8, middles), masks) for masks in islice(flow_sets("stars", 8), 0, None, 41)
        )  # 41,393 take too long
        for three in ("benes", "demux"):
            yield from ((Fred(4, middles, three), masks) for masks in flow_sets("chains", 4))


def test_values_equal_numpy_for_all_routed_sets() -> None:
    values = np.random.default_rng(7).integers(-(2**40), 2**40, (8, 3))
    checked = 0
    for switch, masks in routed_sets():
        flows = as_flows(masks)
        if route(switch, flows) is None:
            continue
        found, wanted = carry(switch, flows, values[: switch.ports]), expected(flows, values)
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[port], wanted[port]) for port in wanted)
        checked += 1
    assert checked > 10_000


@given(grouped(), st.integers(2, 4), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_values_of_any_flows(case: tuple[int, list[list[int]]], middles: int, chance: random.Random) -> None:
    """Inputs and outputs of a flow need not be the same ports."""
    ports, groups = case
    others = chance.sample(groups, len(groups))
    flows = [Flow.of(group, other) for group, other in zip(groups, others, strict=True)]
    switch = Fred(ports, middles)
    if route(switch, flows) is not None:
        values = np.arange(ports * 2).reshape(ports, 2) ** 3
        found = carry(switch, flows, values)
        assert all(np.array_equal(found[port], wanted) for port, wanted in expected(flows, values).items())


def test_compound_collectives_equal_numpy() -> None:
    group, values = [0, 2, 3, 6], np.random.default_rng(1).integers(0, 1000, (7, 5))
    sums = values[group].sum(axis=0)

    def carried(collective: str, root: int = 0) -> list[dict[int, np.ndarray]]:
        return [carry(Fred(7), step, values) for step in _collective_flows(collective, group, root)]

    for port, got in zip(group, carried("reduce_scatter"), strict=True):
        assert np.array_equal(got.pop(port), sums)
        assert not got
    for port, got in zip(group, carried("all_gather"), strict=True):
        assert sorted(got) == group
        assert all(np.array_equal(wire, values[port]) for wire in got.values())
    (got,) = carried("all_reduce")
    assert sorted(got) == group
    assert all(np.array_equal(wire, sums) for wire in got.values())
    seen = {(at, tuple(wire)) for got in carried("all_to_all") for at, wire in got.items()}
    assert seen == {(at, tuple(values[source])) for at in group for source in group if source != at}
    for port, got in zip(group, carried("scatter", 1), strict=True):
        assert list(got) == [port]
        assert np.array_equal(got[port], values[1])
    for port, got in zip(group, carried("gather", 1), strict=True):
        assert list(got) == [1]
        assert np.array_equal(got[1], values[port])
    (got,) = carried("reduce", 5)
    assert list(got) == [5]
    assert np.array_equal(got[5], sums)
    (got,) = carried("multicast", 5)
    assert sorted(got) == group
    assert all(np.array_equal(wire, values[5]) for wire in got.values())
    with pytest.raises(SlipstickError, match="no such collective"):
        _collective_flows("broadcast", group)


def test_a_ring_adds_up_in_every_place_after_two_rounds() -> None:
    """Each member passes on the chunk that it has just received: after k - 1 steps the sums are complete, after
    2 (k - 1) they are everywhere."""
    group = [1, 4, 2, 7]
    series = _collective_flows("ring_all_reduce", group)
    assert len(series) == 2 * (len(group) - 1)
    for step in series:
        assert sorted((min(flow.inputs), min(flow.outputs)) for flow in step) == [(1, 4), (2, 7), (4, 2), (7, 1)]
        assert all(len(flow.inputs) == len(flow.outputs) == 1 for flow in step)


@pytest.mark.parametrize(
    "name", [name for name in _COLLECTIVES if name not in ("reduce", "multicast", "scatter", "gather")]
)
def test_a_collective_stays_in_its_group(name: str) -> None:
    group = [1, 2, 5]
    ports = {port for step in _collective_flows(name, group) for flow in step for port in flow.inputs | flow.outputs}
    assert ports == set(group)


@given(grouped(), st.integers(2, 5))
@settings(deadline=None)
def test_packed_settings_unpack(case: tuple[int, list[list[int]]], middles: int) -> None:
    ports, groups = case
    switch = Fred(ports, middles)
    routed = route(switch, group_flows(groups))
    if routed is not None:
        chosen = _Settings.of(routed)
        assert _Settings.unpack(switch, chosen.pack(switch)) == chosen
        assert len(chosen.pack(switch)) == -(-switch.configuration_bits // 8)


def test_configurations_fit_the_memory() -> None:
    """1.5 kB hold at least the three phases' words of the wafer's largest lower switch."""
    assert Fred(12, 3).configurations_in(1500) >= 3


@pytest.mark.parametrize("ports", [4, 6, 8, 16])
def test_micro_switches_of_even_sizes(ports: int) -> None:
    """m = 2 and P a power of two is a Benes network: P/2 (2 log2 P - 1) two-by-two switches."""
    found = Fred(ports, 2).micro_switches()
    if ports & (ports - 1) == 0:
        assert sum(found.values()) == ports // 2 * (2 * (ports.bit_length() - 1) - 1)
    assert found["R"] == found["D"]


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: Fred(0), "switch.ports"),
        (lambda: Fred(10**9), "switch.ports"),
        (lambda: Fred(8, 1), "switch.middles"),
        (lambda: Fred(8, 3, "magic"), "switch.three"),
        (lambda: route(Fred(4), [Flow.of([0], [4])]), "flows.0.outputs"),
        (lambda: route(Fred(4), [Flow.of([], [1])]), "flows.0.inputs"),
        (lambda: route(Fred(4), [Flow.of([0], [1]), Flow.of([-1, 2], [2])]), "flows.1.inputs"),
        (lambda: route(Fred(4), [Flow.of([0], [1]), Flow.of([0], [2])]), "flows.1.inputs"),
        (lambda: carry(Fred(8, 2), group_flows(FIGURE_7J), np.zeros((8, 1), np.int64)), "flows"),
        (lambda: _Settings.unpack(Fred(4), b""), "bytes"),
    ],
)
def test_errors_name_the_field(make: object, path: str) -> None:
    with pytest.raises(SlipstickError) as caught:
        make()  # type: ignore[operator]
    assert caught.value.path == path


def test_a_routed_set_has_no_wire_twice() -> None:
    def walk(routed: _Routed) -> None:
        for one, other in conflicts(routed.flows):
            if routed.switch.ports > 2:
                assert routed.colours[one] != routed.colours[other]
        for inner in routed.inner:
            walk(inner)

    for masks in islice(flow_sets("groups", 8), 0, None, 7):
        found = route(Fred(8), as_flows(masks))
        assert found is not None
        walk(found)


def test_the_law_of_disjoint_groups_is_that_of_the_counts() -> None:
    """As measured over all partitions: two middles route three or four ports' pairs, three up to eleven."""
    assert [Fred(ports, 2).routes_all_groups for ports in (3, 4, 5, 6, 8)] == [True, True, True, False, False]
    assert [Fred(ports, 3).routes_all_groups for ports in (6, 8, 10, 11, 12)] == [True, True, True, True, False]


def test_a_collective_with_a_root_starts_at_port_0() -> None:
    assert _collective_flows("multicast", [0, 1, 2]) == _collective_flows("multicast", [0, 1, 2], 0)
    assert _collective_flows("multicast", [0, 1, 2]) != _collective_flows("multicast", [0, 1, 2], 1)
