"""Lazy public names: a package lists them with their modules, which are imported when a name is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``: ``__getattr__, __dir__ = lazy_names(__name__, {...})``.

    Parameters
    ----------
    package : the package's ``__name__``.
    modules : public name -> the module below the package that defines it, or ``module:name`` where the name differs.

    Examples
    --------
    >>> get, names = lazy_names("slipstick.core", {"format_quantity": "units"})
    >>> get("format_quantity")(2000.0, "B"), names()
    ('2 kB', ['format_quantity'])
    """

    def get(name: str) -> Any:
        """Import a public name when it is first asked for."""
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = modules[name].partition(":")
        value = getattr(import_module(f"{package}.{module}"), attribute or name)
        setattr(sys.modules[package], name, value)  # next time Python finds it by itself
        return value

    def names() -> list[str]:
        """Return the public names."""
        return sorted(modules)

    return get, names
