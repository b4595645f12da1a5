"""Constants of the tables: what a share, a slowdown, a size or a time can be, at the limit and just beyond."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from slipstick.cluster.constants.error_bands import error_bands
from slipstick.cluster.constants.links import _InSwitch, _LinkConstants, _Protocol, link_constants
from slipstick.cluster.constants.matmul import _MatmulConstants, kernel_constants
from slipstick.cluster.constants.model_constants import model_constants
from slipstick.cluster.constants.prices import prices
from slipstick.cluster.constants.serving_stack import stacks
from slipstick.cluster.constants.step_constants import _StepConstants, step_constants
from slipstick.cluster.kernels.device_power import power_shares
from slipstick.cluster.training.goodput import failure_rates
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import Spec, override


@dataclasses.dataclass(frozen=True)
class Range:
    """Values that are in, and those next to them that are not."""

    inside: tuple[float, ...]
    outside: tuple[float, ...]


TINY = 1e-9
SHARE = Range((TINY, 0.5, 1.0), (0.0, -0.5, 1.0 + TINY, 1.5))  # of what can be reached: some of it, at most all
PART = Range((0.0, 0.5, 1.0), (-TINY, -0.5, 1.0 + TINY, 1.5))  # of a whole: none, or all
LOSS = Range((0.0, 0.5, 1.0 - TINY), (-TINY, 1.0, 1.5))  # all cannot be lost
SLOWDOWN = Range((1.0, 1.5), (1.0 - TINY, 0.5, 0.0))  # or a cost over a part of it
AMOUNT = Range((0.0, 0.5, 2.0), (-TINY, -0.5, -1.0))  # or none
SIZE = Range((TINY, 0.5, 2.0), (0.0, -TINY, -0.5))
COUNT = Range((1, 2), (0, -1))

FIELDS: dict[str, tuple[Spec, dict[str, Range]]] = {
    "matmul": (
        kernel_constants.entry("hopper").formats["bf16"],
        {
            **dict.fromkeys(("efficiency", "dram", "eviction"), SHARE), "whole_waves": PART, "sag": LOSS,
            **dict.fromkeys(("half_area", "fill", "partial_sums", "quantise_reads"), AMOUNT),
            **dict.fromkeys(("largest_tile", "l2", "capacity", "draw", "sag_flops", "quantise_rate"), SIZE),
            "sharpness": Range((1.0, 20.0), (1.0 - TINY, 0.5, 20.0 + 1e-6, 21.0)),
        },
    ),
    "step": (
        step_constants.entry("hopper"),
        {
            **dict.fromkeys(("matmul_slowdown", "narrow_slowdown", "inference_slowdown"), SLOWDOWN),
            **dict.fromkeys(
                ("unfused_traffic", "unfused_host", "unfused_activations", "unfused_working"), SLOWDOWN
            ),
            **dict.fromkeys(("stream_efficiency", "l2_share", "shard_efficiency", "optimizer_efficiency"), SHARE),
            **dict.fromkeys(
                ("attention_forward", "attention_backward", "attention_stream", "peer_efficiency"), SHARE
            ),
            **dict.fromkeys(("l2_reuse", "overlap_slowdown"), PART),
            "memory_reserve": LOSS,
        },
    ),
    "link": (link_constants.entry("nvlink4"), {"congestion": AMOUNT}),
    "protocol": (
        link_constants.entry("nvlink4").gather[0], {"efficiency": SHARE, "own": AMOUNT, "limit": SIZE},
    ),
    "in_switch": (
        link_constants.entry("nvlink4").in_switch or _InSwitch(base=0.0, efficiency=1.0, min_ranks=1),
        {"efficiency": SHARE, "min_ranks": COUNT},
    ),
    "stack": (
        stacks.entry(stacks.names()[0]),
        {"batched_tokens": COUNT, "memory_share": SHARE, "wait": AMOUNT, "spread": SIZE},
    ),
    "prices": (
        prices.entry("datacentre"),
        {
            "electricity": AMOUNT, "amortisation": SIZE, "utilisation": SHARE,
            "facility": SLOWDOWN, "server_share": SLOWDOWN, "carbon": AMOUNT,
        },
    ),
    "model": (
        model_constants.entry("cluster"),
        {
            **dict.fromkeys(("core_operations", "l2_over_dram"), SIZE), "unshared_reads": PART, "last_bucket": PART,
            "expert_skew": AMOUNT, "loss_copies": SLOWDOWN, "routing_launches": Range((0, 1), (-1,)),
            "gathered_layers": COUNT, "live_parameters": SIZE,
        },
    ),
    "band": (
        error_bands.entry("train"), {"low": SIZE, "high": SIZE, "error": AMOUNT, "rows": COUNT},
    ),
    "power": (power_shares.entry("shares"), {"chip": PART, "reach": SHARE, "idle": LOSS, "memory": LOSS}),
    "failures": (failure_rates.entry("cluster"), {"device_mtbf": SIZE, "storage": SIZE}),
}  # fmt: skip
TIMES = {
    "matmul": ("launch", "split", "quantise_launch"),
    "step": (
        "stream_latency", "attention_latency", "host_launch", "host_collective", "eager_launch", "replay_launch",
        "step_overhead", "token_overhead", "one_shot",
    ),
    "model": ("loose_message",), "link": ("host",), "protocol": ("base", "hop"), "in_switch": ("base",),
    "stack": ("step", "sequence", "stream", "eager_layer", "request"), "failures": ("restart_time",),
}  # fmt: skip


def cases() -> Iterator[tuple[str, str, Range]]:
    for table, (_, ranges) in FIELDS.items():
        yield from ((table, field, limits) for field, limits in ranges.items())
        yield from ((table, field, Range((0.0, 1e-6), (-1e-6,))) for field in TIMES.get(table, ()))


@pytest.mark.parametrize(
    ("table", "field", "limits"), list(cases()), ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_constant_stays_within_what_it_can_be(table: str, field: str, limits: Range) -> None:
    entry = FIELDS[table][0]
    for value in limits.inside:
        assert getattr(override(entry, {field: value}), field) == value
    for value in limits.outside:
        with pytest.raises(SlipstickError, match=field):
            override(entry, {field: value})


def test_every_numeric_constant_is_in_the_table_above() -> None:
    for table, (entry, ranges) in FIELDS.items():
        numeric = {name for name, field in type(entry).model_fields.items() if field.annotation in (float, int)}
        assert numeric == {*ranges, *TIMES.get(table, ())}, table


def test_what_a_table_does_not_state_has_no_effect_or_the_documented_size() -> None:
    """Unfused layers of a generation that states none: 3 times the traffic, 6 the host's time, 1.2 and 2.5 the room."""

    def stated(kind: type[Spec], entry: Spec) -> dict[str, float]:
        given = {name: getattr(entry, name) for name, field in kind.model_fields.items() if field.is_required()}
        return {n: v for n, v in kind.model_validate(given).model_dump().items() if n not in given}

    step = stated(_StepConstants, step_constants.entry("hopper"))
    for name, value in {
        "inference_slowdown": 1.0, "unfused_traffic": 3.0, "unfused_host": 6.0, "unfused_activations": 1.2,
        "unfused_working": 2.5, "one_shot": 0.0, "peer_efficiency": 0.5,
    }.items():  # fmt: skip
        assert step[name] == value
    product = stated(_MatmulConstants, kernel_constants.entry("hopper").formats["bf16"])
    assert product == {"quantise_launch": 0.0, "quantise_rate": 1.0, "quantise_reads": 1.0}
    assert _Protocol(name="LL", base=0.0, hop=0.0, efficiency=1.0, own=0.0).limit == float("inf")
    assert _LinkConstants.model_fields["host"].default == 0.0
