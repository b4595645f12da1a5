"""Attention of one decoder layer: grouped-query, latent (DeepSeek) and linear (gated delta net), with one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

from pydantic import Field, model_validator

from slipstick.core.spec import Spec
from slipstick.core.workload import Phase
from slipstick.networks.decoder.layer_shapes import Pointwise, Projection, Recurrence, Scores, TokenCache

Width = Annotated[int, Field(gt=0, le=10**7)]
QkNorm = Literal["none", "head", "width", "plain"]  # weights: none at all, one head's, all heads', normalised without


class Attention(Spec, ABC):
    """Attention part of a decoder layer. Abstract; all sizes are of one whole, unsharded layer.

    A kind of attention describes itself in the terms of `layer_shapes`. `forward` asks, for each kind of layer, for
    `projections`, `pointwise` passes, `scores` and `recurrence`; parallelism and the cache ask for the properties.
    """

    @abstractmethod
    def projections(self, hidden: int, phase: Phase) -> tuple[Projection, ...]:
        """Return the matrix products with weights, in execution order."""

    @abstractmethod
    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the pointwise passes outside the core: rotary embedding, norms of q and k, gates."""

    @abstractmethod
    def scores(self, phase: Phase) -> Scores | None:
        """Return the attention core, or None where there is none (linear attention)."""

    @abstractmethod
    def recurrence(self) -> Recurrence | None:
        """Return the recurrent core, or None where there is none."""

    @property
    @abstractmethod
    def query_heads(self) -> int:
        """Number of heads that tensor parallelism shards."""

    @abstractmethod
    def cache(self) -> TokenCache:
        """Return the key-value cache of one token, with the heads by which it is sharded."""

    @abstractmethod
    def parameters(self, hidden: int) -> int:
        """Return the number of parameters of the layer's attention, including its inner norms."""


class GroupedQuery(Attention):
    """Multi-head, grouped-query (Ainslie et al. 2305.13245) and multi-query attention.

    Examples
    --------
    >>> GroupedQuery(heads=32, kv_heads=8, head_dim=128).parameters(4096)
    41943040
    """

    kind: Literal["gqa"] = "gqa"
    heads: Width = Field(description="Query heads")
    kv_heads: Width = Field(description="Key/value heads, each for a group of query heads")
    head_dim: Width = Field(description="Width of one head")
    window: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Positions that a query sees (sliding window, or chunk); none: all"
    )
    rotary: bool = Field(default=True, description="Queries and keys get a rotary position embedding")
    qk_norm: QkNorm = Field(default="none", description="Norm of queries and keys: of one head, of all, or plain")
    bias: bool = Field(default=False, description="The query, key and value projections have biases")
    out_bias: bool = Field(default=False, description="The output projection has a bias")
    gated: bool = Field(default=False, description="A sigmoid gate of the query's width multiplies the output")
    sinks: bool = Field(default=False, description="Each head has one learned logit (attention sink)")
    tied_kv: bool = Field(
        default=False, description="Values are the keys: no value projection, though the cache holds both"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> GroupedQuery:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} query heads are not a multiple of {self.kv_heads} key/value heads")
        return self

    @property
    def query_heads(self) -> int:
        """Number of query heads: `heads`."""
        return self.heads

    def cache(self) -> TokenCache:
        """Return the cache of one token's keys and values, sharded by key/value heads."""
        return TokenCache(2 * self.kv_heads * self.head_dim, self.kv_heads)

    def projections(self, hidden: int, phase: Phase) -> tuple[Projection, ...]:
        """Return the fused query-key-value product and the output product."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        cached = keys if self.tied_kv else 2 * keys
        columns = queries * (2 if self.gated else 1) + cached
        qkv = Projection("qkv", hidden, columns, "kv", heads=self.kv_heads, kv_columns=cached, bias=self.bias)
        out = Projection("out", queries, hidden, "row", heads=self.heads, after_core=True, bias=self.out_bias)
        return qkv, out

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return norms of q and k, the rotary embedding and the output gate, where the layer has them."""
        queries, both = self.heads * self.head_dim, (self.heads + self.kv_heads) * self.head_dim
        passes = []
        if self.qk_norm != "none":
            passes.append(Pointwise("qk_norm", both, both))
        if self.rotary:
            passes.append(Pointwise("rotary", both, both))
        if self.gated:
            passes.append(Pointwise("gate", 2 * queries, queries, after_core=True))
        return tuple(passes)

    def scores(self, phase: Phase) -> Scores:
        """Return the attention core: the same in every phase."""
        return Scores(self.heads, self.kv_heads, self.head_dim, self.head_dim, window=self.window)

    def recurrence(self) -> None:
        """Return the recurrent part of the token mixer: None, as softmax attention has none."""

    def parameters(self, hidden: int) -> int:
        """Return the number of parameters of projections, norms of q and k, and sinks."""
        norm = {"head": 2, "width": self.heads + self.kv_heads}.get(self.qk_norm, 0) * self.head_dim
        return _weights(self.projections(hidden, Phase.TRAIN)) + norm + (self.heads if self.sinks else 0)


