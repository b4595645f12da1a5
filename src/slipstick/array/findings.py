"""Named findings (warnings) about a network on an array: unusable formats, idle elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slipstick.array.layer_cost import LayerCost
from slipstick.core.device_kinds import Array
from slipstick.core.system import System
from slipstick.report.report import Finding

_LARGE = 0.25  # a share of the cycles worth a remark: a choice of ours
_POOR = 0.5  # a utilisation worth a remark: a choice of ours


def _findings(layers: Sequence[LayerCost], system: System) -> tuple[Finding, ...]:
    """Return every finding: formats that the elements cannot use, kinds of layers that leave the array idle."""
    return (*_decoded(layers, system), *_idle(layers), *_streamed(layers))


def _decoded(layers: Sequence[LayerCost], system: System) -> Iterator[Finding]:
    names = {layer.stored.format for layer in layers if layer.stored.decoded}
    if names:
        element = system.device_as(Array).element
        message = (
            f"{element} elements cannot use {', '.join(sorted(names))}: weights are packed in DRAM and turned back "
            "into 8 bits before the array"
        )
        yield Finding("format_decoded", message, "plan.formats.layers")


def _idle(layers: Sequence[LayerCost]) -> Iterator[Finding]:
    total = sum(layer.total_cycles * layer.product.count for layer in layers)
    for kind in dict.fromkeys(layer.product.kind for layer in layers):
        some = [layer for layer in layers if layer.product.kind == kind]
        cycles = sum(layer.total_cycles * layer.product.count for layer in some)
        busy = sum(layer.busy * layer.product.count for layer in some)
        share = busy / cycles / (some[0].array.rows * some[0].array.columns)
        if cycles > _LARGE * total and share < _POOR:
            message = (
                f"{kind} layers take {100 * cycles / total:.0f} % of the cycles at {100 * share:.0f} % utilisation"
            )
            yield Finding("array_idle", message, "efficiency.utilisation")


def _streamed(layers: Sequence[LayerCost]) -> Iterator[Finding]:
    names = [layer.product.name for layer in layers if layer.traffic.order == "streamed"]
    if names:
        message = f"{len(names)} layers keep nothing in the memories, the first is {names[0]}: operands pass many times"
        yield Finding("nothing_stays", message, "dram.bytes")
