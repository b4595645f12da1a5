"""Families of other packages: registered by hand or by entry points, refused in one clear error."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from installed import package
from slipstick.core.errors import SlipstickError
from slipstick.core.plugins import installed_plugins
from slipstick.formats.registry import FormatFamily, Registry, whole


@dataclass(frozen=True)
class Ternary:
    threshold: int = 7


FAMILY = FormatFamily("Ternary", Ternary, {"threshold": whole}, ("ternary",), ("t3",))


@pytest.fixture
def registry() -> Registry[Any]:
    return Registry("number format", "slipstick.nothing")


def test_families_are_found_in_any_case_by_alias_and_by_digits(registry: Registry[Any]) -> None:
    registry.register(FAMILY)
    assert registry.build("ternary") == registry.build("TERNARY") == registry.build("t3") == Ternary()
    assert registry.build("ternary:threshold=3") == registry.build("ternary:3") == registry.build("ternary3")
    assert registry.families() == {"Ternary": FAMILY}
    assert registry.examples() == ["ternary"]


def test_names_that_are_taken_and_arguments_that_a_plan_has_are_refused(registry: Registry[Any]) -> None:
    registry.register(FAMILY)
    with pytest.raises(SlipstickError, match="registered already; got 't3'"):
        registry.register(FormatFamily("T3", Ternary, {}, ()))
    with pytest.raises(SlipstickError, match="name of a plan's field; got 'tp'"):
        registry.register(FormatFamily("other", Ternary, {"tp": whole}, ()))
    assert list(registry.families()) == ["Ternary"]


MODULE = """
from dataclasses import dataclass
from slipstick.formats.registry import FormatFamily, whole

@dataclass(frozen=True)
class Ternary:
    threshold: int = 7

def family(name, arguments=None):
    return FormatFamily(name, Ternary, {"threshold": whole} if arguments is None else arguments, (name,))

FAMILY, TAKEN, PLANNED, NOTHING = family("ternary"), family("own"), family("t", {"tp": whole}), 3
"""


def installed(folder: Path, value: str) -> AbstractContextManager[None]:
    """Let one package have an entry point of the registry's group."""
    return package(folder, "slipstick-t", {"t_package": MODULE}, {"slipstick.nothing": {"t": f"t_package:{value}"}})


def test_installed_packages_are_asked_only_for_names_that_are_not_here(registry: Registry[Any], tmp_path: Path) -> None:
    registry.register(FormatFamily("own", Ternary, {}, ("own",)))
    with installed(tmp_path, "FAMILY"):
        (plugin,) = installed_plugins("slipstick.nothing")
        assert registry.build("own") == Ternary()
        assert "value" not in vars(plugin), "not imported yet"
        assert registry.build("ternary:2").threshold == 2
        assert registry.build("ternary3").threshold == 3
        assert registry.examples() == ["own", "ternary"]
        with pytest.raises(SlipstickError, match=r"no such number format .*got 'ternery'; did you mean 'ternary'"):
            registry.build("ternery")
    with pytest.raises(SlipstickError, match="no such number format"):
        registry.build("ternary")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("NOTHING", "loads to no FormatFamily"),
        ("ABSENT", r"does not load \(AttributeError"),
        ("TAKEN", "brings the number format 'own', which slipstick has itself"),
        ("PLANNED", "name of a plan's field; got 'tp'"),
    ],
)
def test_a_broken_family_is_one_error_where_it_might_have_answered(
    registry: Registry[Any], tmp_path: Path, value: str, said: str
) -> None:
    registry.register(FormatFamily("own", Ternary, {}, ("own",)))
    with installed(tmp_path, value):
        assert registry.build("own") == Ternary()
        for ask in (registry.families, lambda: registry.build("ternary")):
            with pytest.raises(SlipstickError, match=said) as caught:
                ask()
            assert "slipstick-t 0.1" in str(caught.value)
