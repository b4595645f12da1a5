"""Stochastic arithmetic against bit-by-bit loops that share no code with it, and against golden vectors."""

from __future__ import annotations

import csv
import re
import shutil
from functools import partial
from itertools import product

import numpy as np
import pytest

from shared_data import REFERENCE
from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.formats.arithmetic import stochastic_layer as kernels
from slipstick.formats.arithmetic.bit_streams import GENERATORS, _shift_register, _stream_table
from slipstick.formats.arithmetic.kernels.native_library import native_library
from slipstick.formats.arithmetic.stochastic import Stochastic
from slipstick.formats.arithmetic.stochastic_oracle import _stochastic_oracle

TAPS = {3: (2, 1), 4: (3, 2), 5: (4, 2), 6: (5, 4), 7: (6, 5), 8: (7, 5, 4, 3)}
TABLE = REFERENCE / "approximate_training.csv"
ROWS = list(csv.DictReader(TABLE.read_text().splitlines())) if TABLE.exists() else []
GOLDEN = [row for row in ROWS if row["table"] == "sc_dot_golden"]
SEQUENCES = [row for row in ROWS if row["table"] == "lfsr_xnor_golden"]
KINDS = [
    "length=32", "length=64", "length=128,count=or2", "length=256,count=or5", "length=32,count=binary",
    "length=32,count=mux", "length=8,count=or7", "length=16,binary=y", "length=32,count=or3,binary=yz,depth=1",
    *(f"length=32,generator={generator}" for generator in GENERATORS), "length=32,seeds=separate",
    "length=64,unit=2,wait=2",
]  # fmt: skip
LAYERS = [
    (Window(), 3, 5), (Window(stride=(2, 1), padding=((1, 0), (2, 1)), dilation=(1, 2)), 4, 8),
    (Window(groups=4, padding=((1, 1), (1, 1))), 4, 4), (Window(groups=2, stride=(1, 2)), 4, 6),
]  # fmt: skip


def stochastic(text: str) -> Stochastic:
    arithmetic = format_of(f"int8@stochastic:{text}").arithmetic
    assert isinstance(arithmetic, Stochastic)
    return arithmetic


