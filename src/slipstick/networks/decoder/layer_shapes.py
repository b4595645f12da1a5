"""Sizes of a layer's operations per token: projections, attention core, recurrences, pointwise passes.

Attention and the feed-forward part describe themselves in these terms, so a cost model never asks for their kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

_Split = Literal["column", "row", "kv", "replicated"]


class TokenCache(NamedTuple):
    """Key-value cache of one token in one layer: its elements, and the heads by which it is sharded.

    Tensor parallelism beyond `heads` keeps copies; 1: undivided.
    """

    elements: int
    heads: int


class RoutedExperts(NamedTuple):
    """Experts of a router: how many there are, and how many one token visits."""

    experts: int
    active: int


@dataclass(frozen=True)
class Projection:
    """Matrix product with weights: (tokens, `k`) x (`k`, `n`) -> (tokens, `n`).

    `split` says how tensor parallelism divides it (Shoeybi et al. 1909.08053, section 3): ``column`` divides n, ``row``
    divides k and needs a sum over the ranks, ``kv`` divides n but its `kv_columns` only up to `heads`-fold (key and
    value heads are copied beyond that), ``replicated`` stays whole. With `batch` > 1 each token has that many
    independent products, one a head, and those are divided instead. With `experts` > 0 each expert has its own weights
    and a token visits `active` of them.

    Examples
    --------
    >>> qkv = Projection("qkv", 8192, 10240, "kv", heads=8, kv_columns=2048)
    >>> qkv.local(16)
    (8192.0, 768.0, 1.0)
    """

    name: str
    k: int
    n: int
    split: _Split
    heads: int = 1  # units that must stay whole: heads for attention, key/value heads for ``kv``, 1 for a plain width
    kv_columns: int = 0
    after_core: bool = False  # runs after the attention core
    experts: int = 0
    active: int = 0
    batch: int = 1
    bias: bool = False

    @property
    def parameters(self) -> int:
        """Number of weights and biases, over all experts."""
        return self.batch * max(self.experts, 1) * (self.k * self.n + (self.n if self.bias else 0))

    @property
    def visits(self) -> int:
        """Number of passes per token: the number of experts that it visits, else 1."""
        return self.active if self.experts else 1

    @property
    def flops(self) -> int:
        """Number of FLOPs of the forward pass per token; a multiply-accumulate counts as two."""
        return 2 * self.visits * self.batch * self.k * self.n

    def local(self, tp: Any) -> tuple[Any, Any, Any]:
        """Return the sizes (k, n, batch) on one of `tp` tensor-parallel ranks; `tp` may be an array."""
        whole = np.ones_like(tp, dtype=float)
        k, n, batch = self.k * whole, self.n * whole, self.batch * whole
        if self.split == "replicated":
            return _plain(k, n, batch)
        if self.batch > 1:
            return _plain(k, n, batch / tp)
        if self.split == "row":
            return _plain(k / tp, n, batch)
        copied = self.kv_columns / np.minimum(tp, max(self.heads, 1)) if self.split == "kv" else 0.0
        columns = self.n - (self.kv_columns if self.split == "kv" else 0)
        return _plain(k, columns / tp + copied, batch)


def _plain(k: Any, n: Any, batch: Any) -> tuple[Any, Any, Any]:
    return _scalar(k), _scalar(n), _scalar(batch)


@dataclass(frozen=True)
class Pointwise:
    """Element-wise kernel (norm, activation, rotary): `inputs` elements read, `outputs` written per token and visit."""

    name: str
    inputs: int
    outputs: int
    split: bool = True  # divided by tensor parallelism
    after_core: bool = False  # runs after the attention core
    visits: int = 1  # experts that one token visits


@dataclass(frozen=True)
class Scores:
    """Attention core of one layer: softmax(q k^T) v.

    Each of `heads` query heads has width `qk_dim`; `kv_heads` heads of keys (`qk_dim`) and values (`v_dim`) are read.
    A query sees at most `window` positions (sliding window), and of those at most `topk`, which `index_heads` scores of
    width `index_dim` choose (DeepSeek sparse attention).

    Examples
    --------
    >>> Scores(heads=32, kv_heads=8, qk_dim=128, v_dim=128).flops(batch=1, sequence=2, context=2)
    65536.0
    """

    heads: int
    kv_heads: int
    qk_dim: int
    v_dim: int
    window: int | None = None
    topk: int | None = None
    index_heads: int = 0
    index_dim: int = 0
    shared_kv: bool = False  # values are a part of what was read for the keys (absorbed latent attention, K = V)

    @property
    def reach(self) -> int | None:
        """Maximum number of positions that one query attends to; None: all."""
        bounds = [bound for bound in (self.window, self.topk) if bound is not None]
        return min(bounds) if bounds else None

    def flops(self, batch: Any, sequence: Any, context: Any, *, half: bool = False) -> Any:
        """Return the operations of both products and of the index scores; see `_positions` for `half`."""
        pairs = batch * _positions(sequence, context, self.reach, half=half)
        indexed = batch * _positions(sequence, context, self.window, half=half)
        index = 2 * self.index_heads * (self.index_dim + 1) * indexed  # scores of each head, then their weighted sum
        return 2 * self.heads * (self.qk_dim + self.v_dim) * pairs + index


@dataclass(frozen=True)
class Recurrence:
    """Core of linear attention: a fixed-size state updated once per token instead of a growing cache."""

    heads: int  # value heads: the state is divided by them
    state: int  # elements of one sequence in one layer: matrices of all heads, and the last inputs of the convolution
    flops: int  # of one token, forward, recurrent form
    inputs: int  # activation elements read for one token
    outputs: int  # activation elements written for one token


def _positions(sequence: Any, context: Any, reach: int | None = None, *, half: bool = False) -> Any:
    """Return the number of (query, key) pairs that `sequence` new tokens, the last of `context`, attend to.

    By default the full rectangle is counted, as model FLOP/s usually are (Narayanan et al. 2104.04473, appendix);
    `half` counts only the causal pairs, as a causal kernel computes them. `reach` bounds the keys of one query.

    Examples
    --------
    >>> _positions(4, 4), _positions(4, 4, half=True), _positions(4, 4, 2), _positions(1, 100, half=True)
    (16.0, 10.0, 8.0, 100.0)
    """
    sequence, context = np.asarray(sequence, dtype=float), np.asarray(context, dtype=float)
    limit = context if reach is None else np.minimum(context, float(reach))
    if not half:
        return _scalar(sequence * limit)
    first = context - sequence + 1  # keys that the first new query sees
    growing = np.clip(
        limit - first + 1, 0, sequence
    )  # queries that do not yet see `limit` keys, and the first that does
    return _scalar(growing * (2 * first + growing - 1) / 2 + (sequence - growing) * limit)


def _scalar(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value
