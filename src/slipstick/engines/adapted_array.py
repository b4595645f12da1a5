"""Cycles, time and energy of a network's encoded weights on an array accelerator, compared with int8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from slipstick.core.device_kinds import Array

if TYPE_CHECKING:
    from slipstick.core.arrays import FloatArray
    from slipstick.core.encoding import Encoded
    from slipstick.core.question import Question
    from slipstick.engines.question import SystemSpec
    from slipstick.networks.graphs.imported import ImportedGraph


def _array_question(graph: ImportedGraph, system: SystemSpec) -> Question:
    """Return the Question that pairs a network's graph with the requested array.

    Errors
    ------
    SlipstickError for a system that is none, or no array.
    """
    from slipstick.engines.question import ask

    question = ask(graph, system)
    question.system.device_as(Array)
    return question


def _cycle_costs(question: Question, layers: Iterable[str]) -> dict[str, FloatArray]:
    """Return by layer the array's extra cycles for one more shift of each filter, [filters]."""
    from slipstick.array.encoded_weights import shift_cycles

    costs = shift_cycles(question.workload, question.system)
    return {layer: costs[name] for layer, name in _product_names(question, layers).items()}


def _array_metrics(question: Question, encoded: Mapping[str, Encoded]) -> dict[str, Any]:
    """Return cycles, time [s] and energy [J] on the array, for `encoded` weights (by layer) and for int8."""
    from slipstick.array.encoded_weights import on_array

    names = _product_names(question, encoded)
    return on_array(question.workload, question.system, {names[layer]: tensor for layer, tensor in encoded.items()})


def _product_names(question: Question, layers: Iterable[str]) -> dict[str, str]:
    """Return by layer the name of its product in the graph; some graphs add the operator, ``stem.conv2d``."""
    from slipstick.array.matrix_products import only_products, products_of

    names = [product.name for product in only_products(products_of(question.workload.ops, question.workload.batch))]
    return {
        layer: layer if layer in names else next((name for name in names if name.startswith(f"{layer}.")), layer)
        for layer in layers
    }
