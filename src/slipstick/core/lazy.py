"""Lazy public names of a package: a module is imported when one of its names is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose public names are imported on first use.

    Parameters
    ----------
    package : the package's ``__name__``.
    modules : public name -> module below the package that defines it, or
        ``module:name`` where it has another name there.

    Errors
    ------
    AttributeError for a name that is not public, as Python itself raises it.

    Examples
    --------
    >>> lazy_names("json", {"JSONDecoder": "decoder"})("JSONDecoder").__name__
    'JSONDecoder'
    """

    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = modules[name].partition(":")
        return getattr(import_module(f"{package}.{module}"), attribute or name)

    return __getattr__
