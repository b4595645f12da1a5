"""A network as a stream: one row of its input at a time, with the rows that its windows still need kept as state.

A layer whose window slides over rows computes, for one new row of its input, one new row of its output; all else it has
computed before. What is kept is the window's rows. Outputs are those of the whole network on the last rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.arena_plan import _tensor_shapes
from slipstick.edge.firmware.kernel_call import KernelCall
from slipstick.edge.firmware.lowering import LoweredNetwork
from slipstick.edge.layers import (
    AddLayer,
    ConvLayer,
    CopyLayer,
    Layer,
    MeanLayer,
    PoolLayer,
    RequantizeLayer,
    Size,
    SoftmaxLayer,
)


def _as_stream(network: LoweredNetwork) -> LoweredNetwork:
    """Return the network that takes one row of the input a call, and keeps the rows that windows need.

    Errors
    ------
    SlipstickError naming the operator, for one that cannot go row by row: a stride or a padding along rows, an input
    that is no image of several rows.
    """
    shapes = _tensor_shapes(network)
    rows = shapes.get(network.input, (1, 1, 1))[0]
    if rows < 2:
        message = "a stream goes row by row, and the input has no rows"
        raise SlipstickError(
            message, path="stream", value=shapes.get(network.input), allowed="an image of several rows"
        )
    stream = _Stream(network, shapes, dict(network.sizes), {network.input: True})
    stream.sizes[network.input] //= rows
    for call in network.calls:
        stream.add(call)
    used = {network.input, *(tensor for call in stream.calls for tensor in (*call.inputs, call.output))}
    sizes = {tensor: size for tensor, size in stream.sizes.items() if tensor in used}
    return replace(network, calls=tuple(stream.calls), sizes=sizes, states=stream.states, frames=rows)


@dataclass(eq=False)
class _Stream:
    """Calls of a stream as they are added; `moving` are the tensors of which a call computes one row."""

    network: LoweredNetwork
    shapes: dict[int, Size]
    sizes: dict[int, int]
    moving: dict[int, bool]
    calls: list[KernelCall] = field(default_factory=list)
    states: dict[int, int] = field(default_factory=dict)

    def add(self, call: KernelCall) -> None:
        """Add the calls that compute the new row of a call's output."""
        if not any(self.moving.get(tensor) for tensor in call.inputs):
            self.calls.append(call)
            return
        layer, inputs = self._row_layer(call)
        self.calls.append(replace(call, layer=layer, inputs=inputs))
        height = self.shapes.get(call.output, (1, 1, 1))[0]
        if height > 1:
            self.moving[call.output] = True
            self.sizes[call.output] = self.network.sizes[call.output] // height

    def _row_layer(self, call: KernelCall) -> tuple[Layer, tuple[int, ...]]:
        """Return the layer that computes one row, and what it reads: a row, or state that holds several."""
        layer, (first, *_) = call.layer, call.inputs
        if isinstance(layer, AddLayer) and all(self.moving.get(tensor) for tensor in call.inputs):
            return replace(layer, size=self.sizes[first]), call.inputs
        if isinstance(layer, RequantizeLayer):
            return replace(layer, size=self.sizes[first]), call.inputs
        if isinstance(layer, ConvLayer | PoolLayer) and layer.kind != "dense":
            return self._window(call, layer)
        whole = isinstance(layer, MeanLayer) or (isinstance(layer, SoftmaxLayer) and layer.rows == 1)
        if whole or (isinstance(layer, ConvLayer) and layer.input[0] == 1):
            return layer, (self._kept(call, first, self.shapes[first][0]),)
        raise _refusal(call, "cannot go row by row")

    def _window(self, call: KernelCall, layer: ConvLayer | PoolLayer) -> tuple[Layer, tuple[int, ...]]:
        dilation = layer.dilation[0] if isinstance(layer, ConvLayer) else 1
        span = (layer.kernel[0] - 1) * dilation + 1
        if layer.output[0] != layer.input[0] - span + 1 or layer.padding[0]:
            raise _refusal(call, "has a stride or a padding along rows, so that a row in is no row out")
        _, width, channels = layer.input
        row = replace(layer, input=(span, width, channels), output=(1, *layer.output[1:]))
        return row, (call.inputs[0] if span == 1 else self._kept(call, call.inputs[0], span),)

    def _kept(self, call: KernelCall, tensor: int, rows: int) -> int:
        """Return the state that holds the last rows of a tensor: moved up by one, the new row behind."""
        if rows == 1:
            return tensor
        _, width, channels = self.shapes[tensor]
        state = max(self.sizes) + 1
        self.sizes[state] = self.states[state] = rows * width * channels
        image, older, newest = (rows, width, channels), (rows - 1, width, channels), (1, width, channels)
        up = CopyLayer(image, image, older, from_corner=(1, 0))
        behind = CopyLayer(newest, image, newest, to_corner=(rows - 1, 0))
        self.calls.append(replace(call, layer=up, inputs=(state,), output=state))
        self.calls.append(replace(call, layer=behind, inputs=(tensor,), output=state))
        return state


def _refusal(call: KernelCall, reason: str) -> SlipstickError:
    path = f"operators.{call.operator}.{call.layer.kind}"
    allowed = "layers of stride 1 without padding along rows; or no stream, the whole window at once"
    return SlipstickError(f"{reason}: no stream", path=path, allowed=allowed)
