"""Plug-ins: members that installed packages add to a registry, by the entry points of their metadata.

A package names what it adds in its pyproject.toml, and slipstick finds it without an import of the package's own::

    [project.entry-points."slipstick.devices"]
    crossbar = "slipstick_crossbar.device:Crossbar"

A registry reads its group when a name asks for what it does not have itself. A plug-in that does not load is one error
that names its package, where it might have answered or is listed; everything else goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Plugin:
    """Entry point of an installed package; its module is imported when `value` is first read."""

    entry: EntryPoint

    @property
    def package(self) -> str:
        """Name and version of the distribution that provides the plug-in, as pip shows them."""
        distribution = getattr(self.entry, "dist", None)
        return f"{distribution.name} {distribution.version}" if distribution else "an unknown package"

    @cached_property
    def value(self) -> Any:
        """Object to which the entry point refers, imported on first use.

        Errors
        ------
        SlipstickError naming the package, if its module does not import or has no such name.
        """
        try:
            return self.entry.load()
        except Exception as error:  # whatever a stranger's module raises while it is imported
            raise self.error(f"does not load ({type(error).__name__}: {error})") from error

    def error(self, message: str, allowed: str = "") -> SlipstickError:
        """Return the error about a plug-in: its package, entry point and group, and the values allowed there."""
        return SlipstickError(
            f"the entry point {self.entry.name} of {self.entry.group} {message}; mend or uninstall the package",
            path=self.package, value=self.entry.value, allowed=allowed or None,
        )  # fmt: skip


@cache
def installed_plugins(group: str) -> tuple[Plugin, ...]:
    """Return the plug-ins of a group, none of them imported yet; empty for a registry without a group.

    The metadata of the installed packages are read once a process.

    Examples
    --------
    >>> installed_plugins("slipstick.no_such_group"), installed_plugins("")
    ((), ())
    """
    from importlib.metadata import entry_points

    return tuple(Plugin(entry) for entry in entry_points(group=group)) if group else ()


def working(group: str, load: Callable[[Plugin], T]) -> Iterator[tuple[Plugin, T]]:
    """Yield the plug-ins of a group that load, each with the result of `load`; broken ones are left out."""
    for plugin in installed_plugins(group):
        try:
            member = load(plugin)
        except SlipstickError:
            continue
        yield plugin, member


def check_plugins(group: str, load: Callable[[Plugin], object]) -> None:
    """Raise the SlipstickError of the first plug-in of a group that `load` refuses, if there is one."""
    for plugin in installed_plugins(group):
        load(plugin)