@pytest.mark.parametrize("row", SEQUENCES, ids=lambda row: f"{row['model']} {row['metric']}")
def test_shift_registers_are_the_golden_ones(row: dict[str, str]) -> None:
    bits, state, states = int(row["model"][0]), np.zeros(1, np.int64), []
    for _ in range(2**bits - 1):
        state = _shift_register("xnor", state, bits)
        states.append(int(state[0]))
    if row["metric"] == "period":
        assert len(set(states)) == int(row["value"]) == states.index(0) + 1
    else:
        assert (states * 2)[:12] == [int(part) for part in row["value"].split(";")]


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['model']} {row['config'][-20:]}")
def test_sums_are_the_golden_counts(row: dict[str, str]) -> None:
    """Positive and negative counts apart: the weights of the other sign are left out."""
    taps, length = (int(part) for part in re.findall(r"\d+", row["model"]))
    steps = [int(part) for part in re.findall(r"\(\(?k\*(\d+)\)", row["config"])]
    counted = re.search(r"OR-(\d)", row["config"])
    count = "binary" if counted is None else "or" if counted[1] == "1" else f"or{counted[1]}"
    k = np.arange(taps)
    inputs = np.where(k % 3 == 0, 0, k * steps[0] % length)
    weights = k * steps[1] % (length // 4) - length // 8
    arithmetic, expected = stochastic(f"length={length},count={count}"), [int(part) for part in row["value"].split(";")]
    for sign, wanted in zip((1, -1), expected, strict=True):
        part = np.where(np.sign(weights) == sign, weights, 0)
        sums = arithmetic.sums(WholeNumbers(inputs[None], length), WholeNumbers(part[None], length))
        assert sums[0, 0] == sign * wanted * length  # a count is worth full * full / length


def stepped_bit(generator: str, level: int, seed: int, cycle: int, bits: int) -> bool:
    """Return a bit of a stream by stepping its register from the start."""
    state = seed
    for _ in range(cycle + 1):
        feedback = sum(state >> tap & 1 for tap in TAPS[bits]) % 2
        if generator == "acc" and state in (0, 1):
            state = 2 if state == 0 else 0
            continue
        state = state * 2 % 2**bits + (feedback if generator != "xnor" else 1 - feedback)
    return level > state


@pytest.mark.parametrize(("length", "generator"), list(product((8, 32, 64), ("xnor", "xor", "acc"))))
def test_streams_are_those_of_stepped_registers(length: int, generator: str) -> None:
    table, bits = _stream_table(generator, length, "input", (8, 1)), length.bit_length() - 1
    for level, seed, cycle in product((0, 1, length // 3, length - 1), (0, 1, length - 2), range(length)):
        state = seed + (generator != "xnor")
        assert table.bits[level, seed, cycle] == stepped_bit(generator, level, state, cycle, bits)
    words = table.words[..., 0] >> np.uint32(5) & 1
    np.testing.assert_array_equal(words, table.bits[..., 5])


def test_periods_hold_as_many_ones_as_the_level_says() -> None:
    for generator, period, less in (("xnor", 31, 0), ("xor", 31, 1), ("acc", 32, 0), ("accurate", 32, 0)):
        ones = _stream_table(generator, 32, "weight", (8, 1)).bits[:, :, :period].sum(-1)
        expected = np.maximum(np.arange(32) - less, 0)
        np.testing.assert_array_equal(ones, np.broadcast_to(expected[:, None], ones.shape))


def test_sobol_streams_of_both_operands_multiply() -> None:
    """The dimensions are independent: an AND of two streams has about the product of ones, where LFSRs scatter."""
    a, b = (_stream_table("sobol", 64, operand, (8, 1)).bits for operand in ("input", "weight"))
    levels = np.arange(64)
    products = (a[:, None, 0] & b[None, :, 0]).sum(-1)
    assert np.abs(products - levels[:, None] * levels[None, :] / 64).max() <= 4


def test_progressive_loading_masks_what_has_not_arrived() -> None:
    """With two bits more every two cycles, the first two cycles see the top bit alone of seven."""
    bits = _stream_table("xnor", 128, "input", (2, 2)).bits
    whole = _stream_table("xnor", 128, "input", (8, 1)).bits
    np.testing.assert_array_equal(bits[:64, :, :2], False)
    np.testing.assert_array_equal(bits[64:, :, 0], np.broadcast_to(whole[64, :, 0], (64, 127)))
    np.testing.assert_array_equal(bits[..., 8:], whole[..., 8:])


def slow_layer(arithmetic: Stochastic, x: np.ndarray, w: np.ndarray, window: Window, full: int) -> np.ndarray:
    """Return a layer with shared xnor seeds, product by product and cycle by cycle, from section 1 of the theory."""
    length, bits = arithmetic.length, arithmetic.length.bit_length() - 1
    framed = np.pad(x, ((0, 0), (0, 0), *window.padding))
    (images, _, high, wide), (filters, own, rows, columns) = framed.shape, w.shape
    down, across = window.output(x.shape[2:], w.shape[2:])
    result = np.zeros((images, filters, down, across))
    for b, n, i, j in product(*map(range, result.shape)):
        total = 0
        for sign, cycle in product((1, -1), range(length)):
            seen = 0
            for c, y, k in product(range(own), range(rows), range(columns)):
                place = (n // (filters // window.groups)) * own + c
                at = i * window.stride[0] + y * window.dilation[0], j * window.stride[1] + k * window.dilation[1]
                a, v = int(framed[b, place, *at]), int(w[n, c, y, k])
                if np.sign(a) * np.sign(v) == sign:
                    levels = [min(-(-abs(part) * length // full), length - 1) for part in (a, v)]
                    seeds = [((place * high + at[0]) * wide + at[1]) % (length - 1)]
                    seeds.append((13 + (c * rows + y) * columns + k) % (length - 1))
                    seen += all(stepped_bit("xnor", *pair, cycle, bits) for pair in zip(levels, seeds, strict=True))
            total += sign * min(seen, arithmetic.counted or seen)
        result[b, n, i, j] = total * full * full / length
    return result


@pytest.mark.parametrize("text", ["length=8", "length=16,count=or2", "length=8,count=binary"])
def test_the_reference_is_the_theory_bit_by_bit(text: str) -> None:
    random, window = np.random.default_rng(5), Window(stride=(1, 2), padding=((1, 0), (0, 1)), groups=2)
    x, w = random.integers(-128, 129, (1, 4, 3, 4)), random.integers(-60, 61, (4, 2, 2, 2))
    expected = slow_layer(stochastic(text), x, w, window, 128)
    numbers = WholeNumbers(x, 128), WholeNumbers(w, 128)
    np.testing.assert_array_equal(_stochastic_oracle(stochastic(text), *numbers, window), expected)


@pytest.fixture(params=["native", "avx2", "portable"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SLIPSTICK_KERNELS", request.param)
    if request.param != "portable" and native_library("stochastic", partial(kernels._agrees, Stochastic)) is None:
        assert shutil.which("cc") is None, "a compiler is here, and its kernels fail their check"
        pytest.skip("no compiler here builds the native kernels")
    return str(request.param)


@pytest.mark.parametrize("text", KINDS)
def test_kernels_equal_the_reference(text: str, mode: str) -> None:
    arithmetic, random = stochastic(text), np.random.default_rng(7)
    for (window, channels, filters), low in product(LAYERS, (0, -127)):
        x = random.integers(low, 128, (random.integers(1, 19), channels, 5, 6)).astype(np.int8)
        w = random.integers(-60, 61, (filters, channels // window.groups, 3, 2))
        numbers = WholeNumbers(x, 128), WholeNumbers(w, 128)
        result = arithmetic.layer_sums(*numbers, window)
        np.testing.assert_array_equal(result, _stochastic_oracle(arithmetic, *numbers, window), f"{window} {low}")


def test_kernels_equal_each_other_on_many_outputs(mode: str) -> None:
    """Thousands of outputs of three lengths and three counters; benchmarks/approximate_exactness.py compares 10**5."""
    random, window = np.random.default_rng(8), Window(padding=((1, 1), (1, 1)))
    x = WholeNumbers(np.maximum(random.integers(-100, 128, (17, 8, 6, 6)), 0).astype(np.int16), 128)
    w = WholeNumbers(np.clip(np.rint(random.normal(0, 6, (9, 8, 3, 3))), -127, 127).astype(np.int16), 128)
    for text in ("length=32", "length=64,count=or2", "length=128,count=or3"):
        arithmetic = stochastic(text)
        slow = _stochastic_oracle(arithmetic, x, w, window)
        np.testing.assert_array_equal(arithmetic.layer_sums(x, w, window), slow)


def test_positions_count() -> None:
    """Seeds are those of the padded image: the same values elsewhere give other sums, and padding moves them."""
    x, w = np.full((1, 1, 1, 8), 60), np.full((1, 1, 1, 1), 60)
    sums = Stochastic().layer_sums(WholeNumbers(x, 128), WholeNumbers(w, 128), Window())[0, 0, 0]
    assert len(set(sums.tolist())) > 1
    padded = Stochastic().layer_sums(WholeNumbers(x, 128), WholeNumbers(w, 128), Window(padding=((0, 0), (3, 0))))
    assert (padded[0, 0, 0, :3] == 0).all()
    assert padded[0, 0, 0, 3] == sums[3]


@pytest.mark.parametrize(("count", "groups"), [("or", 1), ("or2", 1), ("or3", 1), ("or", 3)])
def test_stand_ins_predict_what_streams_count(count: str, groups: int) -> None:
    """Fed the operands that streams carry, the expected count explains most of the variance of the exact one."""
    arithmetic = stochastic(f"length=128,count={count}" + (",binary=y" if groups > 1 else ""))
    random = np.random.default_rng(4)
    x = WholeNumbers(random.integers(0, 90, (40, 8, 3, 3)), 128)
    w = WholeNumbers(np.rint(random.normal(0, 9, (32, 8, 3, 3))).astype(np.int64), 128)
    exact = arithmetic.layer_sums(x, w, Window())[:, :, 0, 0] / 128**2
    a, b = (arithmetic.carried(part).astype(np.float64) for part in (x, w))
    group, stand_in = arithmetic.tap_groups((8, 3, 3)), arithmetic.stand_in(format_of("int8").encoding)
    assert len(np.unique(group)) == groups
    predicted = np.zeros_like(exact)
    for sign, which in product((1, -1), range(groups)):
        part = np.maximum(sign * b, 0) * (group == which)
        predicted += sign * stand_in.value(np.einsum("bcyx,ncyx->bn", a, part))
    assert 1 - np.var(exact - predicted) / np.var(exact) > 0.75  # 0.8 to 0.93 seen, by the layer
    assert stand_in == StandIn("poisson", counted=arithmetic.counted or 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((f"length={length}", "a power of two: 8, 16, 32") for length in (0, 1, 33, 48, 512)),
        ("count=or8", "count"), ("generator=lfsr", "generator"),
        ("binary=w", "binary"), ("count=mux,binary=y", "binary"), ("unit=1", "unit"), ("seeds=none", "seeds"),
    ],
)  # fmt: skip
def test_what_is_no_stochastic_arithmetic_is_refused(text: str, message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        stochastic(text)


@pytest.mark.parametrize(("name", "value"), [("length", 32.0), ("depth", 8.0), ("wait", 1.5)])
def test_whole_numbers_are_asked_for_in_python_too(name: str, value: float) -> None:
    with pytest.raises(SlipstickError, match=f"stochastic.{name}: no whole number"):
        Stochastic(**{name: value})  # type: ignore[arg-type]


def test_magnitudes_beyond_one_and_floats_are_refused() -> None:
    for wrong in (129, -129):
        for x, w in ((wrong, 1), (1, wrong)):
            with pytest.raises(SlipstickError, match="no such magnitude"):
                Stochastic().sums(WholeNumbers(np.array([[x]]), 128), WholeNumbers(np.array([[w]]), 128))
    with pytest.raises(SlipstickError, match="not whole numbers; got 'float64'"):
        WholeNumbers(np.array([[0.5]]), 128)
    with pytest.raises(SlipstickError, match="no such magnitude"):
        Stochastic().sums(WholeNumbers(np.array([[200]]), 128), WholeNumbers(np.array([[1]]), 128))
    with pytest.raises(SlipstickError, match="whole numbers"):
        format_of("fp8@stochastic:length=32")


def test_the_word_of_the_papers_is_taken_too() -> None:
    form = format_of("int8@stochastic:length=64,accumulate=or2")
    assert form.name == "int8@stochastic:length=64,count=or2"
    assert form.arithmetic.cost(form.encoding).cycles == 128
    assert format_of("int8@stochastic").name == "int8@stochastic:length=32"


def test_an_unknown_kind_of_kernels_is_refused_and_a_library_that_errs_is_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLIPSTICK_KERNELS", "fast")
    with pytest.raises(SlipstickError, match="SLIPSTICK_KERNELS"):
        Stochastic().sums(WholeNumbers(np.ones((1, 1), np.int64), 128), WholeNumbers(np.ones((1, 1), np.int64), 128))
    monkeypatch.setenv("SLIPSTICK_KERNELS", "native")
    monkeypatch.setattr("slipstick.formats.arithmetic.kernels.native_library._loaded", {})
    assert native_library("stochastic", lambda library: False) is None


def test_a_cache_that_others_may_write_is_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    folder = tmp_path / "native"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("SLIPSTICK_CACHE", str(tmp_path))
    monkeypatch.setenv("SLIPSTICK_KERNELS", "native")
    monkeypatch.setattr("slipstick.formats.arithmetic.kernels.native_library._loaded", {})
    assert native_library("stochastic", lambda library: True) is None
