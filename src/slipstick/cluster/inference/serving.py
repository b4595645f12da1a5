"""Serving in closed form: static and continuous batching, chunked prefill, speculative decoding, disaggregation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slipstick.cluster.collectives.collective_time import messages
from slipstick.cluster.inference.inference_pass import (
    _decode_step,
    _InferenceSetting,
    _largest_batch,
    _prefill,
)
from slipstick.cluster.sweep.plans import AUTO_TIER, Plans
from slipstick.cluster.sweep.rows import _Rows
from slipstick.core.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class _Load(_Rows):
    """Load of one replica: `concurrency` requests at any time, of `prompt` input and `output` generated tokens each."""

    concurrency: IntArray
    prompt: IntArray
    output: IntArray


@dataclass(frozen=True)
class _Service:
    """Quality of service per plan, (n,): time to first token [s], time between tokens [s], tokens/s per replica."""

    first_token: FloatArray
    per_token: FloatArray
    throughput: FloatArray

    @property
    def latency(self) -> FloatArray:
        """Time per generated token of a whole request [s], first token included: concurrency / throughput."""
        return 1.0 / self.throughput


def _static_batch(setting: _InferenceSetting, plans: Plans, load: _Load) -> _Service:
    """Return the service of static batching: one common prefill of all requests, then output - 1 decode steps."""
    first = _prefill(setting, plans, load.concurrency, load.prompt).time
    step = _decode_time(setting, plans, load.concurrency, load.prompt, load.output)
    whole = first + (load.output - 1) * step
    return _Service(first, step, load.concurrency * load.output / whole)


def _continuous_batch(
    setting: _InferenceSetting, plans: Plans, load: _Load, chunk: int | None = None, rounds: int | None = None
) -> _Service:
    """Return the service of continuous batching at constant concurrency: when a request ends, the next is prefilled.

    In the time of one request the devices compute its `output` steps and the prompts of all running requests; so what
    a request does not wait for before its first token, it waits for between its tokens. Where prompts share steps
    with decoding, a first token waits for a few such steps. Where they interrupt it, all sequences start and end
    together, and half of the prompts come before a first token on average. More requests than the cache holds wait
    for a place.

    Parameters
    ----------
    chunk : prompt tokens a step takes at most; None: whole prompts.
    rounds : requests that each client sends one after another, all clients starting at once, whose first ones wait
        for half of all prompts; None: the steady state.
    """
    stack = setting.stack
    running = np.minimum(load.concurrency, np.maximum(1, _places(setting, plans, load)))
    decode = _engine_step(setting, plans, running, load)
    fitting = np.maximum(1, stack.batched_tokens // load.prompt)
    together = np.minimum(running, fitting)
    prompt, single, many = _prompt_times(setting, plans, load, chunk, (together, np.ones_like(together), fitting))
    served = running * prompt + (load.output - 1) * decode + stack.request
    burst = (running + together) / 2.0 * prompt
    if stack.batching == "prefill_first":
        first = burst
    else:
        shared = np.maximum(single, np.minimum(together, 1.0 + single / stack.spread) * many)
        steady = shared + np.minimum(running - 1, stack.wait) * (shared + decode)
        first = steady if rounds is None else steady * (1 - 1 / rounds) + burst / rounds
    first = np.minimum(first, running * prompt) + stack.request
    step = (served - first) / np.maximum(load.output - 1, 1)
    waiting = served * (load.concurrency / running - 1.0)
    return _Service(first + waiting, step, load.concurrency * load.output / (served + waiting))


def _places(setting: _InferenceSetting, plans: Plans, load: _Load) -> IntArray:
    """Return the number of sequences whose KV cache fits in memory, each at half of its output on average."""
    return _largest_batch(setting, plans, load.prompt + load.output // 2, setting.capacity)


def _engine_step(setting: _InferenceSetting, plans: Plans, running: IntArray, load: _Load) -> FloatArray:
    """Return the time [s] of a decode step in a serving engine, with its host time and the sending of tokens."""
    stack = setting.stack
    device = _decode_time(setting, plans, running, load.prompt, load.output)
    return np.asarray(np.maximum(device + stack.step + stack.sequence * running, stack.stream * running))


def _decode_time(
    setting: _InferenceSetting, plans: Plans, batch: ArrayLike, prompt: ArrayLike, output: ArrayLike
) -> FloatArray:
    """Return the mean time [s] of a decode step while the context grows from `prompt` to `prompt` + `output` tokens.

    The time of a step is close to linear in its context, so its mean is that of the first and the last step.
    """
    n = len(plans)
    twice = plans.take(np.tile(np.arange(n), 2))
    context = np.concatenate([np.broadcast_to(np.asarray(prompt) + more, (n,)) for more in (1, np.asarray(output))])
    both = _decode_step(setting, twice, np.tile(np.broadcast_to(np.asarray(batch), (n,)), 2), context).time
    return np.asarray((both[:n] + both[n:]) / 2)


def _prompt_times(
    setting: _InferenceSetting, plans: Plans, load: _Load, chunk: int | None, together: tuple[IntArray, ...]
) -> tuple[FloatArray, ...]:
    """Return the prefill time [s] that one prompt adds, for each number of prompts in `together`.

    In chunks, a prompt is alone, and where prompts share steps its pieces ride along with decoding: the weights that
    such a step reads anyway are not read again.
    """
    n, count = len(plans), len(together)
    if chunk is None:
        every = plans.take(np.tile(np.arange(n), count))
        sizes = np.concatenate(together)
        times = _prefill(setting, every, sizes, np.tile(load.prompt, count)).time / sizes
        return tuple(times.reshape(count, n))
    pieces = np.ceil(load.prompt / chunk)
    size = np.minimum(load.prompt, chunk)
    middle = np.maximum(0, load.prompt // 2 - size // 2)
    piece = _prefill(setting, plans, 1, size, middle).time
    if setting.stack.batching == "mixed":
        shared = _decode_step(setting, plans, 1, load.prompt).parts
        piece = piece - (shared["projections"] + shared["launch"] + shared["overhead"] + shared["elementwise"])
    return (np.asarray(pieces * np.maximum(piece, 0.0)),) * count


def _tokens_per_step(drafts: int, acceptance: float) -> float:
    """Return the expected tokens of one speculative step: (1 - a^(k+1)) / (1 - a).

    Source: Leviathan et al. 2211.17192, equation 1.

    Examples
    --------
    >>> _tokens_per_step(0, 0.9), _tokens_per_step(3, 1.0), round(_tokens_per_step(4, 0.8), 4)
    (1.0, 4.0, 3.3616)
    """
    if acceptance >= 1.0:
        return drafts + 1.0
    return (1.0 - acceptance ** (drafts + 1)) / (1.0 - acceptance)


def _speculative_time(
    setting: _InferenceSetting, plans: Plans, load: _Load, drafts: int, acceptance: float, draft_cost: float
) -> FloatArray:
    """Return the time per token [s] of speculative decoding: `drafts` per step, each costing `draft_cost` plain steps.

    The proposals are verified in one pass over drafts + 1 tokens of each sequence.
    """
    middle = load.prompt + (load.output + 1) // 2
    plain = _decode_step(setting, plans, load.concurrency, middle).time
    verify = _decode_step(setting, plans, load.concurrency, middle, drafts + 1).time
    return (verify + drafts * draft_cost * plain) / _tokens_per_step(drafts, acceptance)


def _split_service(
    setting: _InferenceSetting,
    prefill_plans: Plans,
    plans: Plans,
    load: _Load,
    cache_bytes: FloatArray,
    prompts_at_once: FloatArray,
    concurrent: bool = True,
) -> _Service:
    """Return the service of disaggregated prefill and decode devices (Zhong et al. 2401.09670).

    Prompts come one after another to each prefilling replica; where these are too slow for the decoding ones, requests
    wait before them, as many as leave the concurrency (Little's law).

    Parameters
    ----------
    cache_bytes : of one prompt on one device: what moves from the prefill to the decode devices.
    prompts_at_once : prefill replicas per decode replica.
    concurrent : as many requests at any time as the load says, of which some may wait for a prefill; False: none waits,
        because as many arrive as can be served.
    """
    alone = _prefill(setting, prefill_plans, 1, load.prompt).time
    moved = messages("point_to_point", cache_bytes, 2, plans.devices, np.full(len(plans), AUTO_TIER), setting.tiers)
    step = _engine_step(setting, plans, load.concurrency, load)
    first = alone + moved + setting.stack.request
    served = first + (load.output - 1) * step
    pace = np.minimum(prompts_at_once / alone, load.concurrency / served)
    waiting = np.maximum(0.0, load.concurrency / pace - served)
    return _Service(first + waiting * concurrent, step, pace * load.output)
