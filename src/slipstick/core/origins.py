"""Origins of numbers by the first words of their sources: calibrated, set by hand, assumed, recollected, and so on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_ORIGINS = ("calibrated", "by hand", "assumed", "derived", "counted")


def _origin_counts(sources: Iterable[str]) -> str:
    """Return the count of each origin as text.

    Examples
    --------
    >>> _origin_counts(["assumed: as b", "calibrated on c.csv", "assumed", "paper, table 2 (recollection)"])
    '2 assumed, 1 calibrated, 1 recollected'
    """
    counts = Counter(map(_origin, sources))
    return ", ".join(f"{count} {origin}" for origin, count in sorted(counts.items()))


def _origin(source: str) -> str:
    """Return how a number was found, by the first words of its source; a publication that we recollect is no source."""
    published = "recollected" if "recollection" in source or source.startswith("from memory") else "published"
    return next((origin for origin in _ORIGINS if source.startswith(origin)), published)
