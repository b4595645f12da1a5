"""Export of a torch module into the ONNX file that it came from: the same nodes, with the current weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slipstick.core.errors import SlipstickError
from slipstick.core.files import write_bytes
from slipstick.trained.onnx.constants import _type_name
from slipstick.trained.onnx.module import OnnxNet
from slipstick.trained.onnx.module_builder import VALUES
from slipstick.trained.onnx.named_constants import constants
from slipstick.trained.onnx.steps import _Slot

_TYPES = {"FLOAT": torch.float32, "FLOAT16": torch.float16, "BFLOAT16": torch.bfloat16, "DOUBLE": torch.float64}


def write_onnx(net: OnnxNet, path: str | Path) -> None:
    """Write a network's ONNX file atomically; errors as those of `_onnx_bytes`."""
    write_bytes(path, _onnx_bytes(net))


def _onnx_bytes(net: OnnxNet) -> bytes:
    """Return a network's ONNX file with the current weights, biases and statistics of its layers.

    They keep the file's shapes and types of float; nodes, names and what else it holds stay as they are, but that
    constants which were given as Identity of others, or as lists of numbers, are written out. Layers that are seen
    through formats (torch's parametrisations) are written as they are seen.

    Errors
    ------
    SlipstickError for a layer that was replaced by one without such weights, for weights that nodes share in the file
    and no longer in the module, or that do not fit the file's type of float.
    """
    model = type(net.plan.model)()
    model.CopyFrom(net.plan.model)
    tensors = constants(model.graph)
    written: dict[str, Tensor] = {}
    for slot in net.plan.slots:
        values = _values(net, slot)
        first = written.setdefault(slot.constant, values)
        if first is not values and not torch.equal(first, values):
            raise SlipstickError(
                "layers share it in the file and differ in the module", path=f"{slot.layer}.{slot.attribute}"
            )
        if first is values:
            _put(tensors[slot.constant], values, f"{slot.layer}.{slot.attribute}")
    try:
        raw: bytes = model.SerializeToString()
    except ValueError as error:  # protobuf's own bound, 2 GiB
        raise SlipstickError(f"cannot be written as ONNX: {error}", path=net.plan.path) from None
    return raw


def _values(net: OnnxNet, slot: _Slot) -> Tensor:
    """Return a layer's current parameter or statistic as an array with the file's order of axes."""
    layer = net._modules.get(slot.layer)
    values = getattr(layer, slot.attribute, None)
    if not isinstance(values, Tensor) or tuple(values.shape) != slot.shape:
        actual = tuple(values.shape) if isinstance(values, Tensor) else type(layer).__name__
        raise SlipstickError(
            "not the layer that the file has there",
            path=f"{slot.layer}.{slot.attribute}",
            value=actual,
            allowed=f"{slot.shape}",
        )
    values = values.detach().cpu()
    return values.T if slot.transposed else values


def _put(tensor: Any, values: Tensor, where: str) -> None:
    """Write values into a constant of the file, in its data type, as ONNX's little-endian bytes."""
    kind = _type_name(tensor.data_type)
    cast = values.to(_TYPES[kind]).contiguous()
    if torch.isinf(cast).sum() > torch.isinf(values).sum():
        raise SlipstickError(f"numbers beyond {kind}, the file's type", path=where, value=float(values.abs().max()))
    for field in VALUES:
        tensor.ClearField(field)
    tensor.raw_data = cast.reshape(-1).view(torch.uint8).numpy().tobytes()
