"""The examples in the docstrings of core and formats run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import slipstick.core
import slipstick.formats

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (slipstick.core, slipstick.formats)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
