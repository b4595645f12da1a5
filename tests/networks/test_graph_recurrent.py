"""Recurrent networks and decoders as operator graphs: counts, work that no cut changes, state that passes."""

from __future__ import annotations

import pytest
import torch

from slipstick.core.workload import Op, Phase, Workload
from slipstick.networks import from_torch, network
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.find_network import presets
from slipstick.networks.graphs import BigLstm, Gnmt, OperatorGraph, leaf_ops, training_graph, transfers
from slipstick.trained.torch import build, example_inputs

RECURRENT = ["gnmt", "gnmt-4", "big-lstm"]
DECODERS = [name for name in presets.names() if isinstance(network(name), Decoder)]


def ops_of(net: OperatorGraph, phase: Phase = Phase.TRAIN, batch: int = 2) -> list[Op]:
    return net.ops(phase, batch, net.max_positions, net.max_positions)


def flops(ops: list[Op]) -> float:
    return sum(op.flops * op.count for op in ops)


@pytest.mark.parametrize("name", ["gnmt-4", "big-lstm"])
@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.INFER])
def test_work_and_parameters_are_those_of_the_torch_module(name: str, phase: Phase) -> None:
    net = network(name)
    assert isinstance(net, OperatorGraph)
    with torch.device("meta"):
        traced = from_torch(build(net).train(phase is Phase.TRAIN), example_inputs(net, 2))
    assert traced.parameters == net.parameters
    assert flops(list(traced.operations)) == flops(ops_of(net, phase))


def test_parameters_of_gnmt_with_eight_layers_are_those_of_torch() -> None:
    net = network("gnmt")
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build(net).parameters()) == net.parameters


@pytest.mark.parametrize("cut", [1, 3, 16, 1000])
def test_blocks_of_time_change_neither_work_nor_parameters(cut: int) -> None:
    for whole in (Gnmt(name="g", vocabulary=1000, hidden=64, length=24), BigLstm(name="b", vocabulary=999, samples=10)):
        other = whole.model_copy(update={"block": cut})
        assert flops(ops_of(other)) == flops(ops_of(whole))
        assert other.parameters == whole.parameters
        assert sum(
            leaf.outputs * leaf.count for op in ops_of(other) if op.kind == "lstm" for leaf in leaf_ops(op)
        ) == sum(leaf.outputs * leaf.count for op in ops_of(whole) if op.kind == "lstm" for leaf in leaf_ops(op))


@pytest.mark.parametrize("name", RECURRENT)
def test_work_grows_with_the_sentence(name: str) -> None:
    net = network(name)
    works = [flops(net.ops(Phase.TRAIN, 1, length, length)) for length in (8, 16, 32)]
    assert works == sorted(works)
    linear = works[2] / works[0]
    assert linear == pytest.approx(4.0, rel=0.05)  # attention alone grows faster
    assert linear >= 4.0


@pytest.mark.parametrize("name", RECURRENT)
def test_a_block_reads_the_state_of_the_one_before_and_not_its_results(name: str) -> None:
    net = network(name)
    assert isinstance(net, OperatorGraph)
    ops = {op.name: op for op in ops_of(net, batch=3)}
    carried = transfers(list(ops.values()))
    states = [(a, b) for a, b in carried if ops[a].kind == ops[b].kind == "lstm" and ops[a].colocate == ops[b].colocate]
    assert states
    for a, b in states:
        steps = ops[a].dims["steps"]
        width = ops[a].outputs / steps / 3
        cells = net.hidden if isinstance(net, Gnmt | BigLstm) else 0
        assert carried[a, b] == 3 * (width + cells)


@pytest.mark.parametrize("name", RECURRENT)
def test_backward_work_is_twice_the_forward(name: str) -> None:
    net = network(name)
    assert isinstance(net, OperatorGraph)
    forward = ops_of(net)
    assert flops(training_graph(forward)) == pytest.approx(3 * flops(forward), rel=1e-12)
    layers = {op.colocate for op in forward if op.kind == "lstm"}
    assert {op.colocate for op in training_graph(forward)} >= layers


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.DECODE])
@pytest.mark.parametrize("name", DECODERS)
def test_decoders_are_written_out_layer_by_layer(name: str, phase: Phase) -> None:
    workload = Workload(network=network(name), phase=phase, batch=2, sequence=64)
    graph = workload.operator_graph
    assert flops(graph) == pytest.approx(flops(workload.ops), rel=1e-12)
    assert all(op.count == 1 for op in graph)
    seen: set[str] = set()
    for op in graph:
        assert set(op.after) <= seen
        assert op.name not in seen
        seen.add(op.name)
    net = workload.network
    assert isinstance(net, Decoder)
    shortcuts = [op for op in graph if op.name.endswith("residual")]
    assert len(shortcuts) == 2 * net.layers
    assert all(len(op.after) > 1 for op in shortcuts)


def test_only_the_ends_of_a_decoder_have_no_reader() -> None:
    graph = Workload(network=network("llama-3.1-8b"), phase=Phase.TRAIN, sequence=64).operator_graph
    read = {name for op in graph for name in op.after}
    assert [op.name for op in graph if op.name not in read] == ["head"]
    assert [op.name for op in graph if not op.after] == ["embedding"]
    assert sum(op.weights for op in graph) == network("llama-3.1-8b").parameters
