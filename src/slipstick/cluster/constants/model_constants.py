"""Constants of the cluster model that hold for every device generation, read from ``data/model/cluster.yaml``."""

from __future__ import annotations

from functools import cache

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry


class _ModelConstants(Entry):
    """Fitted or assumed constants of the cluster model, whatever the device, each with its reason in `sources`."""

    core_operations: float = Field(
        gt=0, json_schema_extra={"unit": "FLOP"}, description="Operations a clock above which a core counts as several"
    )
    l2_over_dram: float = Field(
        gt=0, description="L2 bandwidth over that of DRAM on devices whose L2 bandwidth is not published"
    )
    unshared_reads: float = Field(
        ge=0, le=1, description="Share of the cache's reads that miss the L2 where query heads do not share their keys"
    )
    expert_skew: float = Field(ge=0, description="Exponent of the experts' popularity by rank (Zipf's law)")
    loose_message: units.Bytes = Field(description="Largest all-reduce of gradients that are not gathered into buckets")
    last_bucket: float = Field(
        ge=0, le=1, description="Share of the gradients in the last bucket, which no computation is left to hide"
    )
    gathered_layers: int = Field(
        ge=1, description="Layers whose weights are whole at once on a device that ZeRO-3 shards"
    )
    live_parameters: float = Field(gt=0, description="Parameters that are whole at once on such a device, at most")
    loss_copies: float = Field(
        ge=1, description="Tensors of the size of the fp32 logits that a loss of single kernels holds"
    )
    routing_launches: int = Field(ge=0, description="Kernels that route the tokens of a layer to their experts")


model_constants = Catalogue(_ModelConstants, "model", noun="set of model constants")


@cache
def _model() -> _ModelConstants:
    """Return the constants of the cluster model."""
    return model_constants.entry("cluster")
