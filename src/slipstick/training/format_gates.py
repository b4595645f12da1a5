"""Gates over number formats: each layer is a mixture of itself in several formats, whose shares learn by gradient.

The loss is the cross-entropy plus a multiplier times how far the expected energy exceeds its limit; the multiplier
rises while it does (dual ascent). Weights and batch norms stand; shares are a softmax that sharpens step by step, so
that at the end a layer is nearly in one format. Source: selection by gradient as in learned approximate computing (Li,
UCLA dissertation 2023; its abstract was seen) and differentiable architecture search (Liu et al., arXiv 1806.09055, as
recollected); the energy term and the sharpening are our own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from slipstick.core.format import Format
from slipstick.trained.torch.batch_prediction import input_tensor
from slipstick.training.parametrization import attach

if TYPE_CHECKING:
    from slipstick.core.arrays import AnyArray, FloatArray
    from slipstick.core.progress import Progress
    from slipstick.datasets.images import Images

    _Sides = Mapping[str, Mapping[str, AnyArray]]

_STEPS, _BATCH = 60, 32  # assumed: shares of ten layers settle within 40 steps on digits
_RATE = 0.2  # of Adam, of logits that begin at 0 (assumed)
_COOLEST = 0.2  # temperature of the softmax at the end, from 1 at the start (assumed)
_ASCENT = 1.0  # of the multiplier, for an energy that exceeds its limit by all of it (assumed)


@dataclass(frozen=True, eq=False)
class FormatChoice:
    """One format for each layer, as `attach` takes them: formats, sides of codes and of hardware, input scales."""

    formats: Mapping[str, Format]
    sides: _Sides
    hardware: _Sides
    scales: Mapping[str, float]

    def layer(self, module: nn.Module, name: str) -> nn.Module:
        """Return a copy of a module's layer that computes in the candidate's format."""
        holder = nn.ModuleDict({"layer": copy.deepcopy(module.get_submodule(name))}).eval()
        sides = {"layer": {**self.sides.get(name, {}), **self.hardware.get(name, {})}}
        scales = {"layer": self.scales[name]} if name in self.scales else {}
        attach(holder, {"layer": self.formats[name]}, sides=sides, input_scales=scales)
        return holder["layer"]


class GatedLayer(nn.Module):
    """Layer in several formats, whose outputs are mixed by the shares of its gate."""

    def __init__(self, layers: Sequence[nn.Module], weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.gate = nn.Parameter(torch.zeros(len(layers)))
        self.weight, self.bias = nn.Parameter(weight, requires_grad=False), bias
        self.temperature = 1.0

    def shares(self) -> Tensor:
        """Return the share of each format, [formats]."""
        return torch.softmax(self.gate / self.temperature, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mixture of the layer's outputs."""
        shares = self.shares()
        outputs = [share * layer(x) for share, layer in zip(shares, self.layers, strict=True)]
        return torch.stack(outputs).sum(0)


def learned_gates(
    network: Any,
    candidates: Sequence[FormatChoice],
    energies: FloatArray,
    limit: float,
    images: Images,
    progress: Progress | None = None,
) -> FloatArray:
    """Return the learned share of each candidate in each layer, [layers, candidates].

    Parameters
    ----------
    network : a `TorchNetwork`; it is left as it is.
    energies : of the layers in the candidates [J], [layers, candidates], in the order of the candidates' formats.
    limit : of the energy of all layers [J].
    images : labelled images to learn on, in batches that are drawn by a fixed seed.
    """
    module = copy.deepcopy(network.module).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    names = list(candidates[0].formats)
    gates = [_put_gate(module, name, candidates) for name in names]
    spent = torch.from_numpy(energies / limit).float()
    optimiser = torch.optim.Adam([gate.gate for gate in gates], lr=_RATE)
    random, multiplier = np.random.default_rng(0), 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for step in range(_STEPS):
            for gate in gates:
                gate.temperature = _COOLEST ** (step / max(_STEPS - 1, 1))
            some = images.take(random.permutation(len(images))[:_BATCH])
            outputs = module(input_tensor(some.images, network.normal))
            excess = (torch.stack([gate.shares() for gate in gates]) * spent).sum() - 1
            loss = nn.functional.cross_entropy(outputs.float(), torch.from_numpy(some.labels)) + multiplier * excess
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            multiplier = max(0.0, multiplier + _ASCENT * float(excess.detach()))
            if progress is not None:
                progress(step + 1, _STEPS, f"gates: energy {float(excess.detach()) + 1:.2f} of the limit")
    return np.stack([gate.shares().detach().double().numpy() for gate in gates])


def _put_gate(module: nn.Module, name: str, candidates: Sequence[FormatChoice]) -> GatedLayer:
    """Replace a module's layer by the mixture of its formats, and return it."""
    layer: Any = module.get_submodule(name)
    gated = GatedLayer([candidate.layer(module, name) for candidate in candidates], layer.weight.detach(), layer.bias)
    for part in gated.layers.parameters():
        part.requires_grad_(False)
    above, _, own = name.rpartition(".")
    setattr(module.get_submodule(above), own, gated)
    return gated
