"""Exactness of the fast kernels of approximate arithmetic: 10^5 outputs of random layers each against slow references.

    python benchmarks/approximate_exactness.py [--outputs 100000] [--seed 0]

Layers are drawn at random: images, channels, filters, kernels, strides, uneven padding, dilation, groups (depth-wise
among them), inputs of one and of both signs. Stochastic arithmetic goes through every length, way of counting,
generator, seeds, partial sums and progressive loading, analog arrays through rows, bits, ranges and columns, tables
through all that are shipped, by layers and by every algorithm of matrix products. Each kernel (native, on AVX2 alone,
portable) is compared with the same reference: one line a goal, ``goal: NAME | reached VALUE | wanted BOUND | met``;
the exit status is 0 either way. The tests compare the references themselves with loops from the theory's definition.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from layer_timing import goal
from numpy.typing import NDArray

from slipstick.core.arithmetic import Arithmetic
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.formats.arithmetic.analog import Analog
from slipstick.formats.arithmetic.analog_layer import _plain_codes
from slipstick.formats.arithmetic.approximate import Approximate
from slipstick.formats.arithmetic.bit_streams import GENERATORS, LENGTHS
from slipstick.formats.arithmetic.stochastic import Stochastic
from slipstick.formats.arithmetic.stochastic_oracle import _stochastic_oracle
from slipstick.formats.arithmetic.table_oracle import _table_layer_oracle
from slipstick.formats.multipliers.best_algorithm import _permuted_sums
from slipstick.formats.multipliers.find_multiplier import _tables_known
from slipstick.formats.multipliers.product_algorithms import (
    _error_table_sums,
    _factored_sums,
    _low_rank_sums,
    _monomial_sums,
    _table_sums,
)

Draw = np.random.Generator
Layer = tuple[WholeNumbers, WholeNumbers, Window]
Reference = Callable[[Arithmetic, WholeNumbers, WholeNumbers, Window], NDArray[np.float32]]
KERNELS = ("native", "avx2", "portable")
COUNTS = ("or", *(f"or{n}" for n in range(2, 8)), "binary", "mux")
MOST = 20_000  # outputs of one layer


def layer(draw: Draw, full: int, signed: bool) -> Layer:
    """Return a random layer."""
    groups, share, own = (int(draw.integers(1, most)) for most in (4, 6, 7))
    if draw.random() < 0.25:
        groups, share, own = int(draw.integers(2, 20)), 1, 1
    kernel, stride, gap = (tuple(draw.integers(1, most, 2).tolist()) for most in (6, 4, 3))
    pads = tuple((int(first), int(last)) for first, last in draw.integers(0, 3, (2, 2)))
    window = Window(stride, pads, gap, groups)  # type: ignore[arg-type]
    size = [(taps - 1) * step + 1 + int(draw.integers(0, 8)) for taps, step in zip(kernel, gap, strict=True)]
    x = draw.integers(1 - full if signed else 0, full, (int(draw.integers(1, 20)), groups * share, *size))
    spread = full / draw.choice([2, 8, 32])
    w = np.clip(np.rint(draw.normal(0, spread, (groups * own, share, *kernel))), 1 - full, full - 1)
    kind = np.int8 if full <= 128 and draw.random() < 0.5 else np.int16
    return WholeNumbers(x.astype(kind), full), WholeNumbers(w.astype(np.int16), full), window


def streams(draw: Draw) -> Iterator[str]:
    """Yield texts of stochastic arithmetic: every combination of length, count and generator, others drawn."""
    for length, count, generator in itertools.product(LENGTHS, COUNTS, GENERATORS):
        text = f"int8@stochastic:length={length},count={count},generator={generator}"
        if draw.random() < 0.3:
            text += ",seeds=separate"
        if count.startswith("or") and draw.random() < 0.3:
            text += f",binary={draw.choice(['x', 'y', 'z', 'xy', 'yz', 'xyz'])},depth={draw.integers(1, 4)}"
        if draw.random() < 0.2:
            text += f",unit={draw.integers(2, 5)},wait={draw.integers(1, 4)}"
        yield text


def arrays(draw: Draw) -> Iterator[str]:
    """Yield texts of analog arithmetic without end."""
    while True:
        rows, bits, share = draw.integers(1, 200), draw.integers(2, 10), draw.choice([0.02, 0.05, 0.2, 1.0])
        columns = draw.choice(["differential", "separate"])
        yield f"int8@analog:rows={rows},adc_bits={bits},adc_range={share},columns={columns}"


def stream_sums(arithmetic: Arithmetic, x: WholeNumbers, w: WholeNumbers, window: Window) -> NDArray[np.float32]:
    """Return a stochastic layer's sums by the reference, cycle by cycle."""
    assert isinstance(arithmetic, Stochastic)
    return _stochastic_oracle(arithmetic, x, w, window)


