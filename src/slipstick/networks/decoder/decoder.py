"""Decoder transformer as sizes: blocks of equal layers between an embedding and an output head."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from slipstick.core.spec import Spec
from slipstick.core.workload import Network, Op, Phase
from slipstick.networks.decoder.attention import Width
from slipstick.networks.decoder.block import Block, DecoderSizes, _runs, _single_layer
from slipstick.networks.decoder.operations import _forward
from slipstick.networks.decoder.unrolled import _unrolled

Norm = Literal["rms", "layer", "layer_without_bias", "layer_without_weight"]
_NORM_VECTORS = {"rms": 1, "layer": 2, "layer_without_bias": 1, "layer_without_weight": 0}

# Lengths where the user gives none [tokens]; less where the network's longest context is shorter.
_DEFAULT_TRAINING_SEQUENCE = 4096
_DEFAULT_PROMPT = 1024
_DEFAULT_OUTPUT = 128
_TOKEN_BYTES = 4  # of a token's number, as data loaders send it


class Quantisation(Spec):
    """Quantisation of a checkpoint's weights, from the ``quantization_config`` of its configuration."""

    format: str = Field(description="Number format of the weights, such as fp8, int4, mxfp4")
    method: str = Field(default="", description="Name that the publisher gives the method, such as gptq")
    block: tuple[int, ...] = Field(
        default=(), description="Weights that share a scale; empty: a whole matrix or channel shares one"
    )
    dynamic: bool = Field(default=True, description="Activations are quantised when they occur, not with fixed scales")
    unquantised: tuple[str, ...] = Field(
        default=(), description="Modules left in their own format, layer numbers written as *"
    )


