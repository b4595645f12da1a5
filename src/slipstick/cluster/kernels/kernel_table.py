"""Table of one device's kernels, as `slipstick ops` and the reports print it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.decoder_kernels import _backward_kernels, _decoder_kernels, _Kernel, _Shape
from slipstick.cluster.kernels.gemm import BOUNDS
from slipstick.cluster.kernels.kernel_times import _time_kernels
from slipstick.cluster.kernels.precision import Precision
from slipstick.core.workload import Phase
from slipstick.networks.decoder.decoder import Decoder
from slipstick.report.report import Table

_COLUMNS = {
    "op": "", "kind": "", "count": "", "m": "", "n": "", "k": "", "batch": "", "flops": "FLOP",
    "traffic": "B", "time": "s", "bound": "",
}  # fmt: skip


def _decoder_table(
    decoder: Decoder, chip: Chip, precision: Precision, shape: _Shape, phase: Phase, *, fused: bool
) -> Table:
    """Return the table of a decoder's kernels (size, time, bound) for one training microbatch or one inference pass.

    `count` is the number of layers of the kind; time, operations and traffic are of one layer.
    """
    lists = _decoder_kernels(decoder, shape, phase, precision, fused=fused)
    if phase is Phase.TRAIN:
        lists = [[*kernels, *_backward_kernels(kernels, precision)] for kernels in lists]
    counts = [*(block.count for block in decoder.kinds), 1, 1]
    return _kernel_table(list(zip(counts, lists, strict=True)), chip)


def _kernel_table(parts: Sequence[tuple[int, Sequence[_Kernel]]], chip: Chip) -> Table:
    """Return the table of the first plan's kernels, a row per kernel; each list of kernels runs `count` times."""
    everything = [(count, kernel) for count, kernels in parts for kernel in kernels]
    times = _time_kernels([kernel for _, kernel in everything], chip, 1)
    rows: list[tuple[object, ...]] = []
    for index, (count, kernel) in enumerate(everything):
        sizes: tuple[int | None, ...] = (None, None, None, None)
        if kernel.kind == "matmul":
            sizes = tuple(int(np.ravel(getattr(kernel, field))[0]) for field in ("m", "n", "k", "batch"))
        rows.append(
            (
                kernel.name, kernel.kind, count, *sizes, times.flops[index, 0], times.traffic[index, 0],
                times.time[index, 0], BOUNDS[times.bound[index, 0]],
            )
        )  # fmt: skip
    return Table.of(_COLUMNS, rows)
