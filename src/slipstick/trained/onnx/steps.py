"""Execution steps of a network read from an ONNX file, and the checks of their sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from slipstick.core.errors import SlipstickError
from slipstick.trained.onnx.builder_context import _Built
from slipstick.trained.onnx.constants import DIMENSIONS, LARGEST
from slipstick.trained.onnx.layer_operators import WITHOUT_MEMORY
from slipstick.trained.onnx.onnx_file import DAMAGE

_MOST_WORK = 2**40  # multiplications for one image: the largest published classifiers of images need some 1e12
_PROBES = 7  # images of a check: a batch that few other dimensions can be mistaken for


@dataclass(frozen=True)
class _NetworkStep:
    """ONNX node as it is run: name, operator, the value it computes, and the values not read after it."""

    name: str
    operator: str
    built: _Built
    makes: str
    last: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Slot:
    """Constant in the file that holds a layer's parameter or statistic; `shape` is the layer's."""

    constant: str
    layer: str
    attribute: str
    transposed: bool
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _StepPlan:
    """Execution plan of an ONNX network: its steps in order.

    Parameters
    ----------
    model : onnx's model, without the weights that are the layers'.
    image : channels, height, width; None for a size that the file leaves open.
    operands : constants that are no weights: the name of the module's buffer, by the name of the value.
    """

    path: str
    model: Any
    source: str
    result: str
    image: tuple[int | None, ...]
    steps: tuple[_NetworkStep, ...]
    slots: tuple[_Slot, ...]
    operands: Mapping[str, str]
    checked: set[tuple[int, ...]] = field(default_factory=set)

    def check(self, image: tuple[int, ...], buffers: Mapping[str, Tensor]) -> None:
        """Check that images of a size pass through all steps, on torch's meta device, without memory.

        Errors
        ------
        SlipstickError for a step that does not fit what it reads, and for values or work beyond all sense.
        """
        if image in self.checked:
            return
        values = {name: buffer.to(WITHOUT_MEMORY) for name, buffer in buffers.items()}
        values[self.source] = torch.empty((_PROBES, *image), device=WITHOUT_MEMORY)
        with torch.no_grad():
            self._follow(values)
        self.checked.add(image)

    def _follow(self, values: dict[str, Tensor]) -> None:
        live, work = float(values[self.source].numel()), 0.0
        for step in self.steps:
            made = _run(step, step.built.layer, values, self.path)
            live += made.numel()
            work += _work(step, made, values)
            _bounded(step, made, live, work, self.path)
            values[step.makes] = made
            live -= sum(values.pop(name).numel() for name in step.last)


def _run(step: _NetworkStep, layer: nn.Module | None, values: Mapping[str, Tensor], path: str) -> Tensor:
    """Return the output of a step; SlipstickError, naming the step, if its inputs do not fit."""
    read = [values[name] for name in step.built.reads]
    try:
        return step.built.function(*read) if layer is None else step.built.function(layer, *read)
    except torch.OutOfMemoryError:
        raise  # of a device, which a smaller batch mends
    except DAMAGE as error:
        first = str(error).strip().partition("\n")[0]
        where = f"{path}: {step.name}"
        raise SlipstickError(f"{step.operator} does not fit what it reads: {first}", path=where) from error


def _work(step: _NetworkStep, made: Tensor, values: Mapping[str, Tensor]) -> float:
    """Return the multiplications of a step, and the elements that it reads and writes."""
    weight = getattr(step.built.layer, "weight", None)
    products = weight[0].numel() if isinstance(weight, Tensor) and weight.ndim > 1 else step.built.cost
    return float(made.numel()) * products + sum(values[name].numel() for name in step.built.reads)


def _bounded(step: _NetworkStep, made: Tensor, live: float, work: float, path: str) -> None:
    """Check the size of a step's result, of the values held with it, and of the work so far against limits."""
    where = f"{path}: {step.name}"
    if not 0 < made.ndim <= DIMENSIONS or made.shape[0] != _PROBES:
        raise SlipstickError(f"the batch would not stay the first dimension after {step.operator}", path=where)
    layer = step.built.layer
    unfolded = 0.0
    if isinstance(layer, nn.Conv2d):  # what torch may lay out for it: each window, of each channel
        unfolded = float(layer.in_channels) * math.prod(layer.kernel_size) * math.prod(made.shape[2:])
    if max(live / _PROBES, unfolded) > LARGEST or work / _PROBES > _MOST_WORK:
        raise SlipstickError(
            f"too large for one image at {step.operator}",
            path=where,
            allowed=f"{LARGEST} numbers, {_MOST_WORK} products",
        )
