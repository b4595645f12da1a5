"""Small objects whose figures can be computed by hand: a decoder, settings on an H100, a linear price of messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.catalogue import resolve_system
from slipstick.core.plan import Plan
from slipstick.core.workload import Workload
from slipstick.networks.decoder.attention import GroupedQuery
from slipstick.networks.decoder.block import Block
from slipstick.networks.decoder.decoder import Decoder
from slipstick.networks.decoder.mlp import DenseMlp, MoeMlp

HIDDEN, HEADS, KV, DIM, FFN, WORDS, LAYERS = 512, 8, 4, 64, 1536, 1000, 8
QKV, OUT = HIDDEN * (HEADS + 2 * KV) * DIM, HEADS * DIM * HIDDEN
UP, DOWN = HIDDEN * 2 * FFN, FFN * HIDDEN
LAYER = QKV + OUT + UP + DOWN + 2 * HIDDEN  # parameters of one layer, its two RMS norms included

SECONDS_A_BYTE = {
    "all_reduce": 5e-10, "all_gather": 3e-10, "reduce_scatter": 2e-10, "all_to_all": 7e-10, "point_to_point": 1e-10,
}  # fmt: skip


def attention(**changes: Any) -> GroupedQuery:
    return GroupedQuery(**{"heads": HEADS, "kv_heads": KV, "head_dim": DIM, "rotary": False, **changes})


def decoder(layers: int = LAYERS, mlp: Any = None, parallel: bool = False, **fields: Any) -> Decoder:
    """Return a decoder of `layers` equal layers with a gated feed-forward part, and no rotary embedding."""
    block = Block(count=layers, attention=attention(), mlp=mlp or DenseMlp(ffn=FFN), parallel=parallel)
    return Decoder(**{"name": "toy", "hidden": HIDDEN, "vocabulary": WORDS, "blocks": (block,), **fields})


def experts() -> MoeMlp:
    return MoeMlp(experts=8, active=2, ffn=256)


def price(op: str, size: float, ranks: int, stride: int) -> float:
    """Return the seconds of a message: linear in its bytes and its ranks, and a bit more for wide strides."""
    return 0.0 if ranks <= 1 else SECONDS_A_BYTE[op] * size * ranks * (1 + stride / 100)


def training(
    plan: str = "", network: Decoder | None = None, devices: int = 64, batch: int = 64, sequence: int = 1024
) -> TrainingSetting:
    """Return the setting of the toy decoder on H100s, whose messages cost what `price` says."""
    workload = Workload(network=network or decoder(), batch=batch, sequence=sequence)
    setting = TrainingSetting.of(workload, resolve_system(f"h100-sxm-80gb:{devices}"), Plan.of(plan))
    return replace(setting, tiers=[replace(tier, price=price) for tier in setting.tiers])