def array_sums(arithmetic: Arithmetic, x: WholeNumbers, w: WholeNumbers, window: Window) -> NDArray[np.float32]:
    """Return an analog layer's sums by the reference, tap by tap; inputs of either sign are two passes."""
    assert isinstance(arithmetic, Analog)
    converter, inputs = arithmetic.converter(x, w), x.elements.astype(np.int64)
    weights = w.elements.astype(np.int64)
    if converter.signed or inputs.min() >= 0:
        return converter.values(_plain_codes(inputs, weights, window, converter, arithmetic.rows))
    parts = (np.maximum(inputs, 0), np.maximum(-inputs, 0))
    above, below = (_plain_codes(part, weights, window, converter, arithmetic.rows) for part in parts)
    return converter.values(above - below)


def table_sums(arithmetic: Arithmetic, x: WholeNumbers, w: WholeNumbers, window: Window) -> NDArray[np.float32]:
    """Return a layer's sums by the reference, product by product."""
    assert isinstance(arithmetic, Approximate)
    return np.asarray(_table_layer_oracle(arithmetic.multiplier, x, w, window), np.float32)


def compare(name: str, texts: Iterator[str], reference: Reference, outputs: int, draw: Draw) -> None:
    """Print how many outputs of random layers differ from the reference, by each kind of kernels."""
    different: Counter[str] = Counter()
    layers, seen = 0, 0
    for text in texts:
        form = format_of(text)
        layers += 1
        while True:
            operands = layer(draw, form.encoding.full_scale, bool(draw.random() < 0.5))
            x, w, window = operands
            size = window.output(x.elements.shape[2:], w.elements.shape[2:])  # type: ignore[arg-type]
            if len(x.elements) * len(w.elements) * int(np.prod(size)) <= MOST:
                break
        expected = reference(form.arithmetic, *operands)
        seen += expected.size
        for kernels in KERNELS:
            os.environ["SLIPSTICK_KERNELS"] = kernels
            wrong = int((form.arithmetic.layer_sums(*operands) != expected).sum())
            different[kernels] += wrong
            if wrong:
                print(f"  {kernels}: {wrong} differ: {text}, {window}, {x.elements.shape}, {w.elements.shape}")
        if seen >= outputs and not name.startswith("stochastic"):
            break
    for kernels in KERNELS:
        goal(f"{name}, {kernels}: outputs that differ", different[kernels], 0, f" of {seen:,} in {layers} layers")


def algorithms(outputs: int, draw: Draw) -> None:
    """Print how many sums of matrix products differ from the table's, by every algorithm."""
    functions = (_factored_sums, _low_rank_sums, _monomial_sums, _error_table_sums, _table_sums, _permuted_sums)
    different, seen = dict.fromkeys((function.__name__.strip("_") for function in functions), 0), Counter[str]()
    tables, side = _tables_known(), int(np.sqrt(outputs / len(_tables_known()))) + 1
    for table in tables:
        multiplier = Approximate.of(table).multiplier
        full = min(multiplier.full, 128)
        inputs, weights = (draw.integers(1 - full, full, (side, 40)) for _ in range(2))
        expected = np.array([multiplier.multiply(row[None], weights).sum(axis=1) for row in inputs])
        for function in functions:
            name = function.__name__.strip("_")
            try:
                sums = function(multiplier, inputs, weights)
            except SlipstickError:  # an algorithm that this table has not: products of bytes
                continue
            different[name] += int((np.asarray(sums) != expected).sum())
            seen[name] += expected.size
    for name, wrong in different.items():
        goal(f"tables by {name}: sums that differ", wrong, 0, f" of {seen[name]:,}")


def main() -> None:
    """Print a line for each goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=int, default=100_000, help="outputs of each comparison, at least")
    parser.add_argument("--seed", type=int, default=0, help="of the layers")
    options = parser.parse_args()
    draw = np.random.default_rng(options.seed)
    compare("stochastic", streams(draw), stream_sums, options.outputs, draw)
    compare("analog", arrays(draw), array_sums, options.outputs, draw)
    tables = _tables_known()
    texts = (f"int8@{name}" for name in itertools.cycle(tables))
    compare(f"tables ({len(tables)})", texts, table_sums, options.outputs, draw)
    algorithms(options.outputs, draw)


if __name__ == "__main__":
    main()
