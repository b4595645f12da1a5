"""Bits of every encoding read by slow decoders that know the layout alone; whole numbers by search over all."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from slipstick.core.encoding import Encoded
from slipstick.core.errors import SlipstickError
from slipstick.formats import Float, Int, Pool, Round, Swis, Truncate, encoding_of
from slipstick.formats.float_layout import LAYOUTS, _from_codes, _to_codes
from slipstick.formats.integer_rows import channels_last
from slipstick.formats.scheduled import _ScheduledEncoding

RNG = np.random.default_rng(17)
CODES = RNG.integers(-127, 128, (5, 3, 7))
SHIFTS = np.array([1, 4, 2, 7, 3])


class Bits:
    """Bits of a byte string, least significant first, taken one field after the other."""

    def __init__(self, packed: np.ndarray) -> None:
        self.number, self.at = int.from_bytes(packed.tobytes(), "little"), 0

    def take(self, width: int) -> int:
        value = self.number >> self.at & ((1 << width) - 1)
        self.at += width
        return value


def width_of(choices: int) -> int:
    """Return the fewest bits that tell so many choices apart."""
    return math.ceil(math.log2(choices)) if choices > 1 else 0


def swis_by_hand(form: Swis, encoded: Encoded, shifts: list[int]) -> np.ndarray:
    """Return whole numbers, record by record: positions, signs, masks."""
    filters, weights = encoded.shape[0], math.prod(encoded.shape[1:])
    bits, rows = Bits(encoded.codes), []
    for count in shifts:
        every = list(itertools.combinations(range(form.bits), count))
        if form.consecutive:
            every = [s for s in every if s[-1] - s[0] == count - 1]
        row: list[int] = []
        for _ in range(math.ceil(weights / form.group)):
            if form.layout == "rank":
                positions = every[bits.take(width_of(len(every)))]
            elif form.consecutive:
                low = bits.take(width_of(form.bits))
                positions = tuple(range(low, low + count))
            else:
                positions = tuple(bits.take(width_of(form.bits)) for _ in range(count))
            signs = [bits.take(1) for _ in range(form.group)]
            for sign in signs:
                magnitude = sum(2**position for position in positions if bits.take(1))
                row.append(-magnitude if sign else magnitude)
        rows.append(row[:weights])
    assert len(encoded.codes) == math.ceil(bits.at / 8)
    return np.array(rows).reshape(filters, *encoded.shape[1:])


@pytest.mark.parametrize("layout", ["rank", "positions"])
@pytest.mark.parametrize("consecutive", [False, True])
@pytest.mark.parametrize(("group", "bits"), [(4, 7), (5, 7), (16, 8), (1, 7), (4, 5)])
def test_swis_records(group: int, bits: int, consecutive: bool, layout: str) -> None:
    form = Swis(3, group, consecutive=consecutive, bits=bits, layout=layout)  # type: ignore[arg-type]
    schedule = np.minimum(SHIFTS, bits)
    for side, shifts in (({}, [3] * 5), ({"shifts": schedule}, schedule.tolist())):
        encoded = form.encode(CODES, {"scale": np.ones(5, np.float32), **side})
        whole = swis_by_hand(form, encoded, shifts)
        np.testing.assert_array_equal(form.integers(encoded), whole)
        np.testing.assert_array_equal(whole, form.recode(CODES, side))
        fields = [
            (width_of(math.comb(bits, n)) if not consecutive else width_of(bits - n + 1)) if layout == "rank"
            else width_of(bits) * (1 if consecutive else n)
            for n in shifts
        ]  # fmt: skip
        groups = math.ceil(21 / group)
        total = sum(groups * (field + group * (1 + n)) for field, n in zip(fields, shifts, strict=True))
        assert form.storage_bytes(CODES.shape, side.get("shifts")) == math.ceil(total / 8) + 4 * 5 + 5 * len(side)
    assert form.bits_per_element == (form.record_bits(3)) / group


@pytest.mark.parametrize("form", [Truncate(4), Round(4)], ids=lambda form: form.name)
def test_window_records_and_what_they_keep(form: Truncate | Round) -> None:
    """A sign and the steps of the lowest position; towards zero, or to the nearest with ties away from it."""
    encoded = form.encode(CODES, {"scale": np.ones(5, np.float32), "shifts": SHIFTS})
    bits, whole = Bits(encoded.codes), []
    for count in SHIFTS.tolist():
        for _ in range(21):
            sign, steps = bits.take(1), bits.take(count)
            whole.append((-steps if sign else steps) * 2 ** (7 - count))
    np.testing.assert_array_equal(form.integers(encoded).ravel(), whole)
    for row, count in zip(CODES, SHIFTS.tolist(), strict=True):
        kept = [step * 2 ** (7 - count) for step in range(2**count)]
        recoded = form.recode(row[None], {"shifts": np.array([count])})
        for code, number in zip(row.ravel().tolist(), recoded.ravel().tolist(), strict=True):
            if isinstance(form, Truncate):
                wanted = max(value for value in kept if value <= abs(code))
            else:
                wanted = min(kept, key=lambda value: (abs(value - abs(code)), -value))
            assert number == math.copysign(wanted, code), (code, count)
    assert (form.group, form.weight_shifts, form.max_shifts, form.bits_per_element) == (1, 4, 7, 5)
    assert form.storage_bytes((3, 5)) == math.ceil(15 * 5 / 8) + 12
    assert form.record_bits(2) == 3
    assert (form.whole_numbers, form.keeps_scales, form.serial_bits) == (True, True, 4)
    assert type(form)().bits == 4


@pytest.mark.parametrize(
    ("text", "top"), [("swis:7", 127), ("swis:8,bits=8", 255), ("round:7", 127), ("truncate:7", 127)]
)
def test_each_filter_has_the_scale_of_its_largest_weight(text: str, top: int) -> None:
    """With all positions a code is the weight over the scale, to the nearest, ties to even; errors are half a step."""
    x = (RNG.normal(size=(5, 2, 3)) * 10.0 ** np.arange(-3, 2)[:, None, None]).astype(np.float32)
    x[4], x[3, 0, 0], x[3, 0, 1] = 0, 0.5 * top, 2.5
    x[3, 1] = np.clip(x[3, 1], -1, 1)
    form = encoding_of(text)
    encoded = form.encode(x)
    for row, whole, scale in zip(x, form.integers(encoded), encoded.side["scale"], strict=True):
        largest = float(np.abs(row).max())
        assert scale == (np.float32(largest / top) if largest else 1.0)
        assert whole.ravel().tolist() == [round(float(value) / float(scale)) for value in row.ravel()]
    assert form.integers(encoded)[3, 0].tolist()[:2] == [top, 5]
    assert form.encode([[1e-45]]).side["scale"].tolist() == [np.finfo(np.float32).tiny]
    assert form.encode([[3.0, -7.0]], {"scale": np.array([2.0], np.float32)}).side["scale"].tolist() == [2.0]
    assert form.integers(form.encode([[3.0, -700.0]], {"scale": np.array([2.0], np.float32)})).tolist() == [[2, -top]]
    with pytest.raises(SlipstickError, match="scale does not fit fp32"):
        form.encode([[1e300]])
    assert form.recode([[255, -255, 4]]).tolist() == [[top, -top, 4]]
    for code in (256, -256):
        with pytest.raises(SlipstickError, match=r"codes: out of range; got 256; allowed: -255 to 255"):
            form.recode([[code]])


@pytest.mark.parametrize("text", ["swis:3", "swis:2,layout=positions", "round:3"])
def test_negative_zeros_are_not_written(text: str) -> None:
    form = encoding_of(text)
    encoded = form.encode(np.full((1, 4), -1.0), {"scale": np.array([16.0], np.float32)})
    np.testing.assert_array_equal(form.integers(encoded), 0)
    positive = form.encode(np.zeros((1, 4)), {"scale": np.array([16.0], np.float32)})
    np.testing.assert_array_equal(encoded.codes, positive.codes)


def test_records_that_name_no_positions_are_refused() -> None:
    scale = {"scale": np.ones(1, np.float32)}
    ranks = Encoded(Swis(3), (1, 4), np.full(3, 0xFF, np.uint8), scale)  # 63 of 35 sets
    with pytest.raises(SlipstickError, match=r"no such set of positions; got 63"):
        Swis(3).integers(ranks)
    form = Swis(3, layout="positions")
    with pytest.raises(SlipstickError, match=r"no such position; got 7"):
        form.integers(Encoded(form, (1, 4), np.full(4, 0xFF, np.uint8), scale))
    windows = Swis(3, consecutive=True, layout="positions")
    last = [4 | 0x78, 0, 0]  # positions 4, 5 and 6 are the last three of seven; four signs of zeros
    assert windows.integers(Encoded(windows, (1, 4), np.array(last, np.uint8), scale)).tolist() == [[0, 0, 0, 0]]
    last[0] += 1
    with pytest.raises(SlipstickError, match=r"no such position; got 7"):
        windows.integers(Encoded(windows, (1, 4), np.array(last, np.uint8), scale))
    full = Swis(3).encode([[127, 127, 127, 127]], scale)
    full.codes[0] = full.codes[0] & 0xC0 | 34  # the last of 35 sets
    assert Swis(3).integers(full).max() == 2**4 + 2**5 + 2**6


def test_names_say_what_differs_from_the_defaults() -> None:
    names = {
        "swis:3,group=4": Swis(),
        "swis:2,group=8,consecutive=true,alpha=0.5,bits=8,layout=positions": Swis(2, 8, True, 0.5, 8, "positions"),
        "int8": Int(),
        "int4:axis=1": Int(4, axis=1),
        "int5:symmetric=false,axis=0": Int(5, False, 0),
        "pool:size=64,vector=8": Pool(),
        "pool:size=16,vector=9,index_bits=6,metric=cosine,kind=xy": Pool(16, 9, 6, "cosine", "xy"),
        "truncate:5": Truncate(5),
        "round:6": Round(6),
        "mxfp4": Float("mxfp4"),
    }
    for text, form in names.items():
        assert form.name == text
        assert encoding_of(text) == form
    assert isinstance(Swis(), _ScheduledEncoding)


# ----------------------------------------------------------------------------------------------------------- integers


@pytest.mark.parametrize("bits", [2, 3, 4, 7, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_upper_bits_of_every_code_by_search(bits: int, symmetric: bool) -> None:
    """The nearest multiple of 2**(8 - bits) among those that the bits can count; ties to the even multiple."""
    step = 2 ** (8 - bits)
    top = 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1
    steps = range(-top, top + 1)
    kept = Int(bits, symmetric=symmetric).recode(np.arange(-128, 128)[None])[0]
    for code, number in zip(range(-128, 128), kept.tolist(), strict=True):
        assert number == step * min(steps, key=lambda n: (abs(n * step - code), n % 2)), code


def test_wider_integers_keep_every_code() -> None:
    codes = np.arange(-128, 128)[None]
    np.testing.assert_array_equal(Int(12).recode(codes), codes)
    with pytest.raises(SlipstickError, match="not whole numbers"):
        Int(4).recode([[0.5]])


def test_what_arithmetics_ask_of_integers() -> None:
    for bits in (2, 6, 7, 8, 16):
        form = Int(bits)
        assert (form.multiplier_bits, form.serial_bits, form.bits_per_element) == (bits, bits, bits)
        assert form.weight_shifts == min(bits, 7), "a sign stands beside the seven positions of int8"
        assert form.per_filter == Int(bits, axis=0)
    assert Int(8).whole_numbers
    assert Int(8).keeps_scales


def test_bytes_and_side_arrays_of_integers_by_hand() -> None:
    shape = (3, 5, 7)
    assert Int(3).storage_bytes(shape) == math.ceil(105 * 3 / 8) + 4
    assert Int(3, axis=1).storage_bytes(shape) == math.ceil(105 * 3 / 8) + 5 * 4
    assert Int(3, False, 2).storage_bytes(shape) == math.ceil(105 * 3 / 8) + 7 * (4 + 2)
    assert Int(3).side_layout(shape) == {"scale": ("float32", (1,))}
    assert Int(3, axis=2).side_layout(shape) == {"scale": ("float32", (7,))}
    assert Int(3, False, 0).side_layout(shape) == {"scale": ("float32", (3,)), "zero": ("uint16", (3,))}
    for form in (Int(3, axis=3), Int(3, False, 3)):
        with pytest.raises(SlipstickError, match=r"int.axis: no such axis; got 3; allowed: 0 to 2"):
            form.storage_bytes(shape)
        with pytest.raises(SlipstickError, match="no such axis"):
            form.encode(np.ones(shape))


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [1e-6, 1.0])
def test_integer_codes_element_by_element(axis: int | None, symmetric: bool, size: float) -> None:
    """Scale, zero point and code of each element by the definition, in Python's own numbers."""
    x = ((RNG.normal(size=(4, 6)) * 10 + 3) * size).astype(np.float32)
    form = Int(5, symmetric=symmetric, axis=axis)
    encoded = form.encode(x)
    whole = form.integers(encoded)
    codes = Bits(encoded.codes)
    for place in np.ndindex(4, 6):
        group = x if axis is None else x[place[0]] if axis == 0 else x[:, place[1]]
        index = 0 if axis is None else place[axis]
        low, high = min(0.0, float(group.min())), max(0.0, float(group.max()))
        scale = np.float32(max(high, -low) / 15 if symmetric else (high - low) / 31)
        assert encoded.side["scale"][index] == scale
        zero = 0 if symmetric else round(-low / float(scale))
        code = min(max(round(float(x[place]) / float(scale)) + zero, -15 if symmetric else 0), 15 if symmetric else 31)
        assert codes.take(5) == code % 32
        assert whole[place] == code - zero
        assert form.decode(encoded)[place] == np.float32(float(scale) * (code - zero))
    if not symmetric:
        assert encoded.side["zero"].dtype == np.uint16


