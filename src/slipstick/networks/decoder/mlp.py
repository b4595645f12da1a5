"""Feed-forward part of a layer: dense, or a mixture of experts with optional shared experts or dense part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from slipstick.core.spec import Spec
from slipstick.networks.decoder.attention import Width
from slipstick.networks.decoder.layer_shapes import Pointwise, Projection, RoutedExperts


class _Mlp(Spec, ABC):
    """Feed-forward part of a decoder layer. Abstract; all sizes are of one whole, unsharded layer."""

    @abstractmethod
    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Return the matrix products with weights, in execution order."""

    @abstractmethod
    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the passes of activation functions, and the weighted sum of the experts' results."""

    @abstractmethod
    def extra_parameters(self, hidden: int) -> int:
        """Return the number of parameters outside projections: norms, scales and biases of the router."""

    @property
    def routed(self) -> RoutedExperts:
        """Routed experts, sharded by expert parallelism; none in a dense layer."""
        return RoutedExperts(0, 0)

    def parameters(self, hidden: int) -> int:
        """Return the number of all parameters."""
        return sum(p.parameters for p in self.projections(hidden)) + self.extra_parameters(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Return the number of parameters that one token uses."""
        used = sum(p.parameters * p.visits // max(p.experts, 1) for p in self.projections(hidden))
        return used + self.extra_parameters(hidden)


class DenseMlp(_Mlp):
    """Dense feed-forward part: two products, or three with a gate (SwiGLU, Shazeer 2002.05202).

    Examples
    --------
    >>> DenseMlp(ffn=14336).parameters(4096)
    176160768
    """

    kind: Literal["dense"] = "dense"
    ffn: Width = Field(description="Width between the two products")
    gated: bool = Field(default=True, description="A third product gates the activation (SwiGLU)")
    bias: bool = Field(default=False, description="The products have biases")

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Return the up projection (fused with the gate) and the down projection."""
        return _pair(hidden, self.ffn, gated=self.gated, bias=self.bias)

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the pass of the activation function."""
        return (Pointwise("activation", self.ffn * (2 if self.gated else 1), self.ffn),)

    def extra_parameters(self, hidden: int) -> int:
        """Return 0: a dense layer has no router."""
        return 0


class MoeMlp(_Mlp):
    """Mixture of `experts`, of which a router chooses `active` per token.

    Shared experts, which every token visits, are those of DeepSeekMoE (2401.06066), the dense part that of gemma-4.

    Examples
    --------
    >>> moe = MoeMlp(experts=8, active=2, ffn=14336)
    >>> moe.parameters(4096), moe.active_parameters(4096)
    (1409318912, 352354304)
    """

    kind: Literal["moe"] = "moe"
    experts: Width = Field(description="Routed experts")
    active: Width = Field(description="Routed experts that the router chooses for a token")
    ffn: Width = Field(description="Width between the two products of one expert")
    gated: bool = Field(default=True, description="A third product gates the activation (SwiGLU)")
    bias: bool = Field(default=False, description="The products of experts have biases")
    shared_ffn: Annotated[int, Field(ge=0, le=10**10)] = Field(
        default=0, description="Width of all shared experts together; 0: none"
    )
    shared_gate: bool = Field(default=False, description="A sigmoid gate multiplies the shared experts' output")
    dense_ffn: Annotated[int, Field(ge=0, le=10**7)] = Field(
        default=0, description="Width of a dense part that runs with the experts; 0: none"
    )
    router_bias: bool = Field(
        default=False,
        description="The router has a number for each expert: a bias, or DeepSeek-V3's balancing correction",
    )
    router_scale: bool = Field(
        default=False, description="The router has a scale for each channel and for each expert (gemma-4)"
    )
    extra_norms: Annotated[int, Field(ge=0, le=16)] = Field(
        default=0, description="Norms of the hidden width around the experts and the dense part"
    )

    @model_validator(mode="after")
    def _enough_experts(self) -> MoeMlp:
        if self.active > self.experts:
            raise ValueError(f"{self.active} active experts are more than {self.experts} experts")
        return self

    @property
    def routed(self) -> RoutedExperts:
        """Routed experts: `experts`, of which one token visits `active`."""
        return RoutedExperts(self.experts, self.active)

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Return the products of the router, the experts, the shared experts and the dense part."""
        router = Projection("router", hidden, self.experts, "replicated")
        products = [router, *_pair(hidden, self.ffn, self.gated, self.bias, "expert_", self.experts, self.active)]
        if self.shared_ffn:
            products += _pair(hidden, self.shared_ffn, self.gated, self.bias, "shared_")
        if self.shared_gate:
            products.append(Projection("shared_gate", hidden, 1, "replicated"))
        if self.dense_ffn:
            products += _pair(hidden, self.dense_ffn, self.gated, self.bias, "dense_")
        return tuple(products)

    def pointwise(self) -> tuple[Pointwise, ...]:
        """Return the activations of the experts, the shared experts and the dense part."""
        factor = 2 if self.gated else 1
        passes = [Pointwise("expert_activation", self.ffn * factor, self.ffn, visits=self.active)]
        for name, width in (("shared_activation", self.shared_ffn), ("dense_activation", self.dense_ffn)):
            if width:
                passes.append(Pointwise(name, width * factor, width))
        return tuple(passes)

    def extra_parameters(self, hidden: int) -> int:
        """Return the number of parameters of the router's bias and scales, and of the extra norms."""
        scales = hidden + self.experts if self.router_scale else 0
        return (self.experts if self.router_bias else 0) + scales + self.extra_norms * hidden


AnyMlp = Annotated[DenseMlp | MoeMlp, Field(discriminator="kind")]


def _experts_hit(experts: Any, active: Any, tokens: Any) -> Any:
    """Return the expected number of distinct experts that `tokens` visit, for uniform independent routing.

    Examples
    --------
    >>> float(_experts_hit(8, 2, 1)), round(float(_experts_hit(8, 2, 1000)), 6)
    (2.0, 8.0)
    """
    share = np.asarray(active, dtype=float) / experts
    return experts * (1 - (1 - share) ** np.asarray(tokens, dtype=float))


def _pair(
    hidden: int, ffn: int, gated: bool, bias: bool, prefix: str = "", experts: int = 0, active: int = 0
) -> tuple[Projection, ...]:
    """Return the up projection (fused with the gate) and the down projection."""
    name, columns = ("gate_up", 2 * ffn) if gated else ("up", ffn)
    up = Projection(prefix + name, hidden, columns, "column", experts=experts, active=active, bias=bias)
    return up, Projection(prefix + "down", ffn, hidden, "row", experts=experts, active=active, bias=bias)
