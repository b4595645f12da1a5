"""The stream laboratory: correlation and errors of stochastic streams by generator and length, with pictures."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from slipstick.engines.entry_fields import Field
from slipstick.formats.arithmetic.bit_streams import GENERATORS, LENGTHS, Generator
from slipstick.formats.arithmetic.stream_quality import (
    FILTERS,
    IMAGES,
    PAIRS,
    TAPS,
    StreamQuality,
    seed_correlations,
    stream_quality,
)  # fmt: skip
from slipstick.report.report import Table

if TYPE_CHECKING:
    from slipstick.formats.arithmetic.stochastic import Stochastic

_FAMILY = "stochastic"
_LOADING = (2, 2)  # bits and cycles of progressive loading: GEO
_PAIRS = f"{PAIRS:,} drawn pairs"
_SUMS = f"{IMAGES} x {FILTERS} sums of {TAPS} products"


def streams_table() -> Table:
    """Return the table of generators at 32 cycles: correlation, errors of products and of sums."""
    from slipstick.formats.arithmetic.stochastic import Stochastic

    columns = {"name": "", "correlation": "", "product error": "", "sum error": ""}
    qualities = [(generator, _quality(Stochastic(generator=generator))) for generator in GENERATORS]
    rows = [
        (f"stochastic:length=32,generator={name}", *(round(figure, 4) for figure in (
            quality.correlation, quality.product_rms, quality.sum_rms)))
        for name, quality in qualities
    ]  # fmt: skip
    return Table.of(columns, rows)


def stream_fields(name: str) -> list[Field] | None:
    """Return correlation and errors of the streams of an arithmetic, against other generators and lengths.

    Parameters
    ----------
    name : ``stochastic:length=32``, with any of its arguments; None is returned for another text.
    """
    arithmetic = _arithmetic(name)
    if arithmetic is None:
        return None
    own = {generator: _quality(replace(arithmetic, generator=generator)) for generator in GENERATORS}
    rows: list[Field] = [("name", arithmetic.name, "", "")]
    for generator, quality in own.items():
        text = f"{quality.correlation:+.3f}, magnitude {quality.magnitude:.3f}"
        rows.append((f"correlation.{generator}", text, _PAIRS, "Mean SCC of an input's and a weight's stream"))
    for generator, quality in own.items():
        rows.append((f"product.bias.{generator}", f"{quality.product_bias:+.4f}", _PAIRS, "Mean error of a product"))
    rows += _by_length("product.rms", arithmetic, "product_rms", (_PAIRS, "RMS error of a product, by length"))
    for generator, quality in own.items():
        rows.append((f"sum.bias.{generator}", f"{quality.sum_bias:+.4f}", _SUMS, "Mean error of a sum"))
    about = f"RMS error of a sum (count={arithmetic.count}), by length"
    rows += _by_length("sum.rms", arithmetic, "sum_rms", (_SUMS, about))
    for seeds in ("shared", "separate"):
        quality = _quality(replace(arithmetic, seeds=seeds))
        text = f"{quality.between:+.3f}, RMS {quality.sum_rms:.4f}"
        rows.append((f"seeds.{seeds}", text, _SUMS, "Correlation of two filters' errors"))
    unit, wait = _LOADING
    for label, (bits, cycles) in {"at_once": (8, 1), f"unit={unit},wait={wait}": _LOADING}.items():
        loaded = replace(arithmetic, unit=bits, wait=cycles)
        text = _texts([_quality(replace(loaded, length=length)).product_rms for length in LENGTHS])
        rows.append((f"loading.{label}", text, _PAIRS, "RMS error of a product, by length"))
    return rows


def stream_drawings(name: str) -> dict[str, str]:
    """Return the pictures of an arithmetic's streams by heading; empty for another text."""
    from slipstick.formats.arithmetic.stream_pictures import length_svg, seeds_svg

    arithmetic = _arithmetic(name)
    if arithmetic is None:
        return {}
    products, sums = (
        {str(generator): _figures(arithmetic, generator, figure) for generator in GENERATORS}
        for figure in ("product_rms", "sum_rms")
    )
    return {
        "Error of products": length_svg(products, "Error of a product against the length of its streams"),
        "Error of sums": length_svg(sums, f"Error of sums of {TAPS} products, count={arithmetic.count}"),
        "Correlation of seeds": seeds_svg(seed_correlations(arithmetic), arithmetic.name),
    }


def _arithmetic(name: str) -> Stochastic | None:
    """Return the arithmetic of a text; None where it names another family.

    Errors
    ------
    SlipstickError for arguments that are none.
    """
    from slipstick.formats import format_of
    from slipstick.formats.arithmetic.stochastic import Stochastic

    if name.partition(":")[0] != _FAMILY:
        return None
    arithmetic = format_of(f"int8@{name}").arithmetic
    return arithmetic if isinstance(arithmetic, Stochastic) else None


def _by_length(path: str, arithmetic: Stochastic, figure: str, words: tuple[str, str]) -> list[Field]:
    """Return a field for each generator: a figure of every length."""
    return [
        (f"{path}.{generator}", _texts(_figures(arithmetic, generator, figure)), *words) for generator in GENERATORS
    ]


def _figures(arithmetic: Stochastic, generator: Generator, figure: str) -> list[float]:
    qualities = [_quality(replace(arithmetic, generator=generator, length=length)) for length in LENGTHS]
    return [float(vars(quality)[figure]) for quality in qualities]


def _texts(values: list[float]) -> str:
    return ", ".join(f"{length}: {value:.4f}" for length, value in zip(LENGTHS, values, strict=True))


@lru_cache(maxsize=256)
def _quality(arithmetic: Stochastic) -> StreamQuality:
    """Return the quality of streams, once for the table and the pictures."""
    return stream_quality(arithmetic)
