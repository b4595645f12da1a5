"""Constants of one link technology for the times of collectives, read from ``data/collectives/<technology>.yaml``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.spec import Spec

_GENERIC = "generic"


class _Protocol(Spec):
    """Message protocol of a collective library (as NCCL's LL, LL128, Simple): its latency and share of bandwidth."""

    model_config = ConfigDict(allow_inf_nan=True)  # a protocol without a limit has an infinite one

    name: str = Field(description="LL (low latency: a flag in every word), LL128 (a flag every 128 B), Simple (fences)")
    base: units.Seconds = Field(description="Latency of the collective itself, paid once")
    hop: units.Seconds = Field(description="Latency of one step to a neighbour")
    efficiency: float = Field(gt=0, le=1, description="Share of the data sheet's bandwidth that a long message reaches")
    own: float = Field(
        ge=0,
        description="Time that a rank's own shard takes to pass its memory before the pipeline runs, in units of "
        "shard bytes / data-sheet bandwidth",
    )
    limit: float = Field(
        default=math.inf,
        gt=0,
        json_schema_extra={"unit": "B"},
        description="Largest shard (message bytes / ranks) for which the library picks this protocol",
    )


class _InSwitch(Spec):
    """Constants of all-reduces that the switch itself sums (NVLS, SHARP)."""

    base: units.Seconds = Field(description="Latency of the collective, paid once")
    efficiency: float = Field(gt=0, le=1, description="Share of the data sheet's bandwidth")
    min_ranks: int = Field(gt=0, json_schema_extra={"unit": "device"}, description="Smallest group of ranks")


def _named(rows: object) -> object:
    """Return the protocols of a YAML file (name -> constants) as a list in the file's order."""
    return [{"name": name, **row} for name, row in rows.items()] if isinstance(rows, Mapping) else rows


_Protocols = Annotated[tuple[_Protocol, ...], BeforeValidator(_named)]


class _LinkConstants(Entry):
    """Constants of one link technology for collectives; `protocols` go from low latency to full bandwidth."""

    technology: str = Field(default="", description="Link technology asked for; `name` is whose constants hold")
    calibrated: bool = Field(description="Fitted on measurements of this technology, rather than assumed")
    gather: _Protocols = Field(description="Ring protocols of all-gather, reduce-scatter and broadcast")
    reduce: _Protocols = Field(description="Ring protocols of all-reduce")
    exchange: _Protocols = Field(description="Direct sends of all-to-all and point to point")
    tree: _Protocols = Field(
        default=(), description="Protocols of the double binary tree of an all-reduce; empty where none is used"
    )
    in_switch: _InSwitch | None = Field(default=None, description="Reduction in the switch, if it has one")
    hierarchical: bool = Field(
        description="All-reduce may go reduce-scatter inside, all-reduce across, all-gather inside "
        "(NCCL does not unless the switches reduce)"
    )
    congestion: float = Field(
        ge=0,
        description="Bandwidth falls as (domains joined / 2) ** -congestion: oversubscription, collisions of routes",
    )
    host: units.Seconds = Field(
        default=0.0,
        description="Host time to start a collective, for each rank of its group; it bounds eager execution",
    )

    @classmethod
    def of_technology(cls, technology: str) -> _LinkConstants:
        """Return the collective constants of a link technology, such as ``nvlink4``.

        A name without a file gets that of its family ("infiniband-ndr": ``infiniband``), else ``generic``, not
        calibrated.

        Examples
        --------
        >>> _LinkConstants.of_technology("nvlink4").calibrated
        True
        >>> _LinkConstants.of_technology("carrier-pigeon").calibrated
        False
        """
        name = _constants_name(technology) or _GENERIC
        constants = link_constants.entry(name)
        own: dict[str, Any] = {"technology": technology, "calibrated": constants.calibrated and name == technology}
        return constants.model_copy(update=own)


def _has_constants(technology: str) -> bool:
    """Return whether a link technology has constants of its own or of its family, so that no generic ones are used."""
    return _constants_name(technology) is not None


def _constants_name(technology: str) -> str | None:
    """Return the name of the constants of a link technology: its own or its family's, None where there are none."""
    family = technology.rpartition("-")[0]
    return next((name for name in (technology, family) if name in link_constants.names()), None)


link_constants = Catalogue(_LinkConstants, "collectives", noun="link technology")
