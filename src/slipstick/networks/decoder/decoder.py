"""A decoder transformer as sizes: runs of equal layers between an embedding and an output head."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.spec import Spec
from slipstick.core.workload import Network, Op, Phase
from slipstick.networks.decoder.attention import AnyAttention, Width
from slipstick.networks.decoder.mlp import AnyMlp
from slipstick.networks.decoder.operations import forward

Norm = Literal["rms", "layer", "layer_without_bias", "layer_without_weight"]
_NORM_VECTORS = {"rms": 1, "layer": 2, "layer_without_bias": 1, "layer_without_weight": 0}
MAX_LAYERS = 100_000


class Quantisation(Spec):
    """How a checkpoint stores the weights that it quantises, from its ``quantization_config``."""

    format: str  # number format of the weights, such as fp8, int4, mxfp4
    method: str = ""  # the publisher's name of the method
    block: tuple[int, ...] = ()  # weights that share a scale; empty: a whole matrix or channel
    dynamic: bool = True  # activations are quantised when they occur
    unquantised: tuple[str, ...] = ()  # modules left as they were, layer numbers written as *


class Block(Spec):
    """`count` equal layers in a row."""

    count: Annotated[int, Field(gt=0, le=MAX_LAYERS)] = 1
    attention: AnyAttention
    mlp: AnyMlp
    parallel: bool = False  # attention and mlp both read the same input (GPT-J, Falcon)
    norms: Annotated[int, Field(ge=0, le=16)] = 2  # of the hidden width, those inside attention and mlp excluded


class Decoder(Network):
    """A decoder transformer: embedding, `blocks`, final norm, output head.

    Examples
    --------
    >>> from slipstick.networks.decoder.attention import GroupedQuery
    >>> from slipstick.networks.decoder.mlp import DenseMlp
    >>> block = Block(count=32, attention=GroupedQuery(heads=32, kv_heads=8, head_dim=128), mlp=DenseMlp(ffn=14336))
    >>> Decoder(name="Llama-3.1-8B", hidden=4096, vocabulary=128256, blocks=(block,)).parameters
    8030261248
    """

    aliases: tuple[str, ...] = ()
    note: str = ""
    hidden: Width
    vocabulary: Width
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]  # in the order of the layers
    tied_embeddings: bool = False
    positions: Annotated[int, Field(ge=0, le=10**8)] = 0  # rows of learned position embeddings
    max_positions: Annotated[int, Field(gt=0)] | None = None  # the longest context
    norm: Norm = "rms"
    final_norm: bool = True
    embedding_norm: bool = False
    head_bias: bool = False
    dropout: bool = False  # trained with dropout: masks are kept for the backward pass
    quantisation: Quantisation | None = None
    half_attention: bool = False  # `ops` counts only the causal half of the scores instead of the full square

    @property
    def layers(self) -> int:
        """All layers."""
        return sum(block.count for block in self.blocks)

    @property
    def order(self) -> tuple[Block, ...]:
        """Every layer by itself (count 1), first to last: what pipeline stages are cut from."""
        return tuple(single for block in self.blocks for single in [_single(block)] * block.count)

    @property
    def kinds(self) -> tuple[Block, ...]:
        """The different layers, each with its count in all, in the order of their first appearance."""
        counts: dict[Block, int] = {}
        for block in self.blocks:
            single = _single(block)
            counts[single] = counts.get(single, 0) + block.count
        return tuple(kind.model_copy(update={"count": count}) for kind, count in counts.items())

    @property
    def norm_parameters(self) -> int:
        """Parameters of one norm of the hidden width."""
        return _NORM_VECTORS[self.norm] * self.hidden

    @property
    def embedding_parameters(self) -> int:
        """Token and position embeddings, and their norm: what the first pipeline stage holds."""
        rows = self.vocabulary + self.positions
        return rows * self.hidden + (self.norm_parameters if self.embedding_norm else 0)

    @property
    def head_parameters(self) -> int:
        """Final norm and output head, 0 for a tied head: what the last pipeline stage holds beside its layers."""
        matrix = 0 if self.tied_embeddings else self.vocabulary * self.hidden
        bias = self.vocabulary if self.head_bias else 0
        return matrix + bias + (self.norm_parameters if self.final_norm else 0)

    def layer_parameters(self, block: Block) -> int:
        """All parameters of one layer of `block`."""
        inside = block.attention.parameters(self.hidden) + block.mlp.parameters(self.hidden)
        return inside + block.norms * self.norm_parameters

    def layer_active_parameters(self, block: Block) -> int:
        """Parameters of one layer of `block` that one token uses."""
        inside = block.attention.parameters(self.hidden) + block.mlp.active_parameters(self.hidden)
        return inside + block.norms * self.norm_parameters

    @property
    def parameters(self) -> int:
        """All parameters, a tied head counted once; layers that predict further tokens (MTP) are not part."""
        ends = self.embedding_parameters + self.head_parameters
        return ends + sum(block.count * self.layer_parameters(block) for block in self.kinds)

    @property
    def active_parameters(self) -> int:
        """All parameters less the experts that a token does not visit; the embedding table counts whole."""
        ends = self.embedding_parameters + self.head_parameters
        return ends + sum(block.count * self.layer_active_parameters(block) for block in self.kinds)

    @property
    def multiplied_parameters(self) -> int:
        """Active parameters less the tables that are only looked up; twice this is nearly the FLOPs of one token."""
        looked_up = (self.positions + (0 if self.tied_embeddings else self.vocabulary)) * self.hidden
        return self.active_parameters - looked_up

    @property
    def cache_elements(self) -> int:
        """Elements cached for one token in all layers."""
        return sum(block.count * block.attention.cache_elements for block in self.blocks)

    def ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of one forward pass; one group of ops for each kind of layer, with its count.

        Scores are counted over the full square of queries and keys (as in Narayanan et al. 2104.04473, appendix)
        unless `half_attention`.
        """
        return forward(self, phase, batch, sequence, context)

    def with_layers(self, layers: int) -> Decoder:
        """Return the same network cut (or its last kind of layer repeated) to `layers` layers."""
        order = list(self.order[:layers])
        order += [order[-1]] * (layers - len(order))
        return self.model_copy(update={"blocks": runs(order)})


def runs(order: list[Block]) -> tuple[Block, ...]:
    """Return equal neighbours of a list of single layers joined into blocks with counts."""
    found: list[Block] = []
    for single in order:
        if found and _single(found[-1]) == single:
            found[-1] = found[-1].model_copy(update={"count": found[-1].count + 1})
        else:
            found.append(single)
    return tuple(found)


def _single(block: Block) -> Block:
    return block if block.count == 1 else block.model_copy(update={"count": 1})
