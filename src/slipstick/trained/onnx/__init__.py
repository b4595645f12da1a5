"""ONNX image classifiers as torch modules: run, retrained and written back, without executing code from the file.

The modules here import torch, so that these names are imported when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {"OnnxNet": "module", "onnx_module": "module_builder", "write_onnx": "export"}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
