"""Families of other packages: registered by hand or by entry points, refused in one clear error."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats.registry import FormatFamily, Registry, whole


@dataclass(frozen=True)
class Ternary:
    threshold: int = 7


FAMILY = FormatFamily("Ternary", Ternary, {"threshold": whole}, ("ternary",), ("t3",))
NOTHING = 3


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


def installed(monkeypatch: pytest.MonkeyPatch, value: str) -> list[str]:
    """Let one package have an entry point; return the groups that are asked for."""
    asked: list[str] = []

    def entry_points(group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint("ternary", value, group)]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return asked


def test_installed_packages_are_asked_once_and_only_for_names_that_are_not_here(
    registry: Registry[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = installed(monkeypatch, f"{__name__}:FAMILY")
    registry.register(FormatFamily("own", Ternary, {}, ("own",)))
    assert registry.build("own") == Ternary()
    assert asked == []
    assert registry.build("ternary:2") == Ternary(2)
    assert registry.build("ternary:3") == Ternary(3)
    assert asked == ["slipstick.nothing"]
    with pytest.raises(SlipstickError, match=r"no such number format .*got 'ternery'; did you mean 'ternary'"):
        registry.build("ternery")


def test_an_entry_point_that_is_no_family_is_named(registry: Registry[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, f"{__name__}:NOTHING")
    with pytest.raises(SlipstickError, match=r"entry point slipstick.nothing: not a FormatFamily"):
        registry.build("ternary")
