"""Correlator architectures as columns: the vectorised form of their estimate, for `search`.

Counts of shots are whole numbers of the layout (waveguides, taps, guard, ...) and of the division of work
(correlators, inputs at once, accumulation, ...): a table over both, looked up point by point. All else is arithmetic on
columns, by the same functions as a report's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from slipstick.core.arrays import FloatArray, IntArray
from slipstick.core.errors import SlipstickError
from slipstick.core.question import Question
from slipstick.core.spec import leaves, override
from slipstick.core.sweep import Sweep
from slipstick.optics.correlator_cost import area_parts, energy_parts, full_power, shot_rate
from slipstick.optics.correlator_device import Correlator
from slipstick.optics.correlator_run import CorrelatorRun, correlator_run
from slipstick.optics.layer_shots import OpticalLayer, layer_tilings, shared_shots
from slipstick.optics.link_budget import sized_power
from slipstick.optics.row_tiling import CorrelatorInput

_DEVICE = "system.device."
_LAYOUT = ("waveguides", "taps", "guard", "strides", "packing")
_DIVISION = ("correlators", "parallel_inputs", "wavelengths", "accumulation", "reuse", "signs")
_VALUES = (
    "clock", "pipelined", "remodulated", "gated", "dac_bits", "adc_bits", "converter_factor", "modulator.power",
    "modulator.area", "modulator.loss", "detector.area", "detector.sensitivity", "lens.area", "lens.growth",
    "lens.loss", "light.power", "light.efficiency", "light.area", "light.coupler", "light.splitter", "light.guide",
    "dac.power", "dac.area", "adc.power", "adc.area", "sram_area",
)  # fmt: skip
_FIGURES = {
    "time.step": "s", "time.sample": "s", "throughput.samples": "sample/s", "throughput.per_area": "sample/s/mm2",
    "efficiency.samples_per_joule": "sample/J", "energy.step": "J", "energy.sample": "J", "edp.sample": "J s",
    "power.mean": "W", "power.full": "W", "area.total": "m2", "memory.peak": "B",
}  # fmt: skip
_LARGEST_TABLE = 2**20  # combinations: 32 MiB of counts
_BLOCK = 8192  # points at once: columns that stay in the cache, and whose memory is not given back after each sum
_MM2 = 1e6  # mm2 of a m2
_NUMBERS = frozenset((*_DIVISION, *_VALUES, "waveguides", "taps"))
_COUNTS = ("steps", "inputs", "weights", "conversions")


def _architecture_columns(
    question: Question, axes: Mapping[str, Sequence[Any]], places: Sequence[IntArray]
) -> dict[str, FloatArray]:
    """Return the figures of architectures by path, in SI units; not a number where one is impossible."""
    run = correlator_run(question.workload, question.system)  # what the points share
    names = [path.removeprefix(_DEVICE) for path in axes]
    by_field = {
        name: (_axis_values(run.device, name, tuple(values)), place)
        for name, values, place in zip(names, axes.values(), places, strict=True)
    }
    size = len(places[0]) if places else 1
    counts = _looked_up(run, by_field)
    figures = {path: np.empty(size) for path in _FIGURES}
    for first in range(0, size, _BLOCK):
        block = slice(first, first + _BLOCK)
        v = _block_values(run, {name: (values, place[block]) for name, (values, place) in by_field.items()})
        for path, column in _figures(run, v, {name: count[block] for name, count in counts.items()}).items():
            figures[path][block] = column
    return figures


def _block_values(run: CorrelatorRun, by_field: Mapping[str, tuple[Sequence[Any], IntArray]]) -> dict[str, Any]:
    """Return the values of a block of points by dotted path: those of the system, and columns of what differs."""
    v = dict(run.values)
    for name, (values, place) in by_field.items():
        if name in _NUMBERS:
            v[name] = np.asarray(values, np.float64)[place]
    if run.device.light.power is None and "light.power" not in by_field:
        v["light.power"] = sized_power(v)
    memory = run.system.memory
    v["sram.bytes"] = memory["activations"].capacity + memory["weights"].capacity * v["correlators"]
    return v


def _figures(run: CorrelatorRun, v: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures by path from values and counts of every point."""
    samples, in_light = run.workload.batch, counts["steps"] / shot_rate(v)
    shared = run.energy.get("electronics", 0.0) + run.energy.get("dram", 0.0)
    joules = sum(energy_parts(v, counts, in_light).values()) + shared
    seconds, area = in_light + run.digital_time, sum(area_parts(v).values())
    impossible = np.isnan(seconds)
    return {
        "time.step": seconds,
        "time.sample": seconds / samples,
        "throughput.samples": samples / seconds,
        "throughput.per_area": samples / seconds / area / _MM2,
        "efficiency.samples_per_joule": samples / joules,
        "energy.step": joules,
        "energy.sample": joules / samples,
        "edp.sample": joules * seconds / samples**2,
        "power.mean": joules / seconds,
        "power.full": np.where(impossible, np.nan, sum(full_power(v).values())),
        "area.total": np.where(impossible, np.nan, area),
        "memory.peak": np.where(impossible, np.nan, run.peak_bytes),
    }


