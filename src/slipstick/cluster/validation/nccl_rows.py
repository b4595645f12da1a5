"""Suite of the `nccl_measured` format: measured collectives, modelled on the GPU's own network."""

from __future__ import annotations

from slipstick.cluster.collectives.collective_time import _collective
from slipstick.cluster.collectives.network_tiers import NetworkTier, _tiers_of
from slipstick.cluster.validation.grouped_rows import Key, _MeasuredTable
from slipstick.core.arrays import FloatArray
from slipstick.core.catalogue import resolve_system
from slipstick.report.published import RowDict, number, register_suite

_OPERATIONS = {"alltoall": "all_to_all", "allreduce": "all_reduce", "allgather": "all_gather"}  # as tools spell them
_LARGE = 1e6  # bytes from which a message counts as large


def _answer(key: Key, sizes: FloatArray) -> tuple[FloatArray, str]:
    """Return our times of one operation, with a note; `sizes` are ranks, elements, bytes of each, (rows, 3)."""
    gpu, op = key[0], key[1].lower().replace("-", "_")
    ranks, elements, width = sizes.T
    tiers = _tiers_of(resolve_system(gpu).scaled(int(ranks.max())))
    times = _collective(_OPERATIONS.get(op, op), elements * width, ranks, tiers=tiers)
    return times.time, _note(tiers, int(ranks.max()))


def _note(tiers: list[NetworkTier], ranks: int) -> str:
    """Return a note that names the links in use that have no constants of their own."""
    used = [tier for place, tier in enumerate(tiers) if place == 0 or tiers[place - 1].domain < ranks]
    guessed = [tier.name for tier in used if not tier.constants.calibrated]
    return f"no calibration for {', '.join(guessed)}: data sheet, with constants of other links" if guessed else ""


def _identity(row: RowDict) -> str:
    message = f"{row['message_elements']}x{row['dtype_bytes']}"
    return f"nccl-{row['gpu']}-{row['op']}-{row['num_gpus']}-{message}"


def _source(row: RowDict) -> str:
    large = number(row, "message_elements") * number(row, "dtype_bytes") >= _LARGE
    return f"{row['gpu']} {row['op']} {'>= 1 MB' if large else '< 1 MB'}"


SUITE = register_suite(
    _MeasuredTable(
        name="nccl",
        columns=frozenset(("gpu", "op", "num_gpus", "message_elements", "dtype_bytes", "latency_us", "library")),
        about="measured collectives among the GPUs of a node",
        kind="collective",
        key=("gpu", "op"),
        numbers=("num_gpus", "message_elements", "dtype_bytes"),
        identity=_identity,
        source=_source,
        answer=_answer,
    )
)
