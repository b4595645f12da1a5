"""Folding of a network in real numbers: batch norms into weights, activation functions into bounds, pads into rims.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, sections 2.4 and 3.2.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from slipstick.core.arrays import FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.integer_network import _Options
from slipstick.trained.integer.real_network import NO_RIM, WEIGHTED, RealLayer, RealNetwork, RealOperator, Rim

_BOUNDED = (*WEIGHTED, "add", "mean", "clamp")  # kinds whose output may be clamped by saturation


def folded(network: RealNetwork) -> RealNetwork:
    """Return the network with as few operators as compute the same.

    A scaling of each channel (a batch norm, read as a depth-wise 1x1 convolution) goes into the layer in front of it, a
    clamp into the operator whose output it limits, zeros around an image into the window behind, each where nothing
    else reads the value between. Scalings that are left stay depth-wise layers.

    Errors
    ------
    SlipstickError for a scaling of a vector that no dense layer gives.
    """
    made: dict[str, RealOperator] = {}
    readers = Counter(name for op in network.operators for name in op.inputs)
    readers[network.result] += 1
    for op in network.operators:
        before = made.get(op.inputs[0])
        alone = before is not None and readers[before.output] == 1
        if before is not None and alone and _scales(op) and before.kind in WEIGHTED and not before.bounded:
            del made[before.output]
            made[op.output] = _rescaled(before, op)
        elif before is not None and alone and op.kind == "clamp" and before.kind in _BOUNDED:
            del made[before.output]
            made[op.output] = before.clamped(op.bounds, op.output)
        elif before is not None and before.kind == "pad" and op.kind in ("conv", "depthwise"):
            made[op.output] = replace(op, inputs=before.inputs, rim=_joined(before.rim, op.rim))
        else:
            made[op.output] = op
    return replace(network, operators=_needed(network.result, made))


def _with_normal(network: RealNetwork, source: str, factors: FloatArray, shifts: FloatArray) -> RealNetwork:
    """Return the network behind a scaling of each channel of its input, read from the value `source`."""
    layer = RealLayer("normalise", factors.reshape(-1, 1, 1, 1), shifts)
    first = RealOperator("depthwise", (source,), network.source, network.shape, layer=layer)
    return replace(network, source=source, operators=(first, *network.operators))


def _scales(op: RealOperator) -> bool:
    """Whether an operator only scales and shifts each channel."""
    layer = op.layer
    if op.kind != "depthwise" or layer is None or layer.scales is not None:
        return False
    plain = op.options == _Options() and op.rim == NO_RIM and not op.bounded
    return plain and layer.weights.shape == (op.shape[-1], 1, 1, 1)


def _rescaled(before: RealOperator, op: RealOperator) -> RealOperator:
    assert before.layer is not None  # noqa: S101  it has weights
    assert op.layer is not None  # noqa: S101  so has it
    layer = before.layer.scaled(op.layer.weights.ravel(), op.layer.bias)
    return replace(before, layer=layer, output=op.output)


def _joined(first: Rim, second: Rim) -> Rim:
    rows, columns = (
        (before[0] + behind[0], before[1] + behind[1]) for before, behind in zip(first, second, strict=True)
    )
    return rows, columns


def _needed(result: str, made: dict[str, RealOperator]) -> tuple[RealOperator, ...]:
    """Return the operators on which the result depends, in order."""
    needed, operators = {result}, []
    for op in reversed(made.values()):
        if op.output in needed:
            needed |= set(op.inputs)
            operators.append(op)
    for op in operators:
        if _scales(op) and len(op.shape) != 4:
            allowed = "a batch norm behind a dense layer that nothing else reads, or on images"
            raise SlipstickError(
                "scales a vector that no dense layer gives", path=op.path or op.output, allowed=allowed
            )
    return tuple(operators[::-1])
