"""Training and evaluation of networks, and retraining through number formats."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Epoch": "recipe",
    "History": "recipe",
    "Recipe": "recipe",
    "evaluate": "evaluation",
    "interval": "evaluation",
    "predict": "evaluation",
    "train": "loop",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