class Latent(Attention):
    """Multi-head latent attention (DeepSeek-V2, 2405.04434, section 2.1), with V3.2's sparse index where it has one.

    In training and prefill keys and values are expanded from the latent; in decode the expansion is absorbed into the
    query and output sides, one small product a head, and all heads read the one latent that is cached.

    Examples
    --------
    >>> mla = Latent(heads=128, q_lora=1536, kv_lora=512, nope_dim=128, rope_dim=64, v_dim=128)
    >>> mla.cache().elements, mla.scores(Phase.DECODE).kv_heads
    (576, 1)
    """

    kind: Literal["mla"] = "mla"
    heads: Width = Field(description="Query heads")
    q_lora: Width | None = Field(default=None, description="Width of the queries' latent; none: queries have no latent")
    kv_lora: Width = Field(description="Width of the latent that is cached")
    nope_dim: Width = Field(description="Width of a head's queries and keys without position embedding")
    rope_dim: Width = Field(description="Width of a head's queries, and of the shared key, with rotary embedding")
    v_dim: Width = Field(description="Width of a head's values")
    bias: bool = Field(default=False, description="The two down projections and the output have biases")
    index_heads: Annotated[int, Field(ge=0, le=10**6)] = Field(
        default=0, description="Heads of the sparse index that chooses positions; 0: no index"
    )
    index_dim: Annotated[int, Field(ge=0, le=10**6)] = Field(default=0, description="Width of an index head")
    index_topk: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Positions that the index chooses for a query"
    )

    @property
    def query_heads(self) -> int:
        """Number of query heads: `heads`."""
        return self.heads

    def cache(self) -> TokenCache:
        """Return the cache of one token: latent, shared rotary key and index key; it is not sharded by heads."""
        return TokenCache(self.kv_lora + self.rope_dim + self.index_dim, 1)

    def projections(self, hidden: int, phase: Phase) -> tuple[Projection, ...]:
        """Return down projections (fused), up projections (expanded, or absorbed in decode) and the output."""
        latent, width = self.kv_lora + self.rope_dim, self.heads * (self.nope_dim + self.rope_dim)
        if self.q_lora is None:
            first = (
                Projection("q", hidden, width, "column", heads=self.heads),
                Projection("kv_down", hidden, latent, "replicated", bias=self.bias),
            )
        else:
            first = (
                Projection("qkv_down", hidden, self.q_lora + latent, "replicated", bias=self.bias),
                Projection("q_up", self.q_lora, width, "column", heads=self.heads),
            )
        out = Projection("out", self.heads * self.v_dim, hidden, "row", self.heads, after_core=True, bias=self.bias)
        return *first, *self._index(hidden), *self._up(phase), out

    def _up(self, phase: Phase) -> tuple[Projection, ...]:
        n, heads = self.heads * (self.nope_dim + self.v_dim), self.heads
        if phase is not Phase.DECODE:
            return (Projection("kv_up", self.kv_lora, n, "column", heads=heads),)
        return (
            Projection("absorb_k", self.nope_dim, self.kv_lora, "column", heads=heads, batch=heads),
            Projection("absorb_v", self.kv_lora, self.v_dim, "column", heads=heads, batch=heads, after_core=True),
        )

    def _index(self, hidden: int) -> tuple[Projection, ...]:
        if not self.index_heads:
            return ()
        return (
            Projection("index_q", self.q_lora or hidden, self.index_heads * self.index_dim, "replicated"),
            Projection("index_k", hidden, self.index_dim + self.index_heads, "replicated"),  # key, and head weights
        )

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the norms of the latents and the rotary embedding."""
        latents = (self.q_lora or 0) + self.kv_lora
        turned = self.heads * self.rope_dim
        norm = Pointwise("latent_norm", latents, latents, split=False)
        return norm, Pointwise("rotary", turned, turned)

    def scores(self, phase: Phase) -> Scores:
        """Return the attention core over expanded heads, or in decode over the latent."""
        index = {"topk": self.index_topk, "index_heads": self.index_heads, "index_dim": self.index_dim}
        if phase is Phase.DECODE:
            return Scores(self.heads, 1, self.kv_lora + self.rope_dim, self.kv_lora, shared_kv=True, **index)  # type: ignore[arg-type]
        return Scores(self.heads, self.heads, self.nope_dim + self.rope_dim, self.v_dim, **index)  # type: ignore[arg-type]

    def recurrence(self) -> None:
        """Return the recurrent part of the token mixer: None, as softmax attention has none."""

    def parameters(self, hidden: int) -> int:
        """Return the number of parameters of projections, latent norms and the index key's norm (weight and bias)."""
        norms = (self.q_lora or 0) + self.kv_lora + 2 * self.index_dim
        return _weights(self.projections(hidden, Phase.TRAIN)) + norms


