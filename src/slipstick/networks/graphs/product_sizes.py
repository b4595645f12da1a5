"""Sizes and FLOPs of matrix products, derived by importers from the shapes of operands and results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.errors import SlipstickError
from slipstick.core.workload import Op

Shape = Sequence[int]
Sized = dict[str, Any]  # the fields `dims`, `flops` and perhaps `parts` of an Op


def convolution(
    image: Shape,
    filters: Shape,
    result: Shape,
    groups: int,
    *,
    transposed: bool = False,
    geometry: ConvolutionGeometry | None = None,
) -> Sized:
    """Return the matrix product sizes of a convolution of any rank; `filters` is (out, in / groups, window).

    A transposed one computes its window for each position of its input; its `filters` is (in, out / groups, window),
    and it has no `geometry` (`plane_geometry`).

    Examples
    --------
    >>> convolution((1, 3, 224, 224), (64, 3, 7, 7), (1, 64, 112, 112), 1)["dims"]
    {'m': 12544, 'n': 64, 'k': 147, 'batch': 1, 'taps': 49}
    """
    taps = math.prod(filters[2:])
    if transposed:
        m, n, k, taps = image[0] * math.prod(image[2:]), filters[1] * taps, filters[0] // groups, 1
    else:
        m, n, k = result[0] * math.prod(result[2:]), filters[0] // groups, filters[1] * taps
    dims = {"m": m, "n": n, "k": k, "batch": groups, "taps": taps}
    return {"dims": dims, "flops": 2.0 * m * n * k * groups, "geometry": None if transposed else geometry}


def plane_geometry(
    image: Shape, filters: Shape, stride: Shape, padding: Sequence[tuple[int, int]], dilation: Shape
) -> ConvolutionGeometry | None:
    """Return the geometry of a convolution of images or sequences, None of another rank.

    Parameters
    ----------
    image, filters : shapes, channels at place 1 and the window behind it.
    stride, padding, dilation : of each axis of the window; one value stands for all.

    Examples
    --------
    >>> plane_geometry((1, 8, 100), (16, 8, 5), (2,), [(2, 2)], (1,)).output
    (1, 50)
    """
    axes = len(filters) - 2
    if axes not in (1, 2):
        return None
    own = (1,) * (2 - axes)  # the one row of a sequence
    steps, gaps = (*own, *stride), (*own, *dilation)
    pads = (*((0, 0),) * (2 - axes), *padding)
    high, wide = (*own, *image[2:])
    rows, columns = (*own, *filters[2:])
    return ConvolutionGeometry(
        (high, wide), (rows, columns), (steps[0], steps[-1]), (pads[0], pads[-1]), (gaps[0], gaps[-1])
    )


def dense(rows: Shape, weight_in: int, weight_out: int) -> Sized:
    """Return the matrix product sizes of rows (..., in) times one weight matrix.

    Examples
    --------
    >>> dense((8, 128, 1024), 1024, 4096)["dims"]
    {'m': 1024, 'n': 4096, 'k': 1024, 'batch': 1}
    """
    m = math.prod(rows) // max(1, weight_in)
    return {
        "dims": {"m": m, "n": weight_out, "k": weight_in, "batch": 1},
        "flops": 2.0 * m * weight_in * weight_out,
    }


def _pairwise(left: Shape, result: Shape) -> Sized:
    """Return the sizes of the activation product (..., m, k) x (..., k, n); a vector counts as one row.

    Examples
    --------
    >>> _pairwise((8, 16, 128, 64), (8, 16, 128, 128))["dims"]
    {'m': 128, 'n': 128, 'k': 64, 'batch': 128}
    """
    m, n, k = (result[-2] if len(result) > 1 else 1), (result[-1] if result else 1), left[-1]
    batch = math.prod(result[:-2])
    return {"dims": {"m": m, "n": n, "k": k, "batch": batch}, "flops": 2.0 * m * n * k * batch}


def _attention(query: Shape, key: Shape, value: Shape) -> Sized:
    """Return the sizes of softmax(q k^T) v over (..., positions, width): both products, without a mask.

    Examples
    --------
    >>> _attention((1, 8, 128, 64), (1, 8, 128, 64), (1, 8, 128, 64))["flops"]
    33554432.0
    """
    batch, m, n, k = math.prod(query[:-2]), query[-2], key[-2], query[-1]
    return {"dims": {"m": m, "n": n, "k": k, "batch": batch}, "flops": 2.0 * batch * m * n * (k + value[-1])}


def _recurrent(name: str, steps: int, batch: int, matrices: Sequence[tuple[int, int, bool]]) -> Sized:
    """Return the sizes of recurrent layers: input products of all steps at once, state products step by step.

    Parameters
    ----------
    matrices : (in, out, whether it multiplies the state) of each weight.

    Examples
    --------
    >>> sized = _recurrent("lstm", 10, 4, [(32, 64, False), (16, 64, True)])
    >>> sized["flops"], [(part.dims["m"], part.count) for part in sized["parts"]]
    (245760.0, [(40, 1), (4, 10)])
    """
    parts = []
    for number, (deep, wide, state) in enumerate(matrices):
        rows, count = (batch, steps) if state else (batch * steps, 1)
        dims = {"m": rows, "n": wide, "k": deep, "batch": 1}
        moved = float(rows * deep), float(rows * wide)
        work = 2.0 * rows * deep * wide
        parts.append(Op(f"{name}.{number}", "matmul", dims, work, float(deep * wide), *moved, count=count))
    dims = {"m": batch, "steps": steps}
    return {"dims": dims, "flops": sum(part.flops * part.count for part in parts), "parts": tuple(parts)}


def _einsum(equation: str, factors: Sequence[Shape], result: Shape) -> Sized:
    """Return the sizes of an einsum: all indices run once for two factors, pair by pair for more.

    Errors
    ------
    SlipstickError for an equation that does not fit its factors.

    Examples
    --------
    >>> _einsum("bik,bkj->bij", [(8, 4, 16), (8, 16, 32)], (8, 4, 32))["flops"]
    32768.0
    """
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, factor in zip(terms, factors, strict=False):
        letters = term.replace("...", "." * (len(factor) - len(term) + 3)) if "..." in term else term
        sizes.update(zip(letters, factor, strict=False))
        if len(letters) != len(factor) or letters.count(".") > 1:
            raise SlipstickError(
                "the einsum does not fit its operands", path="graph", value=equation, allowed="an index for each axis"
            )
    outputs = math.prod(result)
    depth = max(1, math.prod(sizes.values()) // max(1, outputs))
    products = max(0, len(terms) - 1)
    return {"dims": {"m": outputs, "n": 1, "k": depth, "batch": 1}, "flops": 2.0 * products * outputs * depth}
