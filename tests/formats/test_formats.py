"""Each family of encodings against slow, obviously right oracles; the grammar of formats."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstick.core.errors import SlipstickError
from slipstick.formats import BitSerial, Exact, Float, Int, Swis, encoding_of, format_of
from slipstick.formats.bits import _pack, _unpack
from slipstick.formats.float_layout import LAYOUTS, _from_codes, _to_codes
from slipstick.testing.encoding_suite import normal_tensor as tensor


def decoded_by_hand(code: int, exponent: int, mantissa: int, bias: int) -> Fraction:
    """The value of a code by the definition, with fractions; specials are not asked for."""
    sign = -1 if code >> (exponent + mantissa) else 1
    field, low = (code >> mantissa) & (2**exponent - 1), code & (2**mantissa - 1)
    significand = Fraction(low, 2**mantissa) + (1 if field else 0)
    return sign * significand * Fraction(2) ** (max(field, 1) - bias)


SMALL = {"fp8": (4, 3, 7), "fp8_e5m2": (5, 2, 15), "fp4": (2, 1, 1), "fp16": (5, 10, 15), "bf16": (8, 7, 127)}


@pytest.mark.parametrize("name", ["fp4", "fp8", "fp8_e5m2"])
def test_all_codes_decode_as_defined(name: str) -> None:
    width = 1 + sum(SMALL[name][:2])
    values = _from_codes(np.arange(2**width, dtype=np.uint32), LAYOUTS[name])
    for code, value in enumerate(values):
        if np.isfinite(value):
            assert Fraction(float(value)) == decoded_by_hand(code, *SMALL[name])
    special = {"fp4": 0, "fp8": 2, "fp8_e5m2": 8}[name]  # NaN twice; two infinities and six NaN
    assert np.count_nonzero(~np.isfinite(values)) == special


@pytest.mark.parametrize("name", ["fp4", "fp8", "fp8_e5m2"])
def test_rounding_is_to_the_nearest_ties_to_even(name: str) -> None:
    width = 1 + sum(SMALL[name][:2])
    grid = _from_codes(np.arange(2 ** (width - 1), dtype=np.uint32), LAYOUTS[name])
    grid = grid[np.isfinite(grid)]
    for code, (low, high) in enumerate(itertools.pairwise(grid)):
        middle = (low + high) / 2
        even = low if code % 2 == 0 else high
        inputs = np.array([low, np.nextafter(middle, 0), middle, np.nextafter(middle, 1e9), high, -middle])
        wanted = np.array([low, low, even, high, high, -even])
        assert (_from_codes(_to_codes(inputs, LAYOUTS[name]), LAYOUTS[name]) == wanted).all()


def test_what_overflows() -> None:
    assert Float("fp8").round([1e9, -449.0, 448.0]).tolist() == [448.0, -448.0, 448.0]
    assert Float("fp4").round([100.0, -7.0]).tolist() == [6.0, -6.0]
    assert Float("fp16").round([65519.0, 65520.0]).tolist() == [65504.0, np.inf]


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("fp8", "float8_e4m3fn"),
        ("fp8_e5m2", "float8_e5m2"),
        ("fp4", "float4_e2m1fn"),
        ("bf16", "bfloat16"),
        ("fp16", None),
    ],
)
def test_equal_to_ml_dtypes(name: str, theirs: str | None) -> None:
    rng = np.random.default_rng(0)
    kind = np.dtype(np.float16) if theirs is None else None
    if kind is None:
        ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
        kind = np.dtype(getattr(ml_dtypes, theirs))
    # float32 inputs: ml_dtypes casts float64 through float32, which rounds twice
    top = min(LAYOUTS[name].largest, 1e30)
    x = (rng.normal(size=20000) * 10.0 ** rng.uniform(-9, np.log10(top), 20000)).astype(np.float32)
    x = np.clip(x, -top, top)
    assert (Float(name).round(x) == x.astype(kind).astype(np.float32)).all()
    width = 1 + sum(SMALL[name][:2])
    codes = np.arange(2**width, dtype=np.uint32)
    raw = codes.astype(np.uint8 if width <= 8 else np.uint16).view(kind).astype(np.float32)
    np.testing.assert_array_equal(_from_codes(codes, LAYOUTS[name]).astype(np.float32), raw)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_fp32_keeps_every_float32(x: float) -> None:
    assert Float("fp32").round([x])[0] == np.float32(x)


@given(st.floats(min_value=-1e38, max_value=1e38))
def test_tf32_is_fp32_with_13_zero_bits(x: float) -> None:
    bits = Float("tf32").round([x]).view(np.uint32)[0]
    assert bits & 0x1FFF == 0
    assert abs(Float("tf32").round([x])[0] - x) <= max(2.0**-11 * abs(x), 2.0**-137)


@given(st.integers(1, 32), st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_packing_round_trip(bits: int, codes: list[int]) -> None:
    wanted = np.array([code % 2**bits for code in codes], np.uint32)
    packed = _pack(wanted, bits)
    assert packed.nbytes == -(-len(codes) * bits // 8)
    assert (_unpack(packed, bits, len(codes)) == wanted).all()
    number = int.from_bytes(packed.tobytes(), "little")
    assert [(number >> (bits * i)) % 2**bits for i in range(len(codes))] == wanted.tolist()


@settings(max_examples=50)
@given(st.integers(2, 12), st.booleans(), st.integers(0, 100))
def test_integer_error_is_at_most_half_a_step(bits: int, symmetric: bool, seed: int) -> None:
    x = tensor((8, 9), seed) * 10.0 ** (seed % 7 - 3)
    form = Int(bits, symmetric=symmetric, axis=0)
    encoded = form.encode(x)
    step = encoded.side["scale"].astype(np.float64)[:, None]
    # an asymmetric range is shifted by up to half a step when its zero point is rounded
    rounded = np.abs(x) * 2.0**-23  # the result is rounded to fp32
    assert (np.abs(form.decode(encoded) - x) <= step * (0.5 if symmetric else 1.0) + rounded).all()


def test_integer_products_are_exact() -> None:
    a, w = Int(8).encode(tensor((4, 50), 0)), Int(4, symmetric=False, axis=0).encode(tensor((6, 50), 1))
    got = Exact().matmul(a, w)
    qa, qw = Int(8).integers(a).tolist(), Int(4, symmetric=False, axis=0).integers(w).tolist()
    for i, row in enumerate(qa):
        for j, column in enumerate(qw):
            whole = sum(p * q for p, q in zip(row, column, strict=True))
            scale = np.float32(a.side["scale"][0]) * np.float32(w.side["scale"][j])
            assert got[i, j] == np.float32(whole) * scale


def test_symmetric_integers_negate_exactly() -> None:
    x = tensor((3, 17), 0)
    assert (Int(4).round(-x) == -Int(4).round(x)).all()


def test_the_accumulator_is_bounded() -> None:
    ones = Int(16).encode(np.ones((1, 8)))
    with pytest.raises(SlipstickError, match="accumulator"):
        Exact().matmul(ones, ones)


def test_floating_product_rounds_every_step() -> None:
    form = Float("bf16")
    a, w = form.encode(tensor((3, 40), 0)), form.encode(tensor((2, 40), 1))
    x, y = form.decode(a), form.decode(w)
    got = Exact().matmul(a, w)
    for i in range(3):
        for j in range(2):
            total = np.float32(0)
            for k in range(40):
                total = np.float32(total + np.float32(x[i, k] * y[j, k]))
            assert got[i, j] == total


def test_mx_scale_by_hand() -> None:
    encoded = Float("mxfp4").encode([[5.0, 0.3, -1.0] + [0.0] * 29 + [0.011]])
    # floor(log2 5) - 2 = 0 and floor(log2 0.011) - 2 = -9, both plus 127
    assert encoded.side["scale"].tolist() == [[127, 118]]
    assert Float("mxfp4").decode(encoded)[0, [0, 1, 2, 32]].tolist() == [4.0, 0.5, -1.0, 6 * 2.0**-9]


def test_nvfp4_scale_by_hand() -> None:
    x = np.zeros((1, 32))
    x[0, 0], x[0, 16] = 6 * 448, 6.0  # tensor scale 1, block scales 448 and 1
    encoded = Float("nvfp4").encode(x)
    assert encoded.side["tensor_scale"].tolist() == [1.0]
    assert (Float("nvfp4").decode(encoded) == x).all()
    assert encoded.nbytes == 16 + 2 + 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int88", "2 to 16"),
        ("bf61", "did you mean 'bf16'"),
        ("int8:axs=0", "did you mean 'axis'"),
        ("int8:axis=x", "not a whole number"),
        ("int8:axis=0,axis=1", "twice"),
        ("fp8:3", "no such argument"),
        ("", "no such number format"),
        ("int8@", "no arithmetic behind @.*bit_serial, correlator, exact"),
        ("int8@exakt", "no such arithmetic.*did you mean 'exact'"),
        ("int8@exact:x=1", "no such argument of exact"),
        ("int8@bit_serial:element=paralel", "no such serial element"),
        ("int8@bit_serial:lanes=0", "from 1"),
        ("bf16@bit_serial", "not of whole numbers; got 'bf16'"),
        ("int16@bit_serial", "wider than a serial element"),
        ("swis:3,group=2@bit_serial:lanes=4", "4 lanes share their positions.*multiple of 4"),
        ("swis:3,depthwise=int8", "formats of other layers follow behind a semicolon"),
        ("int8@exact", None),
        (" INT8 @ bit_serial:lanes=4 ", None),
        ("int", None),
        ("INT8", None),
        ("int8:axis=0;symmetric=false", None),
        ("int:8", None),
    ],
)
def test_text(text: str, words: str | None) -> None:
    if words is None:
        assert isinstance(format_of(text).encoding, Int)
        return
    with pytest.raises(SlipstickError, match=words):
        format_of(text)


def test_wrong_shapes_are_one_clear_error() -> None:
    form = Float("bf16")
    with pytest.raises(SlipstickError, match="cannot be multiplied"):
        Exact().matmul(form.encode(np.ones((2, 3))), form.encode(np.ones((2, 4))))
    with pytest.raises(SlipstickError, match="not an array"):
        form.encode(["x"])


def test_a_format_is_its_encoding_with_exact_arithmetic_unless_named() -> None:
    assert format_of("swis:3").arithmetic == format_of("swis:3@exact").arithmetic == Exact()
    form = format_of("swis:3,group=8@bit_serial:element=double-shift,lanes=4")
    assert (form.encoding, form.arithmetic) == (Swis(3, 8), BitSerial("double-shift", 4))
    assert form.name == "swis:3,group=8@bit_serial:element=double-shift,lanes=4"
    assert format_of(Swis(3)) == format_of(format_of("swis:3"))
    with pytest.raises(SlipstickError, match="not a number format"):
        format_of(3)  # type: ignore[arg-type]


def test_serial_products_are_exact_to_the_bit_also_of_unsigned_codes() -> None:
    rng = np.random.default_rng(5)
    inputs = Int(8, symmetric=False).encode(rng.uniform(0, 3, (4, 40)))
    for text in ("int8:symmetric=false", "int3", "swis:3", "round:4", "pool:16,4"):
        weights = encoding_of(text).encode(rng.normal(size=(6, 40)) + 0.3)
        np.testing.assert_array_equal(BitSerial().matmul(inputs, weights), Exact().matmul(inputs, weights))


def test_floats_of_two_encodings_and_scales_along_the_sum_are_refused() -> None:
    half, brain = (Float(kind).encode(np.ones((2, 3))) for kind in ("fp16", "bf16"))
    with pytest.raises(SlipstickError, match="floats of two encodings"):
        Exact().matmul(half, brain)
    columns = Int(8, axis=1).encode(np.ones((2, 3)))
    with pytest.raises(SlipstickError, match="scales vary along the summed axis"):
        Exact().matmul(columns, columns)
    with pytest.raises(SlipstickError, match="not of whole numbers"):
        BitSerial().matmul(half, half)


def test_costs_by_hand() -> None:
    """Joules at 45 nm: 0.2 pJ an 8 bit product, 0.1 pJ a 32 bit sum, 3.7 and 0.9 pJ in fp32."""

    def cost(text: str) -> tuple[float, float]:
        form = format_of(text)
        spent = form.arithmetic.cost(form.encoding)
        return spent.cycles, spent.joules * 1e12

    assert cost("int8") == (1, pytest.approx(0.3))
    assert cost("int4") == (1, pytest.approx(0.2 / 4 + 0.1))
    assert cost("fp32") == (1, pytest.approx(4.6))
    assert cost("fp8") == (1, pytest.approx(1.1 * (4 / 11) ** 2 + 0.9))
    assert cost("swis:3") == cost("pool") == (1, pytest.approx(0.3))
    assert cost("swis:3@bit_serial") == (3, pytest.approx(0.3))
    assert cost("swis:3@bit_serial:element=double-shift") == (2, pytest.approx(0.3))
    assert cost("swis:3@bit_serial:element=serial") == (8, pytest.approx(0.8)), "positions that it is not told"
    assert cost("round:3@bit_serial:element=serial") == (3, pytest.approx(0.3))
    assert cost("int4@bit_serial:element=bit-fusion") == (8, pytest.approx(8 * (0.2 / 16 + 0.1)))
    assert format_of("swis:3@bit_serial").operations((4, 3, 3, 8), 5) == 4 * 72 * 5 * 3