def test_integers_of_nothing_of_tiny_and_of_huge_values() -> None:
    assert Int(8).encode(np.zeros((0, 3))).codes.size == 0
    assert Int(8, axis=1).encode(np.zeros((0, 3))).side["scale"].tolist() == [1, 1, 1]
    assert Int(8).encode(np.zeros(3)).side["scale"].tolist() == [1]
    tiny = Int(8).encode([1e-45])
    assert tiny.side["scale"][0] == np.finfo(np.float32).tiny
    largest = float(np.finfo(np.float32).max)
    assert Int(8).encode([largest * 127]).side["scale"][0] == np.float32(largest)
    with pytest.raises(SlipstickError, match="scale does not fit fp32"):
        Int(8).encode([largest * 127 * (1 + 1e-9)])
    for bits in (1, 17):
        with pytest.raises(SlipstickError, match=r"int.bits: out of range"):
            Int(bits)
    assert (Int(2).bits, Int(16).bits) == (2, 16)
    with pytest.raises(SlipstickError, match=r"int.axis: out of range"):
        Int(8, axis=-1)


def test_a_given_scale_has_the_given_zero_point_or_none() -> None:
    form = Int(8, symmetric=False)
    plain = form.encode([[3.0, -2.0, 300.0]], {"scale": np.array([1.0], np.float32)})
    assert form.integers(plain).tolist() == [[3, 0, 255]], "codes below none are cut"
    moved = form.encode([[3.0, -2.0, 300.0]], {"scale": np.array([1.0], np.float32), "zero": np.array([10])})
    assert form.integers(moved).tolist() == [[3, -2, 245]]


