"""ONNX image classifiers as trained networks: run as torch modules, written back as ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipstick.trained.onnx.export import _onnx_bytes
from slipstick.trained.onnx.module_builder import _parsed_module
from slipstick.trained.torch.torch_network import TorchNetwork, _ModuleFile


def _onnx_network(raw: bytes, path: str, *, name: str) -> TorchNetwork:
    """Return the trained network in the bytes of an ONNX file; nothing of the file is executed.

    How bytes become its inputs the file does not say. Errors as those of `onnx_module`; they name `path`.
    """
    module = _parsed_module(raw, path)
    channels, height, width = module.plan.image
    shape = None if channels is None or height is None or width is None else (height, width, channels)
    file = _ModuleFile(".onnx", _written)
    return TorchNetwork(name, module, shape=shape, file=file)


def _written(module: Any, notes: Mapping[str, object]) -> bytes:
    return _onnx_bytes(module)
