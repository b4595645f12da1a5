"""Suite of the `gemm_measured` format: measured matrix products, modelled as their benchmark ran them."""

from __future__ import annotations

import numpy as np

from slipstick.cluster.constants.matmul import _KernelConstants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.gemm import Reuse, _gemm
from slipstick.cluster.validation.grouped_rows import Key, _MeasuredTable
from slipstick.cluster.validation.row_benchmarks import _benchmark
from slipstick.cluster.validation.row_formats import _row_formats
from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.report.published import RowDict, register_suite

_WIDE = ("bf16", "fp16", "tf32", "fp32", "fp64")  # the benchmark quantises the activations of every other format


def _rotating_weights(l2_capacity: float) -> Reuse:
    """Return the reuse distances of a benchmark that repeats a product with as many weights as fill the L2."""

    def distances(a: FloatArray, b: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        once = a + b + c  # one tensor of activations and one of results serve all copies
        copies = np.clip(np.ceil(l2_capacity / b), 1, _benchmark("gemm")["weight_copies"])
        return once, a + copies * b + c, once

    return distances


def _answer(key: Key, sizes: FloatArray) -> tuple[FloatArray, str]:
    """Return our times of products of one GPU and format, with a note; `sizes` are m, n and k, shape (rows, 3)."""
    gpu, dtype = key
    chip = Chip.of(resolve_system(gpu))
    name = _row_formats(dtype).weights
    if name not in chip.peak:
        raise SlipstickError(f"{gpu} has no matrix rate in this format", path="dtype", value=dtype, allowed=chip.peak)
    reuse = _rotating_weights(chip.l2_capacity)
    m, n, k = sizes.T
    times = _gemm((m, n, k), format=name, chip=chip, quantise_activations=name not in _WIDE, reuse=reuse)
    return times.time, _note(name, chip.constants)


def _note(name: str, constants: _KernelConstants) -> str:
    """Return a note where the constants are not of this device generation and number format, else nothing."""
    if not constants.calibrated:
        return "no calibration for this GPU: data sheet, with constants fitted over all measured generations"
    if constants.of(name) is constants.formats.get(name) or (name == "fp16" and "bf16" in constants.formats):
        return ""
    return "no calibration for this format: constants of the nearest one"


def _identity(row: RowDict) -> str:
    return f"gemm-{row['gpu']}-{_format_text(row)}-{row['m']}x{row['n']}x{row['k']}"


def _format_text(row: RowDict) -> str:
    """Return our name of a row's format, or the row's own where it is not one of ours."""
    try:
        return _row_formats(row["dtype"]).weights
    except SlipstickError:
        return row["dtype"]


SUITE = register_suite(
    _MeasuredTable(
        name="gemm",
        columns=frozenset(("gpu", "dtype", "m", "n", "k", "latency_us", "library")),
        about="measured matrix products of one GPU",
        kind="gemm",
        key=("gpu", "dtype"),
        numbers=("m", "n", "k"),
        identity=_identity,
        source=lambda row: f"{row['gpu']} {_format_text(row)}",
        answer=_answer,
    )
)