# ------------------------------------------------------------------------------------------------------------- blocks


def nearest_element(value: Fraction, name: str) -> Fraction:
    """Return the nearest number of a layout, ties to the even code, beyond the largest the largest."""
    layout = LAYOUTS[name]
    grid = [
        (Fraction(mantissa + (2**layout.mantissa if field else 0), 2**layout.mantissa)
         * Fraction(2) ** (max(field, 1) - layout.bias), mantissa)
        for field in range(2**layout.exponent)
        for mantissa in range(2**layout.mantissa)
    ]  # fmt: skip
    grid = [pair for pair in grid if pair[0] <= Fraction(layout.largest)]
    best = min(grid, key=lambda pair: (abs(pair[0] - abs(value)), pair[1] % 2))[0]
    return -best if value < 0 else best


def power_of_two(value: Fraction) -> int:
    """Return the exponent of the largest power of two that is no larger."""
    exponent = 0
    while Fraction(2) ** exponent > value:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= value:
        exponent += 1
    return exponent


@pytest.mark.parametrize(("kind", "element", "most"), [("mxfp4", "fp4", 2), ("mxfp8", "fp8", 8)])
@pytest.mark.parametrize("factor", [1.0, 1e-30, 1e30])
def test_blocks_of_a_power_of_two_element_by_element(kind: str, element: str, most: int, factor: float) -> None:
    x = (RNG.normal(size=(2, 45)) * 10.0 ** RNG.integers(-2, 3, (2, 45)) * factor).astype(np.float32)
    x[1, :32] = 0
    encoded = Float(kind).encode(x)
    values = Float(kind).decode(encoded)
    for row in range(2):
        for block in range(2):
            part = [Fraction(float(v)) for v in x[row, 32 * block : 32 * block + 32]]
            largest = max(abs(v) for v in part)
            if largest == 0:
                assert (values[row, 32 * block : 32 * block + 32] == 0).all()
                continue
            exponent = power_of_two(largest) - most
            assert encoded.side["scale"][row, block] == exponent + 127
            for place, value in enumerate(part):
                wanted = nearest_element(value / Fraction(2) ** exponent, element) * Fraction(2) ** exponent
                assert Fraction(float(values[row, 32 * block + place])) == wanted


