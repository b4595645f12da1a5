"""Data sets: labelled images as numpy arrays, split into train and test, by name or from a user's files."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "DataSet": "images",
    "Images": "images",
    "Normal": "images",
    "data_set": "find_dataset",
    "names": "find_dataset",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
