"""C initialisers of the layers' structs in nn.h, in the order of their fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slipstick.edge.layers import (
    AddLayer,
    ConvLayer,
    DequantizeLayer,
    MeanLayer,
    PadLayer,
    PoolLayer,
    QuantizeLayer,
    RequantizeLayer,
    Scaling,
    SoftmaxLayer,
)

_Names = Mapping[str, str]


def initialisers(layer: Any, names: _Names) -> list[str]:
    """Return the C initialisers of a layer's struct; `names` are the C names of its packed arrays."""
    return _WRITERS[type(layer)](layer, names)


def _scaling(scaling: Scaling) -> str:
    return f"{{{scaling.multiplier}, {scaling.shift}}}"


def _conv(layer: ConvLayer, names: _Names) -> list[str]:
    requant = layer.requant
    pairs = (layer.kernel, layer.stride, layer.dilation, layer.padding)
    numbers = [*layer.input, *layer.output, *(side for pair in pairs for side in pair)]
    numbers += [layer.input_offset, layer.weight_offset]
    arrays = ", ".join(names[name] for name in ("bias", "multiplier", "shift"))
    return [*map(str, numbers), f"{{{arrays}, {requant.output_offset}, {requant.least}, {requant.most}}}"]


def _add(layer: AddLayer, names: _Names) -> list[str]:
    numbers = [str(layer.size), *map(str, layer.offsets), *map(_scaling, layer.scalings)]
    return [*numbers, str(layer.output_offset), str(layer.least), str(layer.most)]


def _pool(layer: PoolLayer, names: _Names) -> list[str]:
    numbers = [*layer.input, *layer.output[:2], *layer.kernel, *layer.stride, *layer.padding]
    return [str(number) for number in (*numbers, layer.code_offset, layer.least, layer.most)]


def _mean(layer: MeanLayer, names: _Names) -> list[str]:
    return [*map(str, layer.input), str(layer.input_offset), _scaling(layer.scaling), str(layer.output_offset)]


def _pad(layer: PadLayer, names: _Names) -> list[str]:
    return [str(number) for number in (*layer.input, *layer.output, *layer.before, layer.value)]


def _softmax(layer: SoftmaxLayer, names: _Names) -> list[str]:
    return [str(layer.rows), str(layer.columns), _scaling(layer.scaling), str(layer.furthest)]


def _requantize(layer: RequantizeLayer, names: _Names) -> list[str]:
    return [str(layer.size), str(layer.input_offset), _scaling(layer.scaling), str(layer.output_offset)]


def _quantize(layer: QuantizeLayer, names: _Names) -> list[str]:
    no_number = min(max(layer.zero_point, layer.least), layer.most)
    return [str(layer.size), names["thresholds"], str(layer.least), str(layer.most), str(no_number)]


def _dequantize(layer: DequantizeLayer, names: _Names) -> list[str]:
    return [str(layer.size), names["values"]]


_WRITERS: dict[type, Callable[[Any, _Names], list[str]]] = {
    ConvLayer: _conv,
    AddLayer: _add,
    PoolLayer: _pool,
    MeanLayer: _mean,
    PadLayer: _pad,
    SoftmaxLayer: _softmax,
    RequantizeLayer: _requantize,
    QuantizeLayer: _quantize,
    DequantizeLayer: _dequantize,
}