def _looked_up(run: CorrelatorRun, by_field: Mapping[str, tuple[Sequence[Any], IntArray]]) -> dict[str, Any]:
    """Return the counts of every point: a table of layouts by divisions, each over the values of its own axes."""
    device = run.device
    layers = [layer for layer, _ in run.layers]
    axes = {name: by_field[name][0] if name in by_field else (getattr(device, name),) for name in _LAYOUT + _DIVISION}
    if math.prod(len(values) for values in axes.values()) > _LARGEST_TABLE:  # of these points alone, not of all axes
        used = {name: np.unique(place, return_inverse=True) for name, (_, place) in by_field.items() if name in axes}
        axes |= {name: tuple(axes[name][number] for number in numbers) for name, (numbers, _) in used.items()}
        by_field = {**by_field, **{name: (axes[name], place) for name, (_, place) in used.items()}}
    layouts, divisions = (tuple(tuple(axes[name]) for name in names) for names in (_LAYOUT, _DIVISION))
    table = _count_table(tuple(layers), layouts, divisions)
    place: Any = 0
    for name in _LAYOUT + _DIVISION:
        place = place * len(axes[name]) + (by_field[name][1] if name in by_field else 0)
    return dict(zip(_COUNTS, table[:, np.atleast_1d(place)], strict=True))


@lru_cache(maxsize=64)
def _axis_values(device: Correlator, name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values of a field as the device holds them: whole numbers, SI floats, names.

    Errors
    ------
    SpecErrors for one that the field does not take.
    """
    root = _DEVICE.rstrip(".")
    return tuple(leaves(override(device, {name: value}, root=root))[name] for value in values)


@lru_cache(maxsize=8)
def _count_table(
    layers: tuple[OpticalLayer, ...], layouts: tuple[tuple[Any, ...], ...], divisions: tuple[tuple[Any, ...], ...]
) -> FloatArray:
    """Return the counts [4, layouts times divisions] of every combination of values, divisions changing fastest."""
    grids = np.meshgrid(*(np.asarray(values, np.int64) for values in divisions), indexing="ij")
    flat = np.stack([grid.ravel() for grid in grids])
    table = [_layout_counts(layers, CorrelatorInput(*layout), flat) for layout in itertools.product(*layouts)]
    return np.concatenate(table, axis=1)


def _layout_counts(layers: Sequence[OpticalLayer], light: CorrelatorInput, divisions: IntArray) -> FloatArray:
    """Return steps, inputs, weights and conversions [4, divisions] of one layout; not a number where impossible."""
    correlators, parallel, wavelengths, accumulation, reuse, signs = divisions
    result = np.zeros((len(_COUNTS), divisions.shape[1]))
    at_once, filters_at_once = parallel * wavelengths, correlators // parallel
    for layer in layers:
        try:
            tilings = layer_tilings(layer, light)
        except SlipstickError:  # a row of the kernel is longer than the signal
            return np.full_like(result, np.nan)
        added = np.zeros(divisions.shape[1], np.int64)
        batches, repeats = -(-layer.filters // np.maximum(filters_at_once, 1)), layer.groups * signs
        for tiling in tilings:
            channels, pictures, lights = shared_shots(layer, tiling, light)
            turns = -(-lights // at_once)
            taps = tiling.tiles * pictures * tiling.geometry.kernel[0] * tiling.geometry.kernel[1]
            result[0] += tiling.count * pictures * turns * batches * repeats
            result[1] += tiling.lit_pixels * layer.images * channels * (-(-batches // reuse)) * repeats
            result[2] += taps * channels * layer.filters * repeats
            added += tiling.tap_passes * turns
        result[3] += layer.results * repeats * (-(-added // accumulation))
    result[:, (correlators % parallel) > 0] = np.nan
    return result


def _accepts(path: str, value: Any) -> bool:
    """Return whether columns hold a field's value: plans of correlators have no fields."""
    return True


ARCHITECTURES = Sweep(
    _FIGURES, frozenset(_DEVICE + name for name in (*_LAYOUT, *_DIVISION, *_VALUES)), _accepts, _architecture_columns
)
