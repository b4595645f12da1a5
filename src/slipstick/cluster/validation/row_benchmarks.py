"""Benchmarks behind the reference files: how they were run, where no column says it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry


class _Benchmark(Entry):
    """How the benchmark behind a reference file was run: values that no column holds, each with its reason."""

    values: dict[str, float] = Field(description="Name of a value -> its number in SI units")


reference_benchmarks = Catalogue(_Benchmark, "validation/benchmarks.yaml", noun="benchmark of reference rows")


@cache
def _benchmark(name: str) -> Mapping[str, float]:
    """Return the values of data/validation/benchmarks.yaml for one reference file."""
    return reference_benchmarks.entry(name).values
