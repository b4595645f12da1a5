"""Constants of one link technology, as the collectives need them: read from ``data/collectives/<technology>.yaml``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import load_yaml

GENERIC = "generic"
FAMILIES = ("gather", "reduce", "exchange", "tree")


@dataclass(frozen=True)
class Protocol:
    """How a library moves a message over a link: low latency for small ones, full bandwidth for large ones.

    Attributes
    ----------
    name : "LL" (low latency: a flag beside every word), "LL128" (a flag every 128 bytes), "Simple" (fences).
    base : latency of the collective itself [s], paid once.
    hop : latency of one step to a neighbour [s].
    efficiency : share of the link's data-sheet bandwidth that a long message reaches [1].
    own : a rank's own shard passes its memory before the pipeline runs: its cost in units of
        shard bytes / data-sheet bandwidth [1].
    limit : the largest shard (message bytes / ranks) for which the library picks this protocol [bytes].
    """

    name: str
    base: float
    hop: float
    efficiency: float
    own: float
    limit: float


@dataclass(frozen=True)
class InSwitch:
    """Reduction inside the switch (NVLS, SHARP): base latency [s], share of bandwidth [1], smallest group [devices]."""

    base: float
    efficiency: float
    min_ranks: int


@dataclass(frozen=True)
class LinkConstants:
    """All constants of one link technology.

    Attributes
    ----------
    technology : the name asked for; `source` names the file's own origin.
    calibrated : True if fitted on measurements of this technology, False if assumed.
    gather, reduce, exchange : the protocols of the rings of {all_gather, reduce_scatter, broadcast} and of
        {all_reduce}, and of the direct sends of {all_to_all, point_to_point}, from low latency to full bandwidth.
    tree : the protocols of the double binary tree of an all-reduce over this tier; empty where none is used.
    in_switch : reduction in the switch, or None.
    hierarchical : whether an all-reduce over this tier may go reduce-scatter inside, all-reduce across, all-gather
        inside (NCCL does not unless the switches reduce).
    congestion : the tier's bandwidth falls as (domains joined / 2) ** -congestion: oversubscription and
        collisions of routes [1].
    host : time of the host to start a collective, for each rank of its group [s]. It bounds eager execution.
    """

    technology: str
    calibrated: bool
    source: str
    gather: tuple[Protocol, ...]
    reduce: tuple[Protocol, ...]
    exchange: tuple[Protocol, ...]
    tree: tuple[Protocol, ...]
    in_switch: InSwitch | None
    hierarchical: bool
    congestion: float
    host: float


@cache
def load_link_constants(technology: str) -> LinkConstants:
    """Return the constants of a link technology.

    A name without a file gets that of its family ("infiniband-ndr": ``infiniband``), else ``generic``, not calibrated.

    Examples
    --------
    >>> load_link_constants("nvlink4").calibrated
    True
    >>> load_link_constants("carrier-pigeon").calibrated
    False
    """
    known = link_technologies()
    family = technology.rpartition("-")[0]
    found = technology if technology in known else family if family in known else GENERIC
    return _read(technology, _folder() / f"{found}.yaml")


def link_technologies() -> list[str]:
    """Return the names of the link technologies that have a file of their own."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def _folder() -> Path:
    return Path(str(resources.files("slipstick"))) / "data" / "collectives"


def _read(technology: str, path: Path) -> LinkConstants:
    data = load_yaml(path)
    try:
        return LinkConstants(
            technology=technology,
            calibrated=bool(data["calibrated"]) and path.stem == technology,
            source=str(data["source"]),
            gather=_protocols(data["gather"]),
            reduce=_protocols(data["reduce"]),
            exchange=_protocols(data["exchange"]),
            tree=_protocols(data.get("tree", {})),
            in_switch=_in_switch(data.get("in_switch")),
            hierarchical=bool(data["hierarchical"]),
            congestion=float(data["congestion"]),
            host=float(data.get("host", 0.0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SlipstickError(f"not link constants: {type(error).__name__} {error}", path=str(path)) from None


def _protocols(rows: dict[str, dict[str, Any]]) -> tuple[Protocol, ...]:
    return tuple(
        Protocol(
            name=name,
            base=float(row["base"]),
            hop=float(row["hop"]),
            efficiency=float(row["efficiency"]),
            own=float(row["own"]),
            limit=float(row.get("limit", math.inf)),
        )
        for name, row in rows.items()
    )


def _in_switch(row: dict[str, Any] | None) -> InSwitch | None:
    if row is None:
        return None
    return InSwitch(base=float(row["base"]), efficiency=float(row["efficiency"]), min_ranks=int(row["min_ranks"]))
