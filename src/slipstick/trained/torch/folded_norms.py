"""Batch norms folded into fp16 scales and biases: a network of codes, and a scale and a bias of each filter."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.formats.grammar import encoding_of
from slipstick.trained.torch.torch_network import TorchNetwork

_BIAS = "fp16"  # of biases: 11 bits, while an activation has 8


def folded_norms(
    network: TorchNetwork, encoded: Mapping[str, Encoded]
) -> tuple[TorchNetwork, dict[str, Encoded], dict[str, Encoded]]:
    """Return the network with its batch norms folded, its encoded weights with their scales, and its biases in fp16.

    A batch norm behind a layer becomes a scale and a bias of each filter; scales of encoded layers are rounded to fp16.
    What is left of the batch norm adds the bias. The network returned has exactly the weights and biases returned.

    Errors
    ------
    SlipstickError for layers whose weights are not encoded, or have no scale of each filter, and values beyond fp16.
    """
    module, tensors, biases = deepcopy(network.module), dict[str, Encoded](), dict[str, Encoded]()
    norms = network._norms
    for layer in network.layers():
        part: Any = module.get_submodule(layer.name)
        norm: Any = module.get_submodule(norms[layer.name]) if layer.name in norms else None
        factor, shift = _affine(norm, part, layer.filters)
        tensors[layer.name] = _scaled(layer.name, encoded, factor)
        biases[layer.name] = encoding_of(_BIAS).encode(_finite_half(shift, layer.name))
        bias = torch.from_numpy(biases[layer.name].values)
        if norm is None:
            if part.bias is None and shift.any():
                raise SlipstickError("has neither a bias nor a batch norm", path=layer.name)
            if part.bias is not None:
                part.bias.data = bias
        else:
            _leave_bias(norm, bias)
            if part.bias is not None:
                part.bias.data.zero_()
    whole = replace(network, module=module)
    return whole.with_weights({name: tensor.values for name, tensor in tensors.items()}), tensors, biases


def _affine(norm: Any, layer: Any, filters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and summand of each filter's sum of products, float64."""
    bias = np.zeros(filters) if layer.bias is None else _array(layer.bias)
    if norm is None:
        return np.ones(filters), bias
    gain = np.ones(filters) if norm.weight is None else _array(norm.weight)
    factor = gain / np.sqrt(_array(norm.running_var) + norm.eps)
    shift = np.zeros(filters) if norm.bias is None else _array(norm.bias)
    return factor, (bias - _array(norm.running_mean)) * factor + shift


def _scaled(name: str, encoded: Mapping[str, Encoded], factor: np.ndarray) -> Encoded:
    """Return a layer's encoded weights with their scales multiplied, in fp16."""
    tensor = encoded.get(name)
    if tensor is None or tensor.side.get("scale", np.zeros(0)).shape != factor.shape:
        allowed = "int8:axis=0, pool, swis and others with a scale of each filter, for all layers"
        raise SlipstickError("has no scale of each filter", path=f"weights.{name}", allowed=allowed)
    scale = _finite_half(tensor.side["scale"].astype(np.float64) * factor, name)
    return replace(tensor, side={**tensor.side, "scale": scale.astype(np.float32)})


def _finite_half(values: np.ndarray, name: str) -> np.ndarray:
    """Return values rounded to fp16."""
    if not np.abs(values).max(initial=0) <= np.finfo(np.float16).max:
        raise SlipstickError("a scale or bias is beyond fp16", path=f"weights.{name}")
    return np.asarray(values).astype(np.float16)


def _leave_bias(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    """Turn a batch norm into the addition of a bias."""
    with torch.no_grad():
        norm.weight.fill_(1)
        norm.bias.copy_(bias)
        assert norm.running_mean is not None  # noqa: S101  evaluation needs it
        assert norm.running_var is not None  # noqa: S101  likewise
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().numpy(), np.float64)
