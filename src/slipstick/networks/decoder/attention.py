"""Attention of one layer: grouped-query, latent (DeepSeek) and linear (gated delta net), in one vocabulary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

from pydantic import Field, model_validator

from slipstick.core.spec import Spec
from slipstick.core.workload import Phase
from slipstick.networks.decoder.layer_shapes import Pointwise, Projection, Recurrence, Scores

Width = Annotated[int, Field(gt=0, le=10**7)]
QkNorm = Literal["none", "head", "width", "plain"]  # weights: none at all, one head's, all heads', normalised without


class Attention(Spec, ABC):
    """What mixes tokens in a layer. Abstract; all sizes are of one whole layer."""

    @abstractmethod
    def projections(self, hidden: int, phase: Phase) -> tuple[Projection, ...]:
        """Return the products with weights in the order that they run."""

    @abstractmethod
    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the passes over activations beside the core: rotary embedding, norms of q and k, gates."""

    @abstractmethod
    def scores(self, phase: Phase) -> Scores | None:
        """Return the attention core, or None where there is none (linear attention)."""

    @abstractmethod
    def recurrence(self) -> Recurrence | None:
        """Return the recurrent core, or None where there is none."""

    @property
    @abstractmethod
    def query_heads(self) -> int:
        """The heads that tensor parallelism divides."""

    @property
    @abstractmethod
    def cache_elements(self) -> int:
        """Elements cached for one token in one layer."""

    @property
    @abstractmethod
    def cache_heads(self) -> int:
        """The heads that the cache divides into: tensor parallelism beyond them keeps copies. 1: never divided."""

    @abstractmethod
    def parameters(self, hidden: int) -> int:
        """Return all parameters of the layer's attention, norms inside it included."""


class GroupedQuery(Attention):
    """Multi-head, grouped-query (Ainslie et al. 2305.13245) and multi-query attention.

    Examples
    --------
    >>> GroupedQuery(heads=32, kv_heads=8, head_dim=128).parameters(4096)
    41943040
    """

    kind: Literal["gqa"] = "gqa"
    heads: Width
    kv_heads: Width
    head_dim: Width
    window: Annotated[int, Field(gt=0)] | None = None  # positions seen by a query (sliding window, or chunk)
    rotary: bool = True
    qk_norm: QkNorm = "none"
    bias: bool = False  # of the query, key and value projections
    out_bias: bool = False
    gated: bool = False  # a sigmoid gate of the query's width on the output
    sinks: bool = False  # one learned logit a head
    tied_kv: bool = False  # values are the keys: no value projection (the cache still holds both)

    @model_validator(mode="after")
    def _heads_divide(self) -> GroupedQuery:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} query heads are not a multiple of {self.kv_heads} key/value heads")
        return self

    @property
    def query_heads(self) -> int:
        """The query heads."""
        return self.heads

    @property
    def cache_elements(self) -> int:
        """Keys and values of all key/value heads."""
        return 2 * self.kv_heads * self.head_dim

    @property
    def cache_heads(self) -> int:
        """The key/value heads."""
        return self.kv_heads

    def projections(self, hidden: int, phase: Phase) -> tuple[Projection, ...]:
        """Return the fused query-key-value product and the output product."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        cached = keys if self.tied_kv else 2 * keys
        columns = queries * (2 if self.gated else 1) + cached
        qkv = Projection("qkv", hidden, columns, "kv", heads=self.kv_heads, kv_columns=cached, bias=self.bias)
        out = Projection("out", queries, hidden, "row", heads=self.heads, after_core=True, bias=self.out_bias)
        return qkv, out

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return norms of q and k, the rotary embedding and the output gate, as far as they exist."""
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
        """Return the core: the same in every phase."""
        return Scores(self.heads, self.kv_heads, self.head_dim, self.head_dim, window=self.window)

    def recurrence(self) -> None:
        """Nothing recurs."""

    def parameters(self, hidden: int) -> int:
        """Return projections, norms of q and k, and sinks."""
        norm = {"head": 2, "width": self.heads + self.kv_heads}.get(self.qk_norm, 0) * self.head_dim
        return _weights(self.projections(hidden, Phase.TRAIN)) + norm + (self.heads if self.sinks else 0)


