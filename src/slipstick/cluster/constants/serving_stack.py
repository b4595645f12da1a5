"""Constants of serving software, one set an engine: how it batches, and what its host adds to the device's time."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.errors import SlipstickError
from slipstick.core.files import parse_yaml
from slipstick.core.spec import Spec, validate


class Stack(Spec):
    """One serving engine; `reasons` says where each constant comes from."""

    name: str
    calibrated: bool
    batching: Literal["mixed", "prefill_first"]  # prompts share steps with decoding, or interrupt it until all are done
    batched_tokens: int = Field(gt=0)  # tokens of the largest step
    memory_share: float = Field(gt=0, le=1)  # of a device's memory that weights and cache may fill
    all_reduce: Literal["library", "one_shot", "two_shot"]  # of small messages: by a ring, or reading the peers' memory
    wait: float = Field(
        ge=0
    )  # steps from a prompt's arrival until it is computed: the running one, those prepared ahead
    spread: float = Field(gt=0)  # s between the next prompts of clients whose requests ended together
    step: units.Seconds  # the host's time a step that the device waits for
    sequence: units.Seconds  # the same for each running sequence: scheduling, sampling, bookkeeping
    stream: units.Seconds  # the host's time to decode and send one token, beside the device
    eager_layer: units.Seconds  # the host's time to launch a layer of a step with prompts, which no graph replays
    request: units.Seconds  # from a request's arrival to its first step, and from that step to the client
    reasons: dict[str, str] = Field(default_factory=dict)


@cache
def load_stack(name: str) -> Stack:
    """Return an engine's constants (data/stacks).

    Examples
    --------
    >>> load_stack("sglang").batching
    'prefill_first'
    """
    folder = resources.files("slipstick.data") / "stacks"
    file = folder / f"{name}.yaml"
    if not file.is_file():
        known = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
        raise SlipstickError("no such serving software", path="plan.stack", value=name, allowed=known)
    return validate(Stack, parse_yaml(file.read_text("utf-8"), where=file.name), where=file.name)
