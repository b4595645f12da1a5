"""What adapted weights take on an array, beside int8: an addition to the Reports of `adapt`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from slipstick.core.device_kinds import Array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from slipstick.core.format import Encoded
    from slipstick.core.question import Question
    from slipstick.engines.question import SystemSpec
    from slipstick.networks.graphs.imported import ImportedGraph
    from slipstick.report.report import Report


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


def product_names(question: Question, layers: Iterable[str]) -> dict[str, str]:
    """Return by layer what the graph calls its product: a module of one's own adds the operator, ``stem.conv2d``."""
    from slipstick.array.matrix_products import only_products, products_of

    names = [product.name for product in only_products(products_of(question.workload.ops, question.workload.batch))]
    return {
        layer: layer if layer in names else next((name for name in names if name.startswith(f"{layer}.")), layer)
        for layer in layers
    }


def cycle_costs(question: Question, layers: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Return by layer what one more shift of each filter costs in the array's cycles, [filters]."""
    from slipstick.array.encoded_weights import shift_cycles

    costs = shift_cycles(question.workload, question.system)
    return {layer: costs[name] for layer, name in product_names(question, layers).items()}


def with_array(report: Report, question: Question, encoded: Mapping[str, Encoded]) -> Report:
    """Return the report with the array's cycles, time and energy for `encoded` weights, by the layers' names."""
    from slipstick.array.encoded_weights import on_array

    names = product_names(question, encoded)
    found = on_array(question.workload, question.system, {names[layer]: one for layer, one in encoded.items()})
    metrics = {**report.metrics, "array": found}
    return replace(report, metrics=metrics, inputs={**report.inputs, "system": question.system})
