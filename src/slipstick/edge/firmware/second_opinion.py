"""Outputs of LiteRT's reference kernels, the independent oracle of a firmware, where LiteRT is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from slipstick.core.arrays import Int8Array
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.golden import _file_codes
from slipstick.edge.firmware.lowering import CodeScale, LoweredNetwork


def _litert_outputs(network: LoweredNetwork, file: bytes, inputs: Int8Array) -> Int8Array | None:
    """Return the outputs of LiteRT's reference kernels in the firmware's int8 codes; None where it is not installed.

    Parameters
    ----------
    file : bytes of the .tflite file that `network` was lowered from.
    inputs : int8 codes [vectors, bytes].
    """
    try:
        interpreter: Any = import_module("ai_edge_litert.interpreter")
    except ModuleNotFoundError:
        return None
    kind = interpreter.OpResolverType.BUILTIN_REF
    runner = interpreter.Interpreter(model_content=file, experimental_op_resolver_type=kind, num_threads=1)
    runner.allocate_tensors()
    source, sink = runner.get_input_details()[0], runner.get_output_details()[0]
    outputs = []
    for codes in inputs:
        values = _real(codes, network.input_codes) if network.float_border[0] else _file_codes(codes, network.moved[0])
        runner.set_tensor(source["index"], values.reshape(source["shape"]))
        runner.invoke()
        outputs.append(_codes(network, runner.get_tensor(sink["index"]).ravel()))
    return np.stack(outputs)


def _real(codes: Int8Array, quantisation: CodeScale) -> Any:
    return np.float32(quantisation.scale) * (codes.astype(np.float32) - np.float32(quantisation.zero_point))


def _codes(network: LoweredNetwork, values: Any) -> Int8Array:
    if not network.float_border[1]:
        moved: Int8Array = (values.astype(np.int16) - network.moved[1]).astype(np.int8)
        return moved
    codes = network.output_codes
    rounded: Int8Array = (np.rint(values / np.float32(codes.scale)) + codes.zero_point).astype(np.int8)
    return rounded


def _check_equal(outputs: Int8Array, expected: Int8Array, oracle: str) -> None:
    """Raise a SlipstickError that counts the bytes in which a firmware's outputs differ from an oracle's."""
    wrong = int((outputs != expected).sum())
    if wrong:
        message = f"{wrong} of {outputs.size} output bytes of the firmware differ from {oracle}: a bug of slipstick"
        raise SlipstickError(message, path="firmware")
