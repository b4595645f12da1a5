"""Learned pools: weights as pool vectors that training moves, with the vectors' assignments frozen towards its end.

Forward passes see ``scale[filter] * pool[index]``. A pool vector gets the gradient of all weights that it stands for;
the weights behind get the same gradient straight through, and decide which vector stands for them, anew at every step.
In the last part of a training indices and scales stand, and vectors, biases and batch norms settle. Sources:
the straight-through estimator is that of Bengio et al., arXiv 1308.3432; gradients of a codebook, those of van den
Oord et al., arXiv 1711.00937, section 3.2 (equation 3 without its losses); freezing what oscillates, Nagel et al., ICML
2022 (arXiv 2203.11086), all from memory; joining them is our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.core.progress import Progress
from slipstick.formats.integer_rows import channels_last
from slipstick.formats.pool import Pool

_TOP = 127  # of an int8 pool vector
_SMALLEST = 1e-12  # scale of a filter, and power of its vectors: so that nothing is divided by zero
_ALTERNATIONS = 4  # of indices and scales at the start: neither can make the squared error larger


class _PoolVectors(nn.Module):
    """Vectors of one pool as a parameter, flat so that weight decay, which is for tensors of two axes, leaves it.

    Parameters
    ----------
    pool : int8 [size, vector], fitted to the weights.
    """

    def __init__(self, pool: NDArray[np.int8]) -> None:
        super().__init__()
        real = torch.from_numpy(pool.astype(np.float32))
        self.shape = real.shape
        self.flat = nn.Parameter((real / real.pow(2).mean().sqrt().clamp(min=_SMALLEST)).reshape(-1))

    @property
    def vectors(self) -> Tensor:
        """Vectors [size, vector] before rounding, with their gradient."""
        return self.flat.reshape(self.shape)

    def codes(self) -> tuple[Tensor, Tensor]:
        """Return the vectors as whole numbers from -127 to 127, and the step between them."""
        vectors = self.vectors.detach()
        step = vectors.abs().max().clamp(min=_SMALLEST) / _TOP
        return torch.round(vectors / step), step


class _PooledWeight(nn.Module):
    """Weight parametrisation by a pool that learns; layers of one pool share its `_PoolVectors`.

    Indices and scales are nearest at every forward pass in training mode until they are frozen. They belong to the
    state, so that a training which goes on from its state sees the same values.
    """

    indices: Tensor
    scale: Tensor
    frozen: Tensor

    def __init__(
        self, encoding: Pool, weight: Tensor, pool: _PoolVectors, scale: NDArray[np.float32] | None, *, owner: bool
    ) -> None:
        super().__init__()
        self.encoding, self.shape = encoding, weight.shape
        self.by_kernel = encoding.kind == "xy" and weight.ndim == 4
        if owner:  # the pool is one parameter of one layer's state
            self.pool = pool
        self._shared = (pool,)
        rows = self._rows(weight.detach())
        self.register_buffer("indices", torch.zeros(rows.shape[:2], dtype=torch.long))
        first = rows.pow(2).mean((1, 2)).sqrt() if scale is None else torch.from_numpy(scale) / pool.codes()[1]
        self.register_buffer("scale", first.clamp(min=_SMALLEST))
        self.register_buffer("frozen", torch.tensor(False))
        for _ in range(_ALTERNATIONS):
            self._choose(weight.detach())

    def forward(self, weight: Tensor) -> Tensor:
        """Return scale times pool vector for every vector of weights; gradients go to both, straight through."""
        if self.training and not self.frozen:
            self._choose(weight.detach())
        pool, scale = self._shared[0], self.scale[:, None, None]
        moved = pool.vectors[self.indices] * scale  # carries the gradient of the vectors
        values = self._weight(self._values()) + self._weight(moved - moved.detach())
        return values if self.frozen else values + (weight - weight.detach())

    def encoded_pool(self) -> Encoded:
        """Return the weight as it is stored, input channels last."""
        codes, step = self._shared[0].codes()
        side = {"pool": codes.numpy().astype(np.int8), "scale": self._stored_scale(step).numpy()}
        return self.encoding.encode(channels_last(self._weight(self._values()).double().numpy()), side)

    def _choose(self, weight: Tensor) -> None:
        """Choose the nearest vectors at the present scales, then the scales of least squared error."""
        rows, (codes, step) = self._rows(weight), self._shared[0].codes()
        pool = codes * step
        power = pool.pow(2).sum(1)
        unit = (rows / self.scale[:, None, None]).reshape(-1, pool.shape[1])
        if self.encoding.metric == "cosine":
            apart = -unit @ (pool / power.sqrt().clamp(min=_SMALLEST)[:, None]).T
        else:
            apart = power / 2 - unit @ pool.T
        self.indices.copy_(apart.argmin(1).reshape(self.indices.shape))
        nearest = pool[self.indices]
        best = (rows * nearest).sum((1, 2)) / nearest.pow(2).sum((1, 2)).clamp(min=_SMALLEST)
        self.scale.copy_(best.clamp(min=_SMALLEST))

    def _values(self) -> Tensor:
        """Return the stored values [filters, vectors, vector], to the bit as the encoding decodes them."""
        codes, step = self._shared[0].codes()
        return codes[self.indices] * self._stored_scale(step)[:, None, None]

    def _stored_scale(self, step: Tensor) -> Tensor:
        """Return the scales of whole-number vectors, as fp16 holds them: a file keeps two bytes of each."""
        return (self.scale * step).half().float()

    def _rows(self, weight: Tensor) -> Tensor:
        """Return a weight as vectors [filters, vectors, vector]: of its channels, or the taps of a kernel."""
        ordered = weight if self.by_kernel else weight.moveaxis(1, -1)
        return ordered.reshape(len(weight), -1, self.encoding.vector)

    def _weight(self, rows: Tensor) -> Tensor:
        """Return the weight that consists of these vectors: the inverse of `_rows`."""
        if self.by_kernel:
            return rows.reshape(self.shape)
        filters, channels, *taps = self.shape
        return rows.reshape(filters, *taps, channels).moveaxis(-1, 1)


def _attach_learned(
    module: nn.Module, pooled: Mapping[str, Pool], sides: Mapping[str, Mapping[str, NDArray[Any]]]
) -> None:
    """Attach pools that learn to layers as weight parametrisations, by names of `module.named_modules()`.

    Parameters
    ----------
    pooled : the pool encoding of each layer; layers of one encoding share its pool.
    sides : the ``pool`` of int8 vectors [size, vector] that training of each layer begins with, and, where it is there,
        the ``scale`` of each filter.
    """
    vectors: dict[Pool, _PoolVectors] = {}
    for name, encoding in pooled.items():
        layer: Any = module.get_submodule(name)
        owner = encoding not in vectors
        if owner:
            vectors[encoding] = _PoolVectors(sides[name]["pool"])
        weight = _PooledWeight(encoding, layer.weight, vectors[encoding], sides[name].get("scale"), owner=owner)
        weight.train(module.training)
        parametrize.register_parametrization(layer, "weight", weight)


def freezing(module: nn.Module, choosing: float, progress: Progress | None = None) -> Progress:
    """Return a progress callback that lets indices and scales stand after the share `choosing` of all steps.

    Parameters
    ----------
    progress : called as well.

    Errors
    ------
    SlipstickError for a share that is not from 0 to 1.
    """
    if not 0 <= choosing <= 1:
        raise SlipstickError("out of range", path="retraining.choosing", value=choosing, allowed="0 to 1")

    def after_step(steps: int, total: int, text: str) -> None:
        if steps >= choosing * total:
            _freeze_assignments(module)
        if progress:
            progress(steps, total, text)

    return after_step


def _freeze_assignments(module: nn.Module) -> None:
    """Let indices and scales of all pools that learn stand; their vectors go on moving."""
    for part in module.modules():
        if isinstance(part, _PooledWeight):
            part.frozen.fill_(True)
