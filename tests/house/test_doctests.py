"""Every example in a docstring is true."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import slipstick

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(slipstick.__path__, "slipstick.")
    if module.name != "slipstick.__main__"
)
TORCH = re.compile(r">>> .*(torch|digits)")


def marked(name: str) -> Any:
    """Return a module's name, marked where its examples train or run a network."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    trains = TORCH.search(Path(spec.origin).read_text("utf-8"))
    return pytest.param(name, marks=pytest.mark.trains) if trains else name


@pytest.mark.parametrize("name", [marked(name) for name in MODULES])
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0
