"""The kernels of one device as a table: what `slipstick ops` and the reports print."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slipstick.cluster.kernels.decoder_kernels import Kernel, Precision, Shape, backward, embedding, forward, head
from slipstick.cluster.kernels.kernel_times import BOUNDS, Device, time_kernels
from slipstick.cluster.training.training_setting import Setting
from slipstick.core.workload import Phase
from slipstick.networks.decoder.decoder import Decoder
from slipstick.report.report import Table

COLUMNS = {
    "op": "", "kind": "", "count": "", "m": "", "n": "", "k": "", "batch": "", "flops": "FLOP",
    "traffic": "B", "time": "s", "bound": "",
}  # fmt: skip


def kernel_table(decoder: Decoder, setting: Setting, shape: Shape) -> Table:
    """Return every kernel of a training step's microbatch on one device, with its size, time and bound.

    `count` is the number of layers of the kind; time, operations and traffic are of one layer.
    """
    parts = [
        (block.count, forward(block, decoder, shape, Phase.TRAIN, setting.precision, setting.fused))
        for block in setting.blocks
    ]
    parts.append((1, embedding(decoder, shape, setting.precision.activations)))
    parts.append((1, head(decoder, shape, Phase.TRAIN, setting.precision)))
    both = [(count, [*kernels, *backward(kernels, setting.precision)]) for count, kernels in parts]
    return Table.of(COLUMNS, kernel_rows(both, setting.device))


def inference_table(
    decoder: Decoder, device: Device, precision: Precision, shape: Shape, phase: Phase, *, fused: bool
) -> Table:
    """Return every kernel of one inference step on one device."""
    parts = [(block.count, forward(block, decoder, shape, phase, precision, fused)) for block in decoder.kinds]
    parts.append((1, embedding(decoder, shape, precision.activations)))
    parts.append((1, head(decoder, shape, phase, precision)))
    return Table.of(COLUMNS, kernel_rows(parts, device))


def kernel_rows(parts: Sequence[tuple[int, list[Kernel]]], device: Device) -> list[tuple[object, ...]]:
    """Return a row of `COLUMNS` for each kernel of the first plan; each list of kernels runs `count` times."""
    everything = [(count, kernel) for count, kernels in parts for kernel in kernels]
    times = time_kernels([kernel for _, kernel in everything], device, 1)
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
    return rows