class Linear(Attention):
    """Gated delta net (Yang et al. 2412.06464), as in Qwen3-Next and Qwen3.5: one state per head instead of a cache.

    Examples
    --------
    >>> Linear(key_heads=16, value_heads=32, key_dim=128, value_dim=128, conv=4).cache().elements
    0
    """

    kind: Literal["linear"] = "linear"
    key_heads: Width = Field(description="Heads of queries and keys, each for a group of value heads")
    value_heads: Width = Field(description="Heads of values, each with a state of key_dim x value_dim")
    key_dim: Width = Field(description="Width of a head's queries and keys")
    value_dim: Width = Field(description="Width of a head's values")
    conv: Annotated[int, Field(gt=0, le=1024)] = Field(description="Positions that the short convolution reaches")

    @property
    def query_heads(self) -> int:
        """Number of key heads, each of which serves a group of value heads."""
        return self.key_heads

    def cache(self) -> TokenCache:
        """Return a cache of no elements: the recurrent state does not grow; it is sharded by value heads."""
        return TokenCache(0, self.value_heads)

    @property
    def _keys(self) -> int:
        return self.key_heads * self.key_dim

    @property
    def _values(self) -> int:
        return self.value_heads * self.value_dim

    def projections(self, hidden: int, phase: Phase) -> tuple[Projection, ...]:
        """Return the fused input product (q, k, v, gate z, decay and step for each value head) and the output."""
        columns = 2 * self._keys + 2 * self._values + 2 * self.value_heads
        first = Projection("qkvz", hidden, columns, "column", heads=self.key_heads)
        return first, Projection("out", self._values, hidden, "row", heads=self.value_heads, after_core=True)

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the short convolution, and the gated norm of the output."""
        channels = 2 * self._keys + self._values
        conv = Pointwise("conv", channels, channels)
        return conv, Pointwise("gated_norm", 2 * self._values, self._values, after_core=True)

    def scores(self, phase: Phase) -> None:
        """Return None: linear attention has no scores."""

    def recurrence(self) -> Recurrence:
        """Return the delta rule's operations per state element: decay 1, prediction 2, update 2, output 2."""
        matrix, channels = self.value_heads * self.key_dim * self.value_dim, 2 * self._keys + self._values
        flops = 7 * matrix + 2 * self.conv * channels
        return Recurrence(self.value_heads, matrix + channels * (self.conv - 1), flops, channels, self._values)

    def parameters(self, hidden: int) -> int:
        """Return the number of parameters of projections, convolution, decay and step, and the norm per head."""
        conv = (2 * self._keys + self._values) * self.conv
        return _weights(self.projections(hidden, Phase.TRAIN)) + conv + 2 * self.value_heads + self.value_dim


AnyAttention = Annotated[GroupedQuery | Latent | Linear, Field(discriminator="kind")]


def _weights(projections: tuple[Projection, ...]) -> int:
    return sum(projection.parameters for projection in projections)