def test_scales_of_blocks_stay_within_eight_bits() -> None:
    for value, code in ((1e-300, 0), (2.0**-127, 0), (2.0**-124, 1), (1.5 * 2.0**129, 254), (1e300, 254)):
        assert Float("mxfp4").encode([value]).side["scale"].tolist() == [code], value


def test_nvfp4_element_by_element() -> None:
    x = (RNG.normal(size=(3, 20)) * 10.0 ** RNG.integers(-1, 2, (3, 20))).astype(np.float32)
    encoded = Float("nvfp4").encode(x)
    values = Float("nvfp4").decode(encoded)
    tensor = np.float32(float(np.abs(x).max()) / (6 * 448))
    assert encoded.side["tensor_scale"].tolist() == [tensor]
    for row in range(3):
        for block in range(2):
            part = [Fraction(float(v)) for v in x[row, 16 * block : 16 * block + 16]]
            ratio = float(max(abs(v) for v in part)) / 6 / float(tensor)
            scale = nearest_element(Fraction(ratio), "fp8") * Fraction(float(tensor))
            assert Fraction(float(Float("nvfp4").scales(encoded)[row, block])) == scale
            for place, value in enumerate(part):
                wanted = np.float32(float(nearest_element(value / scale, "fp4") * scale))
                assert values[row, 16 * block + place] == wanted
    zeros = Float("nvfp4").encode(np.zeros((2, 3)))
    assert zeros.side["tensor_scale"].tolist() == [1.0]
    assert Float("nvfp4").encode(np.zeros((2, 0))).side["tensor_scale"].tolist() == [1.0]
    assert Float("nvfp4").encode([1e-45]).side["tensor_scale"].tolist() == [np.finfo(np.float32).tiny]
    with pytest.raises(SlipstickError, match="scale does not fit fp32"):
        Float("nvfp4").encode([1e300])


