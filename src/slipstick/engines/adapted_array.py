"""Cycles, time and energy of a network's encoded weights on an array, beside int8."""

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


def array_question(graph: ImportedGraph, system: SystemSpec) -> Question:
    """Return a network's graph and the array that is asked about.

    Errors
    ------
    SlipstickError for a system that is none, or no array.
    """
    from slipstick.engines.question import ask

    question = ask(graph, system)
    question.system.device_as(Array)
    return question


def cycle_costs(question: Question, layers: Iterable[str]) -> dict[str, FloatArray]:
    """Return by layer what one more shift of each filter costs in the array's cycles, [filters]."""
    from slipstick.array.encoded_weights import shift_cycles

    costs = shift_cycles(question.workload, question.system)
    return {layer: costs[name] for layer, name in _product_names(question, layers).items()}


def array_metrics(question: Question, encoded: Mapping[str, Encoded]) -> dict[str, Any]:
    """Return the array's cycles, time and energy for `encoded` weights, by the layers' names, and for int8."""
    from slipstick.array.encoded_weights import on_array

    names = _product_names(question, encoded)
    return on_array(question.workload, question.system, {names[layer]: tensor for layer, tensor in encoded.items()})


def _product_names(question: Question, layers: Iterable[str]) -> dict[str, str]:
    """Return by layer what the graph calls its product: a module of one's own adds the operator, ``stem.conv2d``."""
    from slipstick.array.matrix_products import only_products, products_of

    names = [product.name for product in only_products(products_of(question.workload.ops, question.workload.batch))]
    return {
        layer: layer if layer in names else next((name for name in names if name.startswith(f"{layer}.")), layer)
        for layer in layers
    }
