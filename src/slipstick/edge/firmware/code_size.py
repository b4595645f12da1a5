"""Machine code of a firmware in bytes, from the sizes of each kernel's symbols measured once for every core."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry
from slipstick.edge.core_table import BoardCore


class _CodeBytes(Entry):
    """Bytes of machine code that a core's kernels link, by kernel and symbol, and those of `network_run`."""

    kernels: dict[str, dict[str, int]] = Field(description="Kernel -> symbols that it links -> bytes of each")
    run: int = Field(description="Bytes of the functions of network.c: the median of some networks")


_code_bytes: Catalogue[_CodeBytes] = Catalogue(_CodeBytes, "firmware/code_bytes.yaml", noun="core", group="cores")


def _predicted_code_bytes(kernels: Collection[str], core: BoardCore) -> int | None:
    """Return the bytes of machine code that kernels link on a core, shared symbols once; None where not measured.

    `benchmarks/firmware_code_size.py` measures the table.
    """
    entry = _code_bytes.get(core.name)
    if entry is None or not entry.kernels.keys() >= set(kernels):
        return None
    symbols: dict[str, int] = {}
    for kernel in kernels:
        for symbol, size in entry.kernels[kernel].items():
            symbols[symbol] = max(size, symbols.get(symbol, 0))
    return sum(symbols.values()) + entry.run
