"""Multipliers by text: a name of the catalogue, a table in a CSV or NPY file, or a YAML file of facts."""

from __future__ import annotations

import functools
import os
import re
from importlib import resources
from pathlib import Path
from typing import cast, get_args

import numpy as np

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.formats.multipliers.multiplier import Multiplier, Operands, _pattern_values
from slipstick.formats.multipliers.multiplier_facts import MultiplierFacts, multiplier_facts
from slipstick.formats.multipliers.table_file import _is_table_file, _read_table

_FACT_SUFFIXES = (".yaml", ".yml")


def _is_multiplier_file(name: str) -> bool:
    """Return whether a text names a file of a table of products, or of facts that name one."""
    return _is_table_file(name) or name.lower().endswith(_FACT_SUFFIXES)


def _is_multiplier(text: str) -> bool:
    """Return whether a text has the form of a multiplier's name (mul8s_1L2H) or file."""
    return _is_multiplier_file(text) or re.match(r"mul\d+[us]_", text, re.IGNORECASE) is not None


def find_multiplier(text: str, operands: str = "") -> Multiplier:
    """Return the multiplier that a name of the catalogue or the path of a file stands for.

    Parameters
    ----------
    operands : how whole numbers become bit patterns; empty: as its facts say. A table of a CSV or NPY file is taken as
        signed if a product is negative, else as sign-magnitude.

    Errors
    ------
    SlipstickError for an unknown name (with the nearest), a circuit of which only facts are known, and files that hold
    no table of products.

    Examples
    --------
    >>> find_multiplier("mul8s_1L2H").multiply(3, 5).tolist()
    8
    """
    file = Path(text)
    stamp = (about.st_mtime_ns, about.st_size) if _is_multiplier_file(text) and (about := _stat(file)) else None
    return _found(text, operands, stamp)


def _tables_known() -> list[str]:
    """Return the names of the catalogue's circuits whose tables of products are known."""
    return [name for name, facts in multiplier_facts.items() if facts.table or facts.cleared is not None]


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None  # reading it gives the error


@functools.lru_cache(maxsize=64)  # tables of 64 KiB to 512 KiB
def _found(text: str, operands: str, stamp: tuple[int, int] | None) -> Multiplier:
    """Return the multiplier of a text; `stamp` (time and size of its file) makes a changed file be read again."""
    if operands not in ("", *get_args(Operands)):
        message = "no such kind of operands"
        raise SlipstickError(message, path="multiplier", value=operands, allowed=get_args(Operands))
    if _is_table_file(text):
        products = _read_table(text)
        kind = operands or ("signed" if products.dtype.kind == "i" and (products < 0).any() else "sign-magnitude")
        return Multiplier(text, products, cast(Operands, kind))
    facts = multiplier_facts.resolve(text)
    name = text if _is_multiplier_file(text) else multiplier_facts.find(text)
    return Multiplier(name, _products(facts, name), cast(Operands, operands or facts.operands), facts)


def _products(facts: MultiplierFacts, name: str) -> IntArray:
    """Return the table of products of a circuit: in a file, of the package's tables, or by what the circuit clears."""
    if facts.cleared is not None:
        values = _pattern_values(facts.bits, signed=facts.operands == "signed")
        first, second = (values >> bits << bits for bits in facts.cleared)
        return np.asarray(np.multiply.outer(first, second))
    if not facts.table:
        message = f"only facts of {name} are known, not its table of products (EvoApproxLib has C models of it)"
        raise SlipstickError(message, path="multiplier", value=name, allowed=_tables_known())
    if _is_table_file(facts.table):
        table = np.asarray(_read_table(Path(name).parent / facts.table))
    else:
        with resources.files("slipstick.data").joinpath("multipliers", "tables.npz").open("rb") as file:
            tables = np.load(file, allow_pickle=False)
            if facts.table not in tables:
                raise SlipstickError("no such table", path="multiplier.table", value=facts.table, allowed=list(tables))
            table = tables[facts.table]
    if len(table) != 1 << facts.bits:
        message = f"the table has not {1 << facts.bits} rows, as {facts.bits} bits require"
        raise SlipstickError(message, path="multiplier.table", value=table.shape)
    return table.astype(np.int64)
