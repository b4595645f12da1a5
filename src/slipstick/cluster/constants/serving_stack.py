"""Constants of serving software per engine: how it batches requests, and the host time that it adds to each step."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry


class _Stack(Entry):
    """Constants of one serving engine, such as vLLM, with the source of each in `sources`."""

    calibrated: bool = Field(description="Fitted on measured rows of this engine, rather than assumed")
    batching: Literal["mixed", "prefill_first"] = Field(
        description="Prompts share steps with decoding, or interrupt it until all are computed"
    )
    batched_tokens: int = Field(gt=0, description="Tokens of the largest step")
    memory_share: float = Field(gt=0, le=1, description="Share of a device's memory that weights and cache may fill")
    all_reduce: Literal["library", "one_shot", "two_shot"] = Field(
        description="All-reduce of small messages: by the library's ring, or reading the peers' memory"
    )
    wait: float = Field(
        ge=0, description="Steps from a prompt's arrival until it is computed: the running one, those prepared ahead"
    )
    spread: float = Field(
        gt=0,
        json_schema_extra={"unit": "s"},
        description="Time between the next prompts of clients whose requests ended together",
    )
    step: units.Seconds = Field(description="Host time a step that the device waits for")
    sequence: units.Seconds = Field(description="Host time of each running sequence: scheduling, sampling, bookkeeping")
    stream: units.Seconds = Field(description="Host time to decode and send one token, beside the device")
    eager_layer: units.Seconds = Field(
        description="Host time to launch a layer of a step with prompts, which no graph replays"
    )
    request: units.Seconds = Field(
        description="Time from a request's arrival to its first step, and from its last step to the client"
    )


stacks = Catalogue(_Stack, "stacks", noun="serving software", field="plan.stack")
