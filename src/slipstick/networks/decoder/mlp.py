"""The feed-forward part of one layer: dense, or a mixture of experts with shared experts or a dense part beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from slipstick.core.spec import Spec
from slipstick.networks.decoder.attention import Width
from slipstick.networks.decoder.layer_shapes import Pointwise, Projection


class Mlp(Spec, ABC):
    """What transforms each token by itself in a layer. Abstract; all sizes are of one whole layer."""

    @abstractmethod
    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Return the products with weights in the order that they run."""

    @abstractmethod
    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the activation functions, and the weighing of the experts' results."""

    @abstractmethod
    def extra_parameters(self, hidden: int) -> int:
        """Return the parameters that no projection holds: norms, scales and biases of the router."""

    @property
    @abstractmethod
    def routed_experts(self) -> int:
        """The experts that expert parallelism divides; 0 in a dense layer."""

    @property
    @abstractmethod
    def routed_active(self) -> int:
        """The routed experts that one token visits; 0 in a dense layer."""

    def parameters(self, hidden: int) -> int:
        """Return all parameters."""
        return sum(p.parameters for p in self.projections(hidden)) + self.extra_parameters(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Return the parameters that one token uses."""
        used = sum(p.parameters * p.visits // max(p.experts, 1) for p in self.projections(hidden))
        return used + self.extra_parameters(hidden)


class DenseMlp(Mlp):
    """Two products with an activation between, or three with a gate (SwiGLU, Shazeer 2002.05202).

    Examples
    --------
    >>> DenseMlp(ffn=14336).parameters(4096)
    176160768
    """

    kind: Literal["dense"] = "dense"
    ffn: Width
    gated: bool = True
    bias: bool = False

    @property
    def routed_experts(self) -> int:
        """None."""
        return 0

    @property
    def routed_active(self) -> int:
        """None."""
        return 0

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Return the (fused) widening product and the narrowing one."""
        return _pair(hidden, self.ffn, gated=self.gated, bias=self.bias)

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the activation."""
        return (Pointwise("activation", self.ffn * (2 if self.gated else 1), self.ffn),)

    def extra_parameters(self, hidden: int) -> int:
        """Return 0."""
        return 0


class MoeMlp(Mlp):
    """A mixture of `experts`, of which a router chooses `active` for each token.

    `shared_ffn` is the total width of the experts that every token visits (DeepSeekMoE 2401.06066); `dense_ffn` that of
    a dense part beside the experts (gemma-4).

    Examples
    --------
    >>> moe = MoeMlp(experts=8, active=2, ffn=14336)
    >>> moe.parameters(4096), moe.active_parameters(4096)
    (1409318912, 352354304)
    """

    kind: Literal["moe"] = "moe"
    experts: Width
    active: Width
    ffn: Width
    gated: bool = True
    bias: bool = False
    shared_ffn: Annotated[int, Field(ge=0, le=10**10)] = 0
    shared_gate: bool = False  # a sigmoid gate on the shared expert
    dense_ffn: Annotated[int, Field(ge=0, le=10**7)] = 0
    router_bias: bool = False  # one number an expert: a bias, or the balancing correction of DeepSeek-V3
    router_scale: bool = False  # one number a channel and one an expert (gemma-4)
    extra_norms: Annotated[int, Field(ge=0, le=16)] = 0  # norms of the hidden width around the two parts

    @model_validator(mode="after")
    def _enough_experts(self) -> MoeMlp:
        if self.active > self.experts:
            raise ValueError(f"{self.active} active experts are more than {self.experts} experts")
        return self

    @property
    def routed_experts(self) -> int:
        """The routed experts."""
        return self.experts

    @property
    def routed_active(self) -> int:
        """The routed experts that one token visits."""
        return self.active

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Return the router, the experts, and what runs beside them."""
        router = Projection("router", hidden, self.experts, "replicated")
        found = [router, *_pair(hidden, self.ffn, self.gated, self.bias, "expert_", self.experts, self.active)]
        if self.shared_ffn:
            found += _pair(hidden, self.shared_ffn, self.gated, self.bias, "shared_")
        if self.shared_gate:
            found.append(Projection("shared_gate", hidden, 1, "replicated"))
        if self.dense_ffn:
            found += _pair(hidden, self.dense_ffn, self.gated, self.bias, "dense_")
        return tuple(found)

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the activation of the experts and of what runs beside them."""
        factor = 2 if self.gated else 1
        found = [Pointwise("expert_activation", self.ffn * factor, self.ffn, visits=self.active)]
        for name, width in (("shared_activation", self.shared_ffn), ("dense_activation", self.dense_ffn)):
            if width:
                found.append(Pointwise(name, width * factor, width))
        return tuple(found)

    def extra_parameters(self, hidden: int) -> int:
        """Return the router's bias and scales, and the norms."""
        scales = hidden + self.experts if self.router_scale else 0
        return (self.experts if self.router_bias else 0) + scales + self.extra_norms * hidden


AnyMlp = Annotated[DenseMlp | MoeMlp, Field(discriminator="kind")]


def experts_hit(experts: Any, active: Any, tokens: Any) -> Any:
    """Return how many experts at least one of `tokens` visits, on average, if routing is uniform and independent.

    Examples
    --------
    >>> float(experts_hit(8, 2, 1)), round(float(experts_hit(8, 2, 1000)), 6)
    (2.0, 8.0)
    """
    share = np.asarray(active, dtype=float) / experts
    return experts * (1 - (1 - share) ** np.asarray(tokens, dtype=float))


def _pair(
    hidden: int, ffn: int, gated: bool, bias: bool, prefix: str = "", experts: int = 0, active: int = 0
) -> tuple[Projection, ...]:
    """Return the widening product (gate and up fused) and the narrowing one."""
    name, columns = ("gate_up", 2 * ffn) if gated else ("up", ffn)
    up = Projection(prefix + name, hidden, columns, "column", experts=experts, active=active, bias=bias)
    return up, Projection(prefix + "down", ffn, hidden, "row", experts=experts, active=active, bias=bias)
