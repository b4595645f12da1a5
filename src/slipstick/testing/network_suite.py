"""Conformance suite of networks as sizes: tests that every Network must pass, run by pytest.

A package inherits it once for all of its networks: names of the catalogue, files, dicts or objects::

    class TestNetworks(NetworkSuite):
        networks = ("my-folder/config.json", Tower(name="tower"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Network, Op, Phase, Workload
from slipstick.engines.question import find_network
from slipstick.testing.members import one_case_each


class NetworkSuite:
    """Tests of every network in `networks`: its counts, its operations in each phase, its operator graph."""

    networks: ClassVar[Sequence[str | Path | Network | Mapping[str, Any]]] = ()

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case for every network."""
        one_case_each(metafunc, "spec", self.networks, _label)

    def test_its_counts_make_sense(self, spec: Any) -> None:
        """A network has a name, a kind, layers, and parameters of which a token uses all or some."""
        network = find_network(spec)
        assert network.name
        assert network.kind in ("decoder", "graph")
        assert network.phases
        assert network.layers > 0
        assert 0 < network.active_parameters <= network.parameters

    def test_default_sizes_are_a_workload_of_each_phase(self, spec: Any) -> None:
        """A user who gives no sizes gets some that the network computes; `output` where it generates tokens."""
        network = find_network(spec)
        for phase in network.phases:
            sizes = network.default_sizes(phase, devices=2)
            assert set(sizes) == {"batch", "sequence", *(["output"] if phase is Phase.DECODE else [])}
            assert Workload(network=network, phase=phase, **sizes).ops

    def test_operations_are_counts(self, spec: Any) -> None:
        """Every operation has a name and a kind, and no size below zero; none reads more weights than there are."""
        network = find_network(spec)
        for phase in network.phases:
            operations = _workload(network, phase).ops
            for op in operations:
                assert op.name
                assert op.kind
                assert op.count > 0
                assert min(op.flops, op.weights, op.inputs, op.outputs, *op.dims.values()) >= 0, op
            assert max(op.weights for op in operations) <= network.parameters

    def test_the_geometry_of_convolutions_has_their_outputs(self, spec: Any) -> None:
        """Rows times columns of the result, by the geometry that a convolution tells, are its outputs of one filter."""
        network = find_network(spec)
        for phase in network.phases:
            for op in _workload(network, phase, batch=2).ops:
                if op.kind == "conv" and op.geometry is not None and "gradient" not in op.name:
                    assert op.dims["m"] == 2 * op.geometry.output[0] * op.geometry.output[1], op
                    assert op.dims.get("taps", 1) == op.geometry.kernel[0] * op.geometry.kernel[1], op

    def test_twice_the_batch_is_twice_the_work(self, spec: Any) -> None:
        """Samples do not share operations: FLOPs are in proportion to the batch, weights are not read more often."""
        network = find_network(spec)
        for phase in network.phases:
            single, double = _workload(network, phase, batch=4), _workload(network, phase, batch=8)
            assert _flops(double.ops) == pytest.approx(2 * _flops(single.ops), rel=1e-9)
            assert _flops(single.ops) > 0

    def test_the_operator_graph_has_the_flops_of_the_operations(self, spec: Any) -> None:
        """Placement divides the same work that an estimate prices, every operation behind those that it reads."""
        network = find_network(spec)
        for phase in network.phases:
            workload = _workload(network, phase)
            graph = workload.operator_graph
            assert sum(op.flops for op in graph) == pytest.approx(_flops(workload.ops), rel=1e-9)
            known: set[str] = set()
            for op in graph:
                assert op.name not in known, op.name
                assert known.issuperset(op.after), op
                known.add(op.name)

    def test_a_sample_has_bytes(self, spec: Any) -> None:
        """A data loader sends something for every sample, and no less for a longer one."""
        network = find_network(spec)
        length = network.default_sizes(network.phases[0], devices=1)["sequence"]
        assert network.sample_bytes(length) > 0
        if length > 1:
            assert network.sample_bytes(length // 2) <= network.sample_bytes(length)

    def test_another_phase_is_refused(self, spec: Any) -> None:
        """Asked for operations of a phase that it does not have, it is one clear error."""
        network = find_network(spec)
        for phase in set(Phase) - set(network.phases):
            with pytest.raises(SlipstickError):
                network.ops(phase, 1, 16, 16)

    def test_another_kind_is_refused(self, spec: Any) -> None:
        """A cost model that needs another kind of network is told which it got."""
        network = find_network(spec)
        assert type(network).of(network) is network

        class Other(Network):
            described = "another network"

        with pytest.raises(SlipstickError, match=r"workload\.network: of the kind .*; allowed: another network"):
            Other.of(network)


def _label(spec: Any) -> str:
    return str(getattr(spec, "name", None) or (spec.get("name") if isinstance(spec, Mapping) else None) or spec)


def _workload(network: Network, phase: Phase, batch: int = 1) -> Workload:
    sizes = {**network.default_sizes(phase, devices=1), "batch": batch}
    return Workload(network=network, phase=phase, **sizes)


def _flops(operations: list[Op]) -> float:
    return sum(op.flops * op.count for op in operations)
