"""Optional dependencies, imported on first use; the error for a missing one says how to install it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from slipstick.core.errors import SlipstickError


class MissingExtraError(SlipstickError):
    """An optional dependency is not installed; the message is the command that installs it."""


def require_all(modules: Mapping[str, str]) -> None:
    """Check that modules, each with the extra that installs it, are there: one error for all that are missing.

    Errors
    ------
    MissingExtraError with one command for all extras, if a module is not installed.

    Examples
    --------
    >>> require_all({"json": "sim", "nothing_like_it": "edge", "nor_like_this": "import"})
    Traceback (most recent call last):
    slipstick.core.extras.MissingExtraError: nothing_like_it: not installed; run: pip install "slipstick[edge,import]"
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        extras = ",".join(dict.fromkeys(modules[module] for module in missing))
        raise MissingExtraError(f'not installed; run: pip install "slipstick[{extras}]"', path=missing[0])


def require(module: str, extra: str) -> Any:
    """Return the imported `module`, which the extra `extra` of slipstick installs.

    Errors
    ------
    MissingExtraError with the command to run, if the package is not installed.

    Examples
    --------
    >>> require("json", "sim").dumps([1])
    '[1]'
    >>> require("nothing_like_it", "sim")
    Traceback (most recent call last):
    slipstick.core.extras.MissingExtraError: nothing_like_it: not installed; run: pip install "slipstick[sim]"
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there, and something of its own is not
        raise MissingExtraError(f'not installed; run: pip install "slipstick[{extra}]"', path=package) from None
