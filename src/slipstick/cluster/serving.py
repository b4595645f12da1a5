"""Serving: requests that share a device. Static and continuous batches, chunked prefill, drafts, split devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipstick.cluster.inference import InferenceSetting, decode_step, decode_time, prefill
from slipstick.cluster.network import messages
from slipstick.cluster.plans import AUTO_TIER, Plans

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Load:
    """What requests look like: `concurrency` at any time on one replica, `prompt` tokens in, `output` tokens out."""

    concurrency: IntArray
    prompt: IntArray
    output: IntArray


@dataclass(frozen=True)
class Service:
    """What requests see, (n,) each: seconds to the first token, seconds between tokens, and tokens/s of a replica."""

    first_token: FloatArray
    per_token: FloatArray
    throughput: FloatArray

    @property
    def latency(self) -> FloatArray:
        """Seconds per generated token of a whole request: what concurrency / throughput gives."""
        return 1.0 / self.throughput


def static_batch(setting: InferenceSetting, plans: Plans, load: Load) -> Service:
    """Return a batch that starts and ends together: one prefill, then output - 1 decode steps."""
    first = prefill(setting, plans, load.concurrency, load.prompt).time
    step = decode_time(setting, plans, load.concurrency, load.prompt, load.output)
    whole = first + (load.output - 1) * step
    return Service(first, step, load.concurrency * load.output / whole)


# Share of the prompts that arrive together although each client sends its next request when its last one ends: equal
# requests keep in step. 0: evenly spread, 1: all at once. Calibrated on llm_serving_h100.csv.
SYNCHRONY = 0.15


def continuous_batch(setting: InferenceSetting, plans: Plans, load: Load, chunk: int | None = None) -> Service:
    """Return a running batch in its steady state: as soon as a request ends the next one's prompt is computed.

    Each of `concurrency` requests takes `output` steps, so concurrency / output prompts fall on a step on average, and
    each holds up all others. Prompts that arrive together wait for each other instead: half of their queue on average,
    which the first ones of them spend in the decode steps that the last ones hold up. Chunks of a prompt ride along
    with decode steps, and the weights that a step reads anyway are not read again for them.
    """
    decode = decode_time(setting, plans, load.concurrency, load.prompt, load.output)
    alone = _prompt_time(setting, plans, load, chunk)
    others = load.concurrency - 1
    held_up = others / load.output * alone
    step = decode + held_up * (1 - SYNCHRONY / 2)
    first = alone + decode / 2 + SYNCHRONY * others / 2 * alone + setting.device.steps.request_overhead
    return Service(first, step, load.concurrency * load.output / (first + (load.output - 1) * step))


def _prompt_time(setting: InferenceSetting, plans: Plans, load: Load, chunk: int | None) -> FloatArray:
    """Return seconds that one prompt adds: whole, or in chunks whose pass replaces a decode step's reading."""
    if chunk is None:
        return prefill(setting, plans, 1, load.prompt).time
    pieces = np.ceil(load.prompt / chunk)
    size = np.minimum(load.prompt, chunk)
    middle = np.maximum(0, load.prompt // 2 - size // 2)
    each = prefill(setting, plans, 1, size, middle).time
    shared = decode_step(setting, plans, 1, load.prompt).parts
    saved = shared["projections"] + shared["launch"] + shared["overhead"] + shared["elementwise"]
    return np.asarray(pieces * np.maximum(each - saved, 0.0))


def tokens_per_step(drafts: int, acceptance: float) -> float:
    """Return the expected tokens of one speculative step: (1 - a^(k+1)) / (1 - a).

    Source: Leviathan et al. 2211.17192, equation 1.

    Examples
    --------
    >>> tokens_per_step(0, 0.9), tokens_per_step(3, 1.0), round(tokens_per_step(4, 0.8), 4)
    (1.0, 4.0, 3.3616)
    """
    if acceptance >= 1.0:
        return drafts + 1.0
    return (1.0 - acceptance ** (drafts + 1)) / (1.0 - acceptance)


def speculative_time(
    setting: InferenceSetting, plans: Plans, load: Load, drafts: int, acceptance: float, draft_cost: float
) -> FloatArray:
    """Return seconds a token with `drafts` proposed tokens a step, each draft step costing a share of a plain step.

    The proposals are verified in one pass over drafts + 1 tokens of each sequence.
    """
    middle = load.prompt + (load.output + 1) // 2
    plain = decode_step(setting, plans, load.concurrency, middle).time
    verify = decode_step(setting, plans, load.concurrency, middle, drafts + 1).time
    return (verify + drafts * draft_cost * plain) / tokens_per_step(drafts, acceptance)


def split_service(
    setting: InferenceSetting,
    prefill_plans: Plans,
    plans: Plans,
    load: Load,
    cache_bytes: FloatArray,
    prompts_at_once: IntArray,
) -> Service:
    """Return disaggregated serving: some devices only prefill, others only decode (Zhong et al. 2401.09670).

    Parameters
    ----------
    cache_bytes : of one prompt on one device: what moves from the prefill to the decode devices.
    prompts_at_once : replicas that prefill.
    """
    alone = prefill(setting, prefill_plans, 1, load.prompt).time
    moved = messages("point_to_point", cache_bytes, 2, plans.devices, np.full(len(plans), AUTO_TIER), setting.tiers)
    step = decode_time(setting, plans, load.concurrency, load.prompt, load.output)
    # the slower side sets the pace: prompts a second against finished requests a second
    pace = np.minimum(prompts_at_once / alone, load.concurrency / (load.output * step))
    return Service(alone + moved, step, pace * load.output)
