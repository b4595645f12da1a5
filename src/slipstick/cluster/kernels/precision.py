"""Precision: number formats, and bytes per element, of the tensors in a training or inference pass."""

from __future__ import annotations

from dataclasses import dataclass

from slipstick.cluster.constants.model_constants import _model
from slipstick.cluster.constants.step_constants import _StepConstants
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.plan import Formats, Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase
from slipstick.formats.grammar import encoding_of

WIDE = ("bf16", "fp16", "fp32", "tf32")  # formats whose operands no kernel has to quantise


def element_bytes(name: str) -> float:
    """Return the bytes per element of a number format, its share of the quantisation scales included.

    Examples
    --------
    >>> element_bytes("bf16"), element_bytes("nvfp4")
    (2.0, 0.5625)
    """
    return float(encoding_of(name).bits_per_element) / 8


@dataclass(frozen=True)
class Precision:
    """Number formats, and bytes per element, of the tensors in one phase (training, prefill or decode)."""

    matmul: str  # format of the operands of matrix products
    weights: float  # bytes an element, as read by matrix products
    activations: float
    cache: float
    head: str  # format of the output projection
    wide: str = "bf16"  # format of what is never quantised: router, unfused attention
    elementwise: float = 1.0  # traffic of elementwise chains against fused ones
    cache_reads: float = 0.0  # share of the query heads of a group that read the cache again from DRAM
    accumulate: float = 0.0  # bytes a weight to add a gradient to the accumulated one; 0: the product does it itself

    @classmethod
    def of(cls, plan: Plan, system: System, phase: Phase) -> Precision:
        """Return the precision of a plan in one phase.

        In training, weights are kept as the activations are, and cast for the products. At inference, weights are read
        in the format of the products, or as they are stored; the cache has a format of its own.

        Errors
        ------
        SlipstickError if the device has no rate in the format of the products.
        """
        formats = plan.formats
        _require_rate(system, formats.matmul)
        activations = element_bytes(formats.activations)
        wide = formats.matmul if formats.matmul in WIDE else formats.activations
        head = wide if formats.head == "auto" else formats.head
        if phase is Phase.TRAIN:
            unfused = _StepConstants.of_generation(system.generation).unfused_traffic
            return cls(
                formats.matmul, activations, activations, activations, head, wide,
                elementwise=1.0 if plan.kernels.fused else unfused,
                cache_reads=_accumulation_bytes(plan, activations),  # a known fault: belongs into `accumulate`
            )  # fmt: skip
        weights = element_bytes(formats.matmul if formats.weights == "auto" else formats.weights)
        again = 0.0 if plan.kernels.shared_kv else _model().unshared_reads
        return cls(formats.matmul, weights, activations, _cache_bytes(formats), head, wide, cache_reads=again)


def _accumulation_bytes(plan: Plan, activations: float) -> float:
    """Return the memory traffic per weight [B] of accumulating its gradient; 0 where the product itself accumulates."""
    if plan.kernels.accumulate:
        return 0.0
    return activations + 2 * element_bytes(plan.formats.gradients)  # read the gradient, read and write the sum


def _cache_bytes(formats: Formats) -> float:
    return element_bytes(formats.activations if formats.kv_cache == "auto" else formats.kv_cache)


def _require_rate(system: System, name: str) -> None:
    """Raise a SlipstickError unless the matrix units of the device have a rate in a number format."""
    rates = system.device_as(Accelerator).matrix
    if name not in rates:
        raise SlipstickError(
            f"{system.name} has no matrix rate in this format",
            path="plan.formats.matmul",
            value=name,
            allowed=rates,
        )
