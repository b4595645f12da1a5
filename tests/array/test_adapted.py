"""An integer network's graph and its encoded weights on arrays: what the plan's formats say, filter by filter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from commands import ROOT
from shared_data import SHARED, present
from slipstick.array.encoded_weights import on_array, shift_cycles
from slipstick.array.estimate import ArrayRun, _array_run
from slipstick.array.layer_cycles import _layer_pass
from slipstick.array.matrix_products import only_products, products_of
from slipstick.core.device_kinds import Array
from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Phase
from slipstick.engines.question import ask
from slipstick.formats import Swis, format_of
from slipstick.networks import network
from slipstick.trained.integer.integer_graph import _integer_graph
from slipstick.trained.integer.layer_weights import layer_weights

pytest.importorskip("tflite", reason="tflite is not installed (extra: import)")
from slipstick.trained.tflite import read_tflite

SMALL = ROOT / "examples" / "data" / "small.tflite"
NETWORK = read_tflite(SMALL)
MOBILENET = SHARED / "data/mobilenet_tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"


def weights(text: str, **side: np.ndarray) -> dict[str, Encoded]:
    """Return all layers of the small network in one format."""
    return {
        one.name: format_of(text).encoding.encode(one.codes.astype(float), {"scale": one.scales * 0 + 1, **side})
        for one in layer_weights(NETWORK)
    }


def costed(system: str, text: str, encoded: dict[str, Encoded] | None, **changes: object) -> ArrayRun:
    question = ask(_integer_graph(NETWORK), system, f"formats={text}", set=changes)
    return _array_run(question.workload, question.system, question.plan, encoded)


def test_the_graph_has_every_layer_by_its_name_and_all_weights() -> None:
    graph = _integer_graph(NETWORK)
    found = only_products(products_of(graph.ops(Phase.INFER, 1, 1, 1)))
    layers = layer_weights(NETWORK)
    assert [product.name for product in found] == [one.name for one in layers]
    assert [product.weights for product in found] == [one.codes.size for one in layers]
    assert graph.parameters == sum(one.codes.size + len(one.codes) for one in layers)
    for product, one in zip(found, layers, strict=True):
        result = NETWORK.tensors[NETWORK.operators[one.op].output]
        assert product.outputs == result.size
        assert product.macs == result.size * one.codes[0].size, "each output is a sum over its filter"


def test_a_file_of_mobilenet_v2_is_our_own_graph_of_it() -> None:
    ours, files = (
        only_products(products_of(net.ops(Phase.INFER, 1, 1, 1)))
        for net in (network("mobilenet-v2"), _integer_graph(read_tflite(present(MOBILENET))))
    )
    for mine, file in zip(ours[:-1], files[:-1], strict=True):
        assert dataclasses.replace(file, name=mine.name) == mine
    assert (files[-1].filters, ours[-1].filters) == (1001, 1000)  # the file has a class for the background


@pytest.mark.parametrize("text", ["swis:3", "round:4", "int8:axis=0"])
@pytest.mark.parametrize("system", ["swis-8x8", "swis-8x8-double", "stripes-8x8"])
def test_encoded_weights_take_what_the_plan_says_of_their_format(system: str, text: str) -> None:
    planned, held = costed(system, text, None), costed(system, "int8", weights(text))
    for one, other in zip(planned.layers, held.layers, strict=True):
        assert one.cycles == other.cycles
        assert one.stored.nbytes == other.stored.nbytes
    assert planned.spent() == held.spent()


def test_filters_in_lockstep_have_like_shifts() -> None:
    one = next(one for one in layer_weights(NETWORK) if one.kind == "conv" and len(one.codes) >= 8)
    shifts = np.resize([6, 1], len(one.codes))  # every fold would wait for six shifts in the file's order
    encoded = Swis(3).encode(one.codes.astype(float), {"shifts": shifts})
    held = costed("swis-8x8", "int8", {one.name: encoded}, **{"system.device.columns": 4})
    cost = next(each for each in held.layers if each.product.name == one.name)
    sizes = cost.product.pixels, cost.product.reduction, cost.product.filters
    array = Array(clock=5e8, rows=8, columns=4, group=4, element="single-shift")
    wanted = _layer_pass(*sizes, np.sort(shifts), array)
    assert cost.cycles == int(wanted.cycles)
    assert cost.cycles < int(_layer_pass(*sizes, shifts, array).cycles)
    assert cost.stored.nbytes == encoded.nbytes


def test_a_pool_saves_traffic_but_no_cycles() -> None:
    question = ask(_integer_graph(NETWORK), "swis-8x8")
    found = on_array(question.workload, question.system, weights("pool:size=16,vector=4"))
    assert found["cycles"].value == found["cycles_int8"].value
    assert found["energy"].value < found["energy_int8"].value


def test_fewer_shifts_are_faster_than_int8() -> None:
    question = ask(_integer_graph(NETWORK), "swis-8x8")
    speedups = [on_array(question.workload, question.system, weights(f"swis:{n}"))["speedup"].value for n in (6, 4, 2)]
    assert 1 < speedups[0] < speedups[1] < speedups[2] < 8 / 2


def test_weights_of_another_network_are_refused() -> None:
    name = layer_weights(NETWORK)[0].name
    with pytest.raises(SlipstickError, match="no such product"):
        costed("swis-8x8", "int8", {"nobody": format_of("swis:3").encoding.encode(np.ones((4, 4)))})
    with pytest.raises(SlipstickError, match="weights of another shape"):
        costed("swis-8x8", "int8", {name: format_of("swis:3").encoding.encode(np.ones((4, 4)))})


@pytest.mark.parametrize("system", ["swis-8x8", "swis-8x8-double", "stripes-8x8"])
def test_a_shift_costs_what_it_adds_to_the_arrays_cycles(system: str) -> None:
    question = ask(_integer_graph(NETWORK), system)
    costs = shift_cycles(question.workload, question.system)
    few, many = (costed(system, f"round:{n}", None) for n in (2, 4))
    added = sum(layer.cycles for layer in many.layers) - sum(layer.cycles for layer in few.layers)
    assert 2 * sum(cost.sum() for cost in costs.values()) == pytest.approx(added)
    layers = layer_weights(NETWORK)
    assert [len(costs[layer.name]) for layer in layers] == [len(layer.codes) for layer in layers]


def test_cycles_that_follow_no_shifts_cannot_be_scheduled() -> None:
    question = ask(_integer_graph(NETWORK), "int8-8x8")
    with pytest.raises(SlipstickError, match="do not follow shifts"):
        shift_cycles(question.workload, question.system)
