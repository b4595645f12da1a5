"""Findings on a system whose link technology or device generation has no constants: the generic ones are then used."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from slipstick.cluster.constants.links import _has_constants, link_constants
from slipstick.cluster.constants.matmul import kernel_constants
from slipstick.core.catalogue import systems
from slipstick.core.system import System
from slipstick.report.metric import Finding

_CHECK = "constants_are_known"


def constants_findings(system: System, *, links: bool = True) -> tuple[Finding, ...]:
    """Return a finding per link technology and device generation that the catalogues do not know.

    A generation of the catalogue's own systems is known: where nobody has measured it, a report's source says so.
    Links of a single device carry nothing, and have no finding.

    Parameters
    ----------
    links : whether collectives are timed by the constants of link technologies, rather than on a fabric.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> ours = resolve_system({"name": "ours", "base": "dgx-h100", "generation": "hoper"})
    >>> [finding.path for finding in constants_findings(ours)]
    ['system.generation']
    """
    return (*(_links(system) if links else ()), *_generation(system))


def _links(system: System) -> Iterator[Finding]:
    for name, tier in system.network.items() if system.devices > 1 else ():
        if not _has_constants(tier.technology):
            path = f"system.network.{name}.technology"
            yield _finding("link technology", tier.technology, link_constants.names(), path)


def _generation(system: System) -> Iterator[Finding]:
    known = kernel_constants.names()
    if system.generation not in known and all(system.generation != other.generation for _, other in systems.items()):
        yield _finding("device generation", system.generation, known, "system.generation")


def _finding(noun: str, name: str, known: Collection[str], path: str) -> Finding:
    return Finding(_CHECK, f"generic constants are used for {noun} {name!r}; known: {', '.join(known)}", path)