def test_codes_of_fp32_and_tf32_are_those_of_the_processor() -> None:
    """Bit for bit, subnormal numbers, zeros of both signs and the largest included; tf32 keeps the upper 19 bits."""
    bits = RNG.integers(0, 2**32, 4000, dtype=np.uint32)
    bits = np.concatenate([bits, np.arange(40, dtype=np.uint32), [0x7F7FFFFF, 0xFF7FFFFF, 0x80000000, 0x00800000]])
    values = bits.astype(np.uint32).view(np.float32)
    bits, values = bits[np.isfinite(values)].astype(np.uint32), values[np.isfinite(values)]
    np.testing.assert_array_equal(_to_codes(values.astype(float), LAYOUTS["fp32"]), bits)
    np.testing.assert_array_equal(_from_codes(bits, LAYOUTS["fp32"]).astype(np.float32), values)
    coarse = bits & np.uint32(0xFFFFE000)  # 13 zero bits below
    exact = coarse.view(np.float32).astype(float)
    np.testing.assert_array_equal(_to_codes(exact, LAYOUTS["tf32"]), coarse)
    np.testing.assert_array_equal(_from_codes(coarse, LAYOUTS["tf32"]), exact)


def test_bytes_and_side_arrays_of_floats_by_hand() -> None:
    shape = (2, 3, 33)
    wanted = {"bf16": 396, "fp8": 198, "fp4": 99, "mxfp4": 99 + 6 * 2, "mxfp8": 198 + 6 * 2, "nvfp4": 99 + 6 * 3 + 4}
    for kind, nbytes in wanted.items():
        assert Float(kind).storage_bytes(shape) == nbytes, kind
    assert Float("fp4").storage_bytes((3,)) == 2
    assert Float("mxfp4").storage_bytes(()) == 1 + 1
    assert Float("bf16").side_layout(shape) == {}
    assert Float("mxfp4").side_layout(shape) == {"scale": ("uint8", (2, 3, 2))}
    assert Float("nvfp4").side_layout(shape) == {"scale": ("uint8", (2, 3, 3)), "tensor_scale": ("float32", (1,))}
    bits = {"fp32": 32, "tf32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "fp8_e5m2": 8, "fp4": 4, "mxfp4": 4.25,
            "mxfp8": 8.25, "nvfp4": 4.5}  # fmt: skip
    assert {kind: Float(kind).bits_per_element for kind in bits} == bits
    significands = {"fp32": 24, "tf32": 11, "bf16": 8, "fp16": 11, "fp8": 4, "fp8_e5m2": 3, "fp4": 2, "mxfp8": 4}
    assert {kind: Float(kind).multiplier_bits for kind in significands} == significands
    assert Float("fp8").bounds == (-448, 448)
    assert Float("mxfp8").bounds is None
    assert Float().kind == "bf16"
    scalar = Float("nvfp4").encode(2.5)
    assert (scalar.shape, float(scalar.values)) == ((), 2.5)
    assert Float("mxfp8").encode(np.zeros((2, 0))).values.shape == (2, 0)
    with pytest.raises(SlipstickError, match="no such floating point format"):
        Float("fp5")


def test_torch_weights_get_their_channels_last() -> None:
    weights = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    turned = channels_last(weights)
    assert turned.shape == (2, 4, 5, 3)
    assert (turned[1, 2, 3] == weights[1, :, 2, 3]).all()
    assert channels_last(weights[..., 0, 0]).shape == (2, 3)


def test_binary_weights_are_a_sign_each_and_the_mean_magnitude_of_their_filter() -> None:
    weights = RNG.normal(size=(5, 3, 7))
    encoded = encoding_of("binary").encode(weights)
    bits = Bits(encoded.codes)
    rows = weights.reshape(5, -1)
    for row, scale in zip(rows, encoded.side["scale"], strict=True):
        assert [bits.take(1) for _ in row] == [int(weight >= 0) for weight in row]
        assert scale == np.float32(sum(abs(weight) for weight in row) / len(row))
        errors = [((np.abs(row) - other) ** 2).sum() for other in np.linspace(0, 2 * scale, 201)]
        assert ((np.abs(row) - scale) ** 2).sum() <= min(errors)  # least squares of all scales
