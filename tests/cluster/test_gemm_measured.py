"""Replay of the measured matrix products: the errors reached, rounded up to whole percents.

The issue asks for 10% in bf16 on every GPU, and for 18% in fp8 and nvfp4.
"""

from __future__ import annotations

import csv
from functools import cache

import numpy as np
import pytest

from cluster.roofline import roofline
from shared_data import REFERENCE, present
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.gemm import _gemm
from slipstick.cluster.validation.gemm_rows import _rotating_weights
from slipstick.core.catalogue import resolve_system

FORMATS = {"bfloat16": "bf16", "fp8": "fp8", "nvfp4": "nvfp4"}
REACHED = {
    ("a100_sxm", "bfloat16"): 0.08,
    ("h100_sxm", "bfloat16"): 0.06,
    ("l40s", "bfloat16"): 0.10,
    ("b200_sxm", "bfloat16"): 0.09,
    ("h100_sxm", "fp8"): 0.04,
    ("l40s", "fp8"): 0.08,
    ("b200_sxm", "fp8"): 0.05,
    ("b200_sxm", "nvfp4"): 0.07,
}
TARGET = {"bfloat16": 0.10, "fp8": 0.18, "nvfp4": 0.18}


@cache
def rows() -> dict[tuple[str, str], np.ndarray]:
    """Return m, n, k and seconds by GPU and format."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    with present(REFERENCE / "gemm_measured.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers = [float(row[c]) for c in ("m", "n", "k")]
            found.setdefault((row["gpu"], row["dtype"]), []).append([*numbers, float(row["latency_us"]) * 1e-6])
    return {key: np.array(table) for key, table in found.items()}


def ratios(gpu: str, dtype: str) -> np.ndarray:
    """Return our time over the measured one, with the operands as warm as the benchmark left them."""
    chip = Chip.of(resolve_system(gpu))
    m, n, k, measured = rows()[gpu, dtype].T
    reuse = _rotating_weights(chip.l2_capacity)
    name = FORMATS[dtype]
    found = _gemm((m, n, k), format=name, chip=chip, quantise_activations=name not in ("bf16", "fp16"), reuse=reuse)
    return np.asarray(found.time / measured)


@pytest.mark.parametrize(("gpu", "dtype"), REACHED)
def test_measured_rows_are_met(gpu: str, dtype: str) -> None:
    ratio = ratios(gpu, dtype)
    assert len(ratio) >= 1000
    assert REACHED[gpu, dtype] <= TARGET[dtype]
    assert np.abs(ratio - 1).mean() <= REACHED[gpu, dtype]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.03)  # no bias


def test_every_gpu_and_format_of_the_file_is_tested() -> None:
    assert set(rows()) == set(REACHED)


@pytest.mark.parametrize(("gpu", "dtype"), REACHED)
def test_large_products_are_met_best(gpu: str, dtype: str) -> None:
    """Above 1e12 operations a step of training spends its time: a bias there is a bias of every estimate."""
    m, n, k, _ = rows()[gpu, dtype].T
    error = ratios(gpu, dtype)[2.0 * m * n * k > 1e12] - 1
    assert np.abs(error).mean() <= 0.10
    assert abs(np.median(error)) <= 0.05


@pytest.mark.parametrize("gpu", ["a100_sxm", "h100_sxm", "b200_sxm"])
def test_no_measured_product_beats_the_peak(gpu: str) -> None:
    chip = Chip.of(resolve_system(gpu))
    m, n, k, measured = rows()[gpu, "bfloat16"].T
    assert (measured * chip.peak["bf16"] >= 2.0 * m * n * k).all()
    fits = 2.0 * n * k > 5 * chip.l2_capacity  # weights that no L2 can keep warm
    assert (measured[fits] >= roofline(m, n, k, "bf16", chip)[fits]).all()


@pytest.mark.parametrize(
    ("gpu", "system", "share"),
    [
        ("h100_sxm", "h100-sxm-80gb", 1.0),
        ("a100_sxm", "a100-sxm-80gb", 1.0),
        ("l40s", "l40s", 0.96),
        ("b200_sxm", "b200-sxm-180gb", 0.93),
    ],
)
def test_the_fastest_measured_product_draws_the_power_limit(gpu: str, system: str, share: float) -> None:
    """The share of the chip in data/power is set by it: all of the limit on H100 and A100, up to 7 % less on others."""
    from slipstick.cluster.kernels.energy import _DeviceEnergy

    machine = resolve_system(system)
    m, n, k, seconds = rows()[gpu, "bfloat16"].T
    flops = 2 * m * n * k
    best = int(np.argmax(flops / seconds))
    traffic = 2 * (m * k + k * n + m * n)
    energy = _DeviceEnergy.of(
        machine, "bf16", *(array[best : best + 1] for array in (seconds, flops, traffic, 0 * flops))
    )
    assert energy is not None
    assert machine.power is not None
    assert float(energy.total[0] / seconds[best]) == pytest.approx(share * machine.power, rel=0.01)
