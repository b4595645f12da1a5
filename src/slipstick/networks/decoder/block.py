"""Block, a run of equal decoder layers, and the sizes from which a decoder's operations are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from slipstick.core.spec import Spec
from slipstick.networks.decoder.attention import AnyAttention
from slipstick.networks.decoder.mlp import AnyMlp

_MAX_LAYERS = 100_000  # far above any network, so that an absurd file cannot exhaust memory


class Block(Spec):
    """Run of `count` equal decoder layers, each with an attention and a feed-forward part."""

    count: Annotated[int, Field(gt=0, le=_MAX_LAYERS)] = Field(default=1, description="Equal layers in a row")
    attention: AnyAttention = Field(description="Attention of one layer; kind is gqa, mla or linear")
    mlp: AnyMlp = Field(description="Feed-forward part of one layer; kind is dense or moe")
    parallel: bool = Field(
        default=False, description="Attention and feed-forward part read the same input (GPT-J, Falcon)"
    )
    norms: Annotated[int, Field(ge=0, le=16)] = Field(
        default=2, description="Norms of the hidden width in one layer, those inside attention and mlp excluded"
    )


@dataclass(frozen=True, slots=True)
class DecoderSizes:
    """Sizes from which a decoder's operations are made; `positions` counts learned position embeddings."""

    hidden: int
    vocabulary: int
    positions: int
    kinds: tuple[Block, ...]
    norm_parameters: int
    final_norm: bool
    head_bias: bool
    half_attention: bool


def _runs(layers: list[Block]) -> tuple[Block, ...]:
    """Return single layers merged into blocks: equal neighbours become one block with their count."""
    blocks: list[Block] = []
    for layer in layers:
        if blocks and _single_layer(blocks[-1]) == layer:
            blocks[-1] = blocks[-1].model_copy(update={"count": blocks[-1].count + 1})
        else:
            blocks.append(layer)
    return tuple(blocks)


def _single_layer(block: Block) -> Block:
    """Return one layer of a block: the block with a count of 1."""
    return block if block.count == 1 else block.model_copy(update={"count": 1})
