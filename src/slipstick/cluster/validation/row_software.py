"""Software and cluster of reference rows: what their sources are known to have run, which no column holds."""

from __future__ import annotations

from functools import cache

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry


class _Software(Entry):
    """Software and cluster of a source of reference rows; the name is text in a row's source or software."""

    plan: dict[str, bool | int | str] = Field(default={}, description="Short key of a plan -> value")
    system: dict[str, str] = Field(default={}, description="Dotted path below the system -> value")
    unlike: str = Field(default="", description="What it does that no plan describes: its rows are not answered")


reference_software = Catalogue(_Software, "validation/software.yaml", noun="software of reference rows")


@cache
def _software(*texts: str) -> _Software:
    """Return the facts of data/validation/software.yaml whose names stand in `texts`, as one; later entries win."""
    plan: dict[str, bool | int | str] = {}
    system: dict[str, str] = {}
    unlike = ""
    searched = " | ".join(texts).lower()
    for name, entry in reference_software.items():
        if name.lower() in searched:
            plan |= entry.plan
            system |= entry.system
            unlike = entry.unlike or unlike
    return _Software(plan=plan, system=system, unlike=unlike)
