"""Golden vectors of a layer in any format of a dot-product array: operands, sums, and traced outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipstick.array.golden.family_signals import FAMILIES
from slipstick.array.golden.golden_layer import GoldenLayer, TracedLayer, VectorArray, signed_array
from slipstick.core.errors import SlipstickError

if TYPE_CHECKING:
    from slipstick.core.format import Format
    from slipstick.core.window import WholeNumbers, Window

_OPERAND_BITS = 8  # of an operand at least: as it lies in memories


def golden_layer(
    name: str, form: Format, operands: tuple[WholeNumbers, WholeNumbers, Window], trace: int
) -> GoldenLayer:
    """Return the golden vectors of a layer in a format.

    Parameters
    ----------
    operands : inputs [b, c, h, w], weights [n, c / groups, rows, columns], window.
    trace : outputs, evenly from all, whose inner signals are kept.

    Errors
    ------
    SlipstickError for an arithmetic without a reference, and one that is not the same twice (noise).
    """
    inputs, weights, window = operands
    family = FAMILIES.get(form.arithmetic.family)
    if family is None:
        allowed = f"formats on {', '.join(FAMILIES)} arithmetic"
        raise SlipstickError("no reference of this arithmetic", path="formats", value=form.name, allowed=allowed)
    kernel = weights.elements.shape[2], weights.elements.shape[3]
    size = window.output((inputs.elements.shape[2], inputs.elements.shape[3]), kernel)
    shape = len(inputs.elements), len(weights.elements), *size
    places = np.unique(np.linspace(0, np.prod(shape) - 1, min(trace, int(np.prod(shape)))).astype(np.int64))
    outputs = np.stack(np.unravel_index(places, shape), axis=1)
    arguments, value, arrays = family(TracedLayer(form.arithmetic, inputs, weights, window, outputs))
    axes = ("image", "channel", "row", "column"), ("filter", "channel", "row", "column")
    return GoldenLayer(
        name, form, window, (inputs.full, weights.full), arguments, value,
        {
            "inputs": signed_array(inputs.elements, axes[0], _OPERAND_BITS),
            "weights": signed_array(weights.elements, axes[1], _OPERAND_BITS),
            **arrays,
            "outputs": VectorArray(outputs, ("output", "place"), max(1, int(outputs.max(initial=0)).bit_length())),
        },
    )  # fmt: skip
