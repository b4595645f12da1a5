"""Fields of the kernels' structs (`kernels/sources/nn.h`) for each kind of layer, as C text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slipstick.edge import layers
from slipstick.edge.firmware.c_values import _c_number, c_struct

_Fields = dict[str, str]
_SIZES = ("height", "width", "channels")
REQUANT_ARRAYS = ("bias", "multiplier", "shift")  # of each filter


def layer_fields(layer: layers.Layer, names: Mapping[str, str]) -> _Fields:
    """Return the fields of a layer's struct, in the order of nn.h, as C text.

    Parameters
    ----------
    names : C names of the packed arrays; a layer with weights needs bias, multiplier and shift.

    Errors
    ------
    SlipstickError for a size that a field cannot hold.
    """
    return _FIELDS[type(layer)](layer, names)


def _requant_fields(requant: layers.Requantisation, names: Mapping[str, str]) -> str:
    """Return the initialiser of an nn_requant."""
    arrays = {name: names[name] for name in REQUANT_ARRAYS}
    return c_struct(arrays | _output(requant))


def _numbers(kind: str, values: Mapping[str, int]) -> _Fields:
    return {name: _c_number(value, kind, name) for name, value in values.items()}


def _sizes(prefix: str, size: layers.Size, count: int = 3) -> _Fields:
    return _numbers("uint16_t", {f"{prefix}_{name}": value for name, value in zip(_SIZES[:count], size, strict=False)})


def _pairs(values: Mapping[str, tuple[int, int]]) -> _Fields:
    return _numbers("uint8_t", {f"{name}_{side}": pair[place] for name, pair in values.items()
                                for place, side in enumerate(("height", "width"))})  # fmt: skip


def _padding(padding: tuple[int, int]) -> _Fields:
    return _numbers("uint8_t", {"pad_top": padding[0], "pad_left": padding[1]})


def _bounds(layer: Any) -> _Fields:
    return _numbers("int8_t", {"least": layer.least, "most": layer.most})


def _output(layer: Any) -> _Fields:
    return _numbers("int16_t", {"output_offset": layer.output_offset}) | _bounds(layer)


def _scaling(scaling: layers.Scaling) -> str:
    fields = _numbers("int32_t", {"multiplier": scaling.multiplier}) | _numbers("int8_t", {"shift": scaling.shift})
    return c_struct(fields)


def _conv(layer: layers.ConvLayer, names: Mapping[str, str]) -> _Fields:
    return {
        **_sizes("in", layer.input),
        **_sizes("out", layer.output),
        **_pairs({"kernel": layer.kernel, "stride": layer.stride, "dilation": layer.dilation}),
        **_padding(layer.padding),
        **_numbers("int16_t", {"input_offset": layer.input_offset, "weight_offset": layer.weight_offset}),
        "requant": _requant_fields(layer.requant, names),
    }


def _add(layer: layers.AddLayer, names: Mapping[str, str]) -> _Fields:
    parts = dict(zip(("a", "b", "sum"), map(_scaling, layer.scalings), strict=True))
    offsets = {"a_offset": layer.offsets[0], "b_offset": layer.offsets[1]}
    return _numbers("uint32_t", {"size": layer.size}) | _numbers("int16_t", offsets) | parts | _output(layer)


def _pool(layer: layers.PoolLayer, names: Mapping[str, str]) -> _Fields:
    height, width, channels = layer.input
    sizes = {"in_height": height, "in_width": width, "channels": channels}
    return {
        **_numbers("uint16_t", sizes),
        **_sizes("out", layer.output, 2),
        **_pairs({"kernel": layer.kernel, "stride": layer.stride}),
        **_padding(layer.padding),
        **_numbers("int16_t", {"code_offset": layer.code_offset}),
        **_bounds(layer),
    }


def _mean(layer: layers.MeanLayer, names: Mapping[str, str]) -> _Fields:
    height, width, channels = layer.input
    return {
        **_numbers("uint16_t", {"in_height": height, "in_width": width, "channels": channels}),
        **_numbers("int16_t", {"input_offset": layer.input_offset}),
        "scaling": _scaling(layer.scaling),
        **_numbers("int16_t", {"output_offset": layer.output_offset}),
    }


def _pad(layer: layers.PadLayer, names: Mapping[str, str]) -> _Fields:
    sizes = _sizes("in", layer.input) | _sizes("out", layer.output) | _sizes("before", layer.before)
    return sizes | _numbers("int8_t", {"value": layer.value})


def _softmax(layer: layers.SoftmaxLayer, names: Mapping[str, str]) -> _Fields:
    return {
        **_numbers("uint16_t", {"rows": layer.rows, "columns": layer.columns}),
        "scaling": _scaling(layer.scaling),
        **_numbers("int16_t", {"furthest": layer.furthest}),
    }


def _requantize(layer: layers.RequantizeLayer, names: Mapping[str, str]) -> _Fields:
    return {
        **_numbers("uint32_t", {"size": layer.size}),
        **_numbers("int16_t", {"input_offset": layer.input_offset}),
        "scaling": _scaling(layer.scaling),
        **_numbers("int16_t", {"output_offset": layer.output_offset}),
    }


def _copy(layer: layers.CopyLayer, names: Mapping[str, str]) -> _Fields:
    height, width, channels = layer.size
    fields = {"rows": height, "row_bytes": width * channels}
    for end, image, corner in (("input", layer.input, layer.from_corner), ("output", layer.output, layer.to_corner)):
        step = image[1] * channels
        fields |= {f"{end}_start": corner[0] * step + corner[1] * channels, f"{end}_step": step}
    return _numbers("uint32_t", fields)


_FIELDS: dict[type, Callable[[Any, Mapping[str, str]], _Fields]] = {
    layers.ConvLayer: _conv,
    layers.AddLayer: _add,
    layers.PoolLayer: _pool,
    layers.MeanLayer: _mean,
    layers.PadLayer: _pad,
    layers.SoftmaxLayer: _softmax,
    layers.RequantizeLayer: _requantize,
    layers.CopyLayer: _copy,
}