class Decoder(Network):
    """Decoder transformer as sizes: embedding, `blocks` of layers, final norm, output head.

    Examples
    --------
    >>> from slipstick.networks.decoder.attention import GroupedQuery
    >>> from slipstick.networks.decoder.mlp import DenseMlp
    >>> block = Block(count=32, attention=GroupedQuery(heads=32, kv_heads=8, head_dim=128), mlp=DenseMlp(ffn=14336))
    >>> Decoder(name="Llama-3.1-8B", hidden=4096, vocabulary=128256, blocks=(block,)).parameters
    8030261248
    """

    kind: ClassVar[Literal["decoder"]] = "decoder"
    described: ClassVar[str] = "a decoder transformer, such as llama-3.1-8b, or a config.json"
    phases: ClassVar[tuple[Phase, ...]] = (Phase.TRAIN, Phase.PREFILL, Phase.DECODE, Phase.INFER)

    aliases: tuple[str, ...] = Field(default=(), description="Other names that find the network")
    note: str = Field(default="", description="Remark on what the sizes leave out or assume")
    hidden: Width = Field(description="Hidden width: elements of one token between layers")
    vocabulary: Width = Field(description="Entries of the token embedding and of the output head")
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)] = Field(
        description="Runs of equal layers, in the order of the layers"
    )
    tied_embeddings: bool = Field(default=False, description="The output head is the token embedding")
    positions: Annotated[int, Field(ge=0, le=10**8)] = Field(
        default=0, description="Rows of learned position embeddings; 0: none are learned"
    )
    max_positions: Annotated[int, Field(gt=0)] | None = Field(default=None, description="Longest context [tokens]")
    norm: Norm = Field(default="rms", description="Kind of the norms of the hidden width")
    final_norm: bool = Field(default=True, description="A norm follows the last layer, before the output head")
    embedding_norm: bool = Field(default=False, description="A norm follows the embedding (BLOOM)")
    head_bias: bool = Field(default=False, description="The output head has a bias")
    dropout: bool = Field(default=False, description="Trained with dropout: its masks are kept for the backward pass")
    quantisation: Quantisation | None = Field(default=None, description="Quantisation of the checkpoint's weights")
    half_attention: bool = Field(
        default=False, description="Count the causal half of the attention scores, not the full square"
    )

    @property
    def layers(self) -> int:
        """Number of layers of all blocks."""
        return sum(block.count for block in self.blocks)

    @property
    def order(self) -> tuple[Block, ...]:
        """Layers one by one (count 1), first to last, as pipeline stages divide them."""
        return tuple(single for block in self.blocks for single in [_single_layer(block)] * block.count)

    @property
    def kinds(self) -> tuple[Block, ...]:
        """Distinct layers, each with its count in the whole network, in order of first appearance."""
        counts: dict[Block, int] = {}
        for block in self.blocks:
            single = _single_layer(block)
            counts[single] = counts.get(single, 0) + block.count
        return tuple(kind.model_copy(update={"count": count}) for kind, count in counts.items())

    @property
    def expert_counts(self) -> tuple[int, ...]:
        """Distinct numbers of routed experts of the layers that have some, in rising order."""
        return tuple(sorted({block.mlp.routed.experts for block in self.blocks} - {0}))

    @property
    def norm_parameters(self) -> int:
        """Number of parameters of one norm of the hidden width."""
        return _NORM_VECTORS[self.norm] * self.hidden

    @property
    def embedding_parameters(self) -> int:
        """Number of parameters of token and position embeddings and their norm (first pipeline stage)."""
        rows = self.vocabulary + self.positions
        return rows * self.hidden + (self.norm_parameters if self.embedding_norm else 0)

    @property
    def head_parameters(self) -> int:
        """Number of parameters of the final norm and output head (last pipeline stage; a tied head counts 0)."""
        matrix = 0 if self.tied_embeddings else self.vocabulary * self.hidden
        bias = self.vocabulary if self.head_bias else 0
        return matrix + bias + (self.norm_parameters if self.final_norm else 0)

    def layer_parameters(self, block: Block) -> int:
        """Return the number of parameters of one layer of `block`, all experts included."""
        inside = block.attention.parameters(self.hidden) + block.mlp.parameters(self.hidden)
        return inside + block.norms * self.norm_parameters

    def layer_active_parameters(self, block: Block) -> int:
        """Return the number of parameters of one layer of `block` that one token uses."""
        inside = block.attention.parameters(self.hidden) + block.mlp.active_parameters(self.hidden)
        return inside + block.norms * self.norm_parameters

    @property
    def parameters(self) -> int:
        """Number of all parameters; a tied head counts once, and multi-token prediction (MTP) layers are left out."""
        ends = self.embedding_parameters + self.head_parameters
        return ends + sum(block.count * self.layer_parameters(block) for block in self.kinds)

    @property
    def active_parameters(self) -> int:
        """Number of parameters that one token uses: without unvisited experts, with the whole embedding table."""
        ends = self.embedding_parameters + self.head_parameters
        return ends + sum(block.count * self.layer_active_parameters(block) for block in self.kinds)

    @property
    def multiplied_parameters(self) -> int:
        """Number of active parameters in matrix products, not looked up; about half the FLOPs of one token."""
        looked_up = (self.positions + (0 if self.tied_embeddings else self.vocabulary)) * self.hidden
        return self.active_parameters - looked_up

    @property
    def cache_elements(self) -> int:
        """Number of key-value cache elements per token, over all layers."""
        return sum(block.count * block.attention.cache().elements for block in self.blocks)

    def ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations of one forward pass, in one group per distinct layer with its count.

        Scores are counted over the full square of queries and keys (as in Narayanan et al. 2104.04473, appendix)
        unless `half_attention`.
        """
        sizes = DecoderSizes(
            self.hidden, self.vocabulary, self.positions, self.kinds, self.norm_parameters,
            self.final_norm, self.head_bias, self.half_attention,
        )  # fmt: skip
        return _forward(sizes, phase, batch, sequence, context)

    def unrolled_ops(self, phase: Phase, batch: int, sequence: int, context: int) -> list[Op]:
        """Return the operations with every layer written out, with residual shortcuts as edges."""
        ops = self.ops(phase, batch, sequence, context)
        table = float(self.embedding_parameters)
        return _unrolled(self.order, self.kinds, ops, table=table, tied=self.tied_embeddings)

    @property
    def stored_format(self) -> str | None:
        """Number format of a quantised checkpoint's weights; None for an unquantised checkpoint."""
        return None if self.quantisation is None else self.quantisation.format

    def default_sizes(self, phase: Phase, devices: int, microbatch: int = 1) -> dict[str, int]:
        """Return default batch and lengths [tokens]: a microbatch per device in training, else one request."""
        longest = self.max_positions or _DEFAULT_TRAINING_SEQUENCE
        if phase is Phase.TRAIN:
            return {"batch": devices * microbatch, "sequence": min(_DEFAULT_TRAINING_SEQUENCE, longest)}
        lengths = {"batch": 1, "sequence": min(_DEFAULT_PROMPT, longest)}
        return {**lengths, "output": _DEFAULT_OUTPUT} if phase is Phase.DECODE else lengths

    def sample_bytes(self, sequence: int) -> float:
        """Return the bytes of one input sequence, 4 per token id."""
        return float(_TOKEN_BYTES * sequence)

    def with_layers(self, layers: int) -> Decoder:
        """Return the network with `layers` layers: truncated, or with its last kind of layer repeated."""
        order = list(self.order[:layers])
        order += [order[-1]] * (layers - len(order))
        return self.model_copy(update={"blocks": _runs(order)})
