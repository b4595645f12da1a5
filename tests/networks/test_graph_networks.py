"""Convolutional networks as operator graphs: published counts, edges, and what merging must conserve."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate
from slipstick.core.workload import Op, Phase
from slipstick.networks import network
from slipstick.networks.find_network import presets
from slipstick.networks.graphs import OperatorGraph, chains, fused, graph_network, leaf_ops, training_graph, transfers
from slipstick.networks.graphs.inception import InceptionV3

GRAPHS = [name for name in presets.names() if isinstance(network(name), OperatorGraph)]
IMAGES = ["resnet-14", "resnet-18", "resnet-50", "resnet-152", "inception-v3", "mobilenet-v2", "vgg-16", "alexnet"]
# GMAC as torchvision's documentation gives them ("GFLOPS": MobileNetV2's seen, the others recollected)
GMACS = {"resnet-18": 1.81, "resnet-50": 4.09, "mobilenet-v2": 0.30, "vgg-16": 15.47, "alexnet": 0.71}


def ops_of(name: str, batch: int = 1, phase: Phase = Phase.INFER) -> list[Op]:
    net = network(name)
    assert isinstance(net, OperatorGraph)
    return net.ops(phase, batch, net.max_positions, net.max_positions)


def edges(ops: list[Op]) -> int:
    return sum(len(op.after) for op in ops)


@pytest.mark.parametrize(("name", "gflop"), [("inception-v3", 11.43), ("resnet-152", 23.03)])
def test_forward_work_is_the_published(name: str, gflop: float) -> None:
    assert sum(op.flops for op in ops_of(name)) / 1e9 == pytest.approx(gflop, abs=0.005)


@pytest.mark.parametrize("name", GMACS)
def test_multiplications_are_those_recollected_of_torchvision(name: str) -> None:
    assert sum(op.flops for op in ops_of(name)) / 2e9 == pytest.approx(GMACS[name], abs=0.0055)


def test_a_narrow_mobilenet_has_the_parameters_recollected_of_timm() -> None:
    """Width 0.5: 1.97 M parameters, as in timm's table of results (recollection)."""
    net = graph_network({"graph": "mobilenet-v2", "name": "narrow", "width": 0.5})
    assert net.parameters / 1e6 == pytest.approx(1.97, abs=0.005)


def test_parameters_with_and_without_the_auxiliary_head() -> None:
    assert InceptionV3(name="x").parameters == 23_834_568
    assert InceptionV3(name="x", auxiliary=True).parameters == 27_161_264
    assert network("resnet-152").parameters == 60_192_808


def test_inception_has_66_chains_and_100_edges() -> None:
    whole = network("inception-v3")
    assert isinstance(whole, OperatorGraph)
    raw = whole.sample_ops(Phase.INFER, 1)
    kinds = [op.kind for op in raw]
    # 94 convolutions, norms and activations, 15 concatenations as exported; 14 pools and the classifier
    assert [kinds.count(kind) for kind in ("conv", "batchnorm", "elementwise", "concat", "pool")] == [
        94,
        94,
        94,
        15,
        14,
    ]
    for ops in (raw, fused(raw)):
        assert (len(chains(ops)), edges(chains(ops))) == (66, 100)


def test_the_auxiliary_head_runs_in_training_only() -> None:
    net = InceptionV3(name="x", auxiliary=True)
    there = {op.name for op in net.ops(Phase.TRAIN, 1, 1, 1)} - {op.name for op in net.ops(Phase.INFER, 1, 1, 1)}
    assert {name.split(".")[0] for name in there} == {"AuxLogits"}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_is_in_an_order_that_can_run(name: str) -> None:
    ops = ops_of(name, 4)
    for graph in (ops, chains(ops), training_graph(chains(ops)), training_graph(ops)):
        seen: set[str] = set()
        for op in graph:
            assert set(op.after) <= seen
            assert op.name not in seen
            assert not op.reads or len(op.reads) == len(op.after)
            seen.add(op.name)


