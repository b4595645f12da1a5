"""Search for the best plan or system: spaces, enumeration, sampling, Pareto frontier, executors.

`slipstick.search` is the verb; here are what it is made of and the nouns that it takes and returns.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {"Frontier": "frontier", "Space": "space"}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