class Latent(Attention):
    """Multi-head latent attention (DeepSeek-V2, 2405.04434, section 2.1), with V3.2's sparse index where it has one.

    In training and prefill keys and values are expanded from the latent; in decode the expansion is absorbed into the
    query and output sides, one small product a head, and all heads read the one latent that is cached.

    Examples
    --------
    >>> mla = Latent(heads=128, q_lora=1536, kv_lora=512, nope_dim=128, rope_dim=64, v_dim=128)
    >>> mla.cache_elements, mla.scores(Phase.DECODE).kv_heads
    (576, 1)
    """

    kind: Literal["mla"] = "mla"
    heads: Width
    q_lora: Width | None = None
    kv_lora: Width
    nope_dim: Width
    rope_dim: Width
    v_dim: Width
    bias: bool = False  # of the two down projections and the output
    index_heads: Annotated[int, Field(ge=0, le=10**6)] = 0
    index_dim: Annotated[int, Field(ge=0, le=10**6)] = 0
    index_topk: Annotated[int, Field(gt=0)] | None = None

    @property
    def query_heads(self) -> int:
        """The query heads."""
        return self.heads

    @property
    def cache_elements(self) -> int:
        """The latent, the rotary key that all heads share, and the index key."""
        return self.kv_lora + self.rope_dim + self.index_dim

    @property
    def cache_heads(self) -> int:
        """One latent serves all heads: the cache is never divided."""
        return 1

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
        """Return the core over expanded heads, or in decode over the latent."""
        index = {"topk": self.index_topk, "index_heads": self.index_heads, "index_dim": self.index_dim}
        if phase is Phase.DECODE:
            return Scores(self.heads, 1, self.kv_lora + self.rope_dim, self.kv_lora, shared_kv=True, **index)  # type: ignore[arg-type]
        return Scores(self.heads, self.heads, self.nope_dim + self.rope_dim, self.v_dim, **index)  # type: ignore[arg-type]

    def recurrence(self) -> None:
        """Nothing recurs."""

    def parameters(self, hidden: int) -> int:
        """Return projections, the norms of both latents, and of the index key (weight and bias)."""
        norms = (self.q_lora or 0) + self.kv_lora + 2 * self.index_dim
        return _weights(self.projections(hidden, Phase.TRAIN)) + norms


class Linear(Attention):
    """Gated delta net (Yang et al. 2412.06464), as in Qwen3-Next and Qwen3.5: a state a head instead of a cache.

    Examples
    --------
    >>> Linear(key_heads=16, value_heads=32, key_dim=128, value_dim=128, conv=4).cache_elements
    0
    """

    kind: Literal["linear"] = "linear"
    key_heads: Width
    value_heads: Width
    key_dim: Width
    value_dim: Width
    conv: Annotated[int, Field(gt=0, le=1024)]

    @property
    def query_heads(self) -> int:
        """The key heads: each serves a group of value heads."""
        return self.key_heads

    @property
    def cache_elements(self) -> int:
        """Nothing grows with the sequence; see `recurrence`."""
        return 0

    @property
    def cache_heads(self) -> int:
        """The value heads divide the state."""
        return self.value_heads

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
        """There are no scores."""

    def recurrence(self) -> Recurrence:
        """Return the delta rule: decay (1), prediction (2), update (2) and output (2) operations a state element."""
        matrix, channels = self.value_heads * self.key_dim * self.value_dim, 2 * self._keys + self._values
        flops = 7 * matrix + 2 * self.conv * channels
        return Recurrence(self.value_heads, matrix + channels * (self.conv - 1), flops, channels, self._values)

    def parameters(self, hidden: int) -> int:
        """Return projections, convolution, decay and step of each value head, and the norm of one head."""
        conv = (2 * self._keys + self._values) * self.conv
        return _weights(self.projections(hidden, Phase.TRAIN)) + conv + 2 * self.value_heads + self.value_dim


AnyAttention = Annotated[GroupedQuery | Latent | Linear, Field(discriminator="kind")]


def _weights(projections: tuple[Projection, ...]) -> int:
    return sum(projection.parameters for projection in projections)
