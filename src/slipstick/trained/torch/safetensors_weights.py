"""Weights of torch modules in safetensors files: named tensors and header texts, no executable content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.files import read_bytes, write_bytes

_MAX_BYTES = 2**33  # 8 GiB: VGG-16 has 0.55 GB
_MOST = 3  # names that an error lists
_LENGTH = 8  # bytes of the header's length, at the start of a file


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write named tensors to a safetensors file atomically, with texts by key in its header."""
    write_bytes(path, _tensor_bytes(tensors, about))


def _tensor_bytes(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """Return the contents of a safetensors file: tensors by name, and texts by key in its header."""
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    raw: bytes = require("safetensors.torch", "torch").save(plain, metadata=dict(about))
    return raw


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a safetensors file and the texts of its header.

    Errors
    ------
    SlipstickError if it is missing, larger than 8 GiB, or no safetensors file.
    """
    return _parse_tensors(read_bytes(path, limit=_MAX_BYTES), str(path))


def _parse_tensors(raw: bytes, path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and texts in the bytes of a safetensors file, as `load_tensors` does; errors name `path`."""
    safetensors = require("safetensors", "torch")
    try:
        tensors = require("safetensors.torch", "torch").load(raw)
    except safetensors.SafetensorError as error:
        raise SlipstickError(f"not a safetensors file: {error}", path=path) from None
    size = int.from_bytes(raw[:_LENGTH], "little")  # the library has checked the header, and gives no texts of bytes
    about = json.loads(raw[_LENGTH : _LENGTH + size]).get("__metadata__") or {}
    return tensors, about


def save_weights(net: nn.Module, path: str | Path, about: Mapping[str, str] | None = None) -> None:
    """Write every parameter and buffer of a module."""
    save_tensors(path, net.state_dict(), about or {})


def load_weights(net: nn.Module, path: str | Path) -> dict[str, str]:
    """Fill a module from a safetensors file and return the texts of its header.

    Errors
    ------
    SlipstickError if a name or a shape does not fit, before anything is changed; and those of `load_tensors`.
    """
    tensors, about = load_tensors(path)
    fill(net, tensors, str(path))
    return about


def fill(net: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a module's parameters and buffers; names and shapes must match one to one.

    A buffer without elements takes any shape: its module knows the shape from its first pass on.
    A module built under ``torch.device("meta")`` takes memory only when all of them fit.
    """
    expected_tensors = net.state_dict()
    _same_names("missing", expected_tensors.keys() - tensors.keys(), where)
    _same_names("not of this network", tensors.keys() - expected_tensors.keys(), where)
    for name, tensor in tensors.items():
        if tensor.shape != expected_tensors[name].shape and expected_tensors[name].numel():
            allowed = str(tuple(expected_tensors[name].shape))
            raise SlipstickError("another shape", path=f"{where}: {name}", value=tuple(tensor.shape), allowed=allowed)
    if any(tensor.is_meta for tensor in expected_tensors.values()):
        net.to_empty(device="cpu")
    with torch.no_grad():
        net.load_state_dict(dict(tensors))


def _same_names(problem: str, names: set[Any], where: str) -> None:
    if names:
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        raise SlipstickError(f"tensors {problem}: {', '.join(sorted(names)[:_MOST])}{more}", path=where)
