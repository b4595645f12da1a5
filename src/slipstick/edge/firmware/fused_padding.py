"""Zeros around an image as the padding of the layer behind them: no copy, and no room in the arena."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from slipstick.edge.layers import ConvLayer, PadLayer

if TYPE_CHECKING:
    from slipstick.edge.firmware.kernel_call import KernelCall


def _fused_padding(calls: Sequence[KernelCall], output: int) -> tuple[KernelCall, ...]:
    """Return the calls in which a convolution pads its image itself, where only it reads what a pad gives.

    A convolution counts what lies outside of its image as the zero point, which is what a pad writes there, so that
    outputs stay equal to the last bit.

    Parameters
    ----------
    output : the network's tensor, which has to be written.
    """
    readers = Counter(tensor for call in calls for tensor in call.inputs)
    pads = {call.output: call for call in calls if isinstance(call.layer, PadLayer)}
    gone: set[int] = set()
    fused: list[KernelCall] = []
    for call in calls:
        pad, layer = pads.get(call.inputs[0]), call.layer
        if pad is None or pad.output == output or readers[pad.output] != 1 or not isinstance(layer, ConvLayer):
            fused.append(call)
            continue
        zeros = pad.layer
        assert isinstance(zeros, PadLayer)  # noqa: S101  it was chosen so
        alone = zeros.input[2] == zeros.output[2] and zeros.value == -layer.input_offset
        if layer.kind == "dense" or not alone:
            fused.append(call)
            continue
        gone.add(pad.output)
        padding = layer.padding[0] + zeros.before[0], layer.padding[1] + zeros.before[1]
        fused.append(replace(call, layer=replace(layer, input=zeros.input, padding=padding), inputs=pad.inputs))
    return tuple(call for call in fused if call.output not in gone)