@pytest.mark.parametrize("name", GRAPHS)
def test_merging_conserves_work_weights_and_results(name: str) -> None:
    net = network(name)
    assert isinstance(net, OperatorGraph)
    raw = net.sample_ops(Phase.INFER, net.max_positions)
    for merged in (fused(raw), chains(raw), chains(fused(raw))):
        assert sum(op.flops for op in merged) == pytest.approx(sum(op.flops for op in raw), rel=1e-12)
        assert sum(op.weights for op in merged) == sum(op.weights for op in raw)
        leaves = [leaf.name for op in merged for leaf in leaf_ops(op)]
        assert sorted(leaves) == sorted(leaf.name for op in raw for leaf in leaf_ops(op))
        results = {op.name: op for op in raw}
        for op in merged:
            # a recurrent layer has parts of its own from the start
            end = op.parts[-1].name if op.parts and op.parts[-1].name in results else op.name
            assert op.outputs == results[end].outputs
        # what one operation gives is what its readers read
        ends = {op.name for op in merged} - {before for op in merged for before in op.after}
        raw_ends = {op.name for op in raw} - {before for op in raw for before in op.after}
        assert len(ends) == len(raw_ends)


def test_no_chain_can_be_merged_further() -> None:
    graph = chains(ops_of("resnet-50"))
    assert [op.name for op in chains(graph)] == [op.name for op in graph]
    readers = [name for op in graph for name in op.after]
    for op in graph:
        assert len(op.after) != 1 or readers.count(op.after[0]) > 1


@pytest.mark.parametrize("name", IMAGES)
def test_sizes_grow_with_the_batch_and_weights_do_not(name: str) -> None:
    for one, many in zip(ops_of(name), ops_of(name, 7), strict=True):
        assert (many.flops, many.inputs, many.outputs) == (7 * one.flops, 7 * one.inputs, 7 * one.outputs)
        assert many.weights == one.weights
        assert math.prod(many.dims.values()) == 7 * math.prod(one.dims.values())


@pytest.mark.parametrize("name", IMAGES)
def test_products_have_the_flops_of_their_sizes(name: str) -> None:
    for op in (leaf for merged in ops_of(name, 2) for leaf in leaf_ops(merged)):
        if op.kind in ("conv", "matmul"):
            assert op.flops == 2 * op.dims["m"] * op.dims["n"] * op.dims["k"] * op.dims["batch"]


@pytest.mark.parametrize("name", IMAGES)
def test_backward_work_is_twice_the_forward_less_the_gradient_of_the_image(name: str) -> None:
    for ops in (ops_of(name, 2), chains(ops_of(name, 2))):
        first = leaf_ops(ops[0])[0]
        both = sum(op.flops for op in training_graph(ops))
        assert both == pytest.approx(3 * sum(op.flops for op in ops) - first.flops, rel=1e-12)


@pytest.mark.parametrize("name", IMAGES)
def test_gradients_carry_back_what_came_forward(name: str) -> None:
    """Every edge of the forward graph has its mirror, with as many elements; both passes of one run on one device."""
    ops = chains(ops_of(name))
    graph = training_graph(ops)
    carried = transfers(graph)
    for op in ops:
        for before in op.after:
            if any(g.name == f"{before}.input_gradient" for g in graph):
                assert carried[f"{op.name}.input_gradient", f"{before}.input_gradient"] == carried[before, op.name]
    places = {op.name: op.colocate for op in graph}
    assert all(place == name.removesuffix(".input_gradient").removesuffix(".weight_gradient")
               for name, place in places.items())  # fmt: skip
    updated = sum(op.outputs for op in graph if op.name.endswith(".weight_gradient"))
    products = sum(leaf.weights for op in ops for leaf in leaf_ops(op) if leaf.kind in ("conv", "matmul"))
    assert updated == products


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_network_survives_its_own_dump(name: str) -> None:
    net = network(name)
    assert validate(type(net), net.model_dump()) == net
    assert network(net.model_dump()) == net


@pytest.mark.parametrize("name", IMAGES)
def test_a_finer_image_is_more_work_of_the_same_parameters(name: str) -> None:
    fields = network(name).model_dump()
    small, large = (graph_network({**fields, "image": size}) for size in (192, 320))
    works = [sum(op.flops for op in net.ops(Phase.INFER, 1, 1, 1)) for net in (small, large)]
    assert small.parameters == large.parameters
    assert all(a < b for a, b in pairwise(works))


def test_wrong_descriptions_are_clear_errors() -> None:
    with pytest.raises(SlipstickError, match="did you mean 'resnet'"):
        graph_network({"graph": "resnett", "name": "x"})
    with pytest.raises(SlipstickError, match="blocks"):
        graph_network({"graph": "resnet", "name": "x"})
    with pytest.raises(SlipstickError, match="phase"):
        network("resnet-50").ops(Phase.DECODE, 1, 1, 1)
    with pytest.raises(SlipstickError, match="no sequence"):
        network("resnet-50").ops(Phase.INFER, 1, 128, 128)
