"""Patched .tflite files: constants replaced in place, so that any TensorFlow Lite interpreter runs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_bytes
from slipstick.trained.integer.execute import _replacements
from slipstick.trained.integer.integer_network import IntegerNetwork
from slipstick.trained.tflite.tflite_file import LIMIT, parse_tflite


def patch(path: str | Path, weights: Mapping[int, Any] | None = None, biases: Mapping[int, Any] | None = None) -> bytes:
    """Return the bytes of a .tflite file with the constants of some tensors replaced; nothing else changes.

    Parameters
    ----------
    weights, biases : tensor -> values of its shape and type, as `run_integers` takes them.

    Errors
    ------
    SlipstickError as `read_tflite` and `run_integers` raise it, and for weights that share bytes with others.
    """
    raw = read_bytes(path, limit=LIMIT)
    network = parse_tflite(raw, where=str(path))
    return patched(raw, network, weights or {}, biases or {})


def patched(raw: bytes, network: IntegerNetwork, weights: Mapping[int, Any], biases: Mapping[int, Any]) -> bytes:
    """Return the bytes `raw`, from which `network` was read, with constants replaced as in `patch`."""
    contents = bytearray(raw)
    for index, values in _replacements(network, weights, biases).items():
        tensor = network.tensors[index]
        _alone(network, index)
        contents[tensor.offset : tensor.offset + tensor.length] = values.astype(
            tensor.dtype.newbyteorder("<")
        ).tobytes()
    return bytes(contents)


def _alone(network: IntegerNetwork, index: int) -> None:
    tensor = network.tensors[index]
    for other, neighbour in enumerate(network.tensors):
        apart = (
            neighbour.offset + neighbour.length <= tensor.offset or tensor.offset + tensor.length <= neighbour.offset
        )
        if other != index and neighbour.length and not apart:
            raise SlipstickError("shares its bytes with another tensor", path=str(index), value=neighbour.name)
