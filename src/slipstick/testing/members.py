"""Parametrisation of conformance suites: one case per member in every test with a parameter of that name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def one_case_each(
    metafunc: Any, parameter: str, members: Sequence[Any], label: Callable[[Any], str] = str, *, once: bool = False
) -> None:
    """Parametrise a test that has the parameter with one case per member.

    Parameters
    ----------
    label : returns what pytest calls the case of a member.
    once : fixtures that are built from a member may be shared by the tests of the class.

    Errors
    ------
    TypeError for a suite without members, whose tests would pass without asking anything.
    """
    if parameter in metafunc.fixturenames:
        if not members:
            raise TypeError(f"{metafunc.cls.__name__} names no members: a suite without any tests nothing")
        scope = "class" if once else None
        metafunc.parametrize(parameter, list(members), ids=[label(member) for member in members], scope=scope)
