"""Supported operators of .tflite files: their newest versions, and the meaning of their options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.trained.integer.integer_network import Activation, Kind, Padding, _Options

_PADDINGS: tuple[Padding, ...] = ("same", "valid")  # by their numbers in the schema
_ACTIVATIONS: tuple[Activation, ...] = ("none", "relu", "relu_n1_to_1", "relu6")
_NEWEST_DENSE = 9  # of the versions of the operator; later ones bring types of 4 and 16 bits
_LARGEST = 4096  # a stride, a dilation, a window's side: beyond it is damage


@dataclass(frozen=True)
class _Known:
    """Supported operator: its kind here, its newest supported version, and its table of options."""

    kind: Kind
    newest: int
    table: str = ""  # the schema's table; "" where there is nothing to read
    read: Callable[[Any], _Options] = lambda table: _Options()


def _choice(names: tuple[Any, ...], number: int, kind: str) -> Any:
    if not 0 <= number < len(names):
        raise SlipstickError(f"{kind} of an unknown kind", value=number, allowed=[str(n) for n in names])
    return names[number]


def _size(number: int, kind: str) -> int:
    if not 1 <= number <= _LARGEST:
        raise SlipstickError(f"not a {kind}", value=number, allowed=f"1 to {_LARGEST}")
    return number


def _activation(table: Any) -> Activation:
    name: Activation = _choice(_ACTIVATIONS, table.FusedActivationFunction(), "an activation")
    return name


def _strided(table: Any) -> _Options:
    """Return the options that convolutions and pools share: padding, stride, activation."""
    stride = _size(table.StrideH(), "stride"), _size(table.StrideW(), "stride")
    return _Options(
        padding=_choice(_PADDINGS, table.Padding(), "a padding"), stride=stride, activation=_activation(table)
    )


def _convolution(table: Any) -> _Options:
    dilation = _size(table.DilationHFactor(), "dilation"), _size(table.DilationWFactor(), "dilation")
    return replace(_strided(table), dilation=dilation)


def _pool(table: Any) -> _Options:
    window = _size(table.FilterHeight(), "window"), _size(table.FilterWidth(), "window")
    return replace(_strided(table), window=window)


def _dense(table: Any) -> _Options:
    if table.WeightsFormat() != 0:
        raise SlipstickError("shuffled weights are not read", value=table.WeightsFormat())
    return _Options(activation=_activation(table))


def _add(table: Any) -> _Options:
    return _Options(activation=_activation(table))


def _softmax(table: Any) -> _Options:
    if not 0 < table.Beta() <= 1e3:
        raise SlipstickError("not a softmax's beta", value=table.Beta(), allowed="above 0, at most 1000")
    return _Options(beta=float(table.Beta()))


KNOWN = {
    "CONV_2D": _Known("conv", 6, "Conv2DOptions", _convolution),
    "DEPTHWISE_CONV_2D": _Known("depthwise", 6, "DepthwiseConv2DOptions", _convolution),
    "FULLY_CONNECTED": _Known("dense", _NEWEST_DENSE, "FullyConnectedOptions", _dense),
    "ADD": _Known("add", 4, "AddOptions", _add),
    "AVERAGE_POOL_2D": _Known("average_pool", 3, "Pool2DOptions", _pool),
    "MAX_POOL_2D": _Known("max_pool", 3, "Pool2DOptions", _pool),
    "MEAN": _Known("mean", 3),
    "RESHAPE": _Known("reshape", 1),
    "PAD": _Known("pad", 3),
    "QUANTIZE": _Known("quantize", 3),
    "DEQUANTIZE": _Known("dequantize", 5),
    "SOFTMAX": _Known("softmax", 3, "SoftmaxOptions", _softmax),
    "PRELU": _Known("prelu", 1),
}
