"""Limits of products, serial steps by search, nearest vectors of pools by search, patterns and arguments of formats."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from slipstick.core.encoding import Encoded, Encoding
from slipstick.core.errors import SlipstickError
from slipstick.formats import BitSerial, Exact, Float, Int, Pool, Round, Swis, Truncate, encoding_of, format_of
from slipstick.formats.arithmetic.operation_costs import _multiplier_area, element_parts
from slipstick.formats.arithmetic.products import _check_product
from slipstick.formats.bits import _pack, _packed_bytes, _unpack
from slipstick.formats.grammar import arithmetic_of
from slipstick.formats.kmeans import _assign, _fit
from slipstick.formats.layer_patterns import PatternLayer, formats_of, pieces
from slipstick.formats.pool_vectors import (
    _cut_rows,
    _fit_pool,
    _join_rows,
    _nearest_and_scales,
    _nearest_indices,
    _poolable,
)
from slipstick.formats.registry import _flag, _number, _word, whole

RNG = np.random.default_rng(29)


def codes(rows: list[list[int]]) -> Encoded:
    """Return whole numbers of 16 bits under a scale of one."""
    return Int(16).encode(rows, {"scale": np.ones(1, np.float32)})


@pytest.mark.parametrize("arithmetic", [Exact(), BitSerial()])
def test_sums_fill_the_accumulator_and_no_more(arithmetic: Exact | BitSerial) -> None:
    """Eight products of 2**28 are 2**31, which 32 bits with a sign do not hold; one less they do."""
    half = [2**14] * 8
    fitting = arithmetic.matmul(codes([half]), codes([[*half[:7], 2**14 - 1]]))
    assert fitting.tolist() == [[np.float32(2**31 - 2**14)]]
    assert arithmetic.matmul(codes([half]), codes([[*half[:4], *(-n for n in half[4:])]])).tolist() == [[0.0]]
    for sign in (1, -1):
        with pytest.raises(SlipstickError, match="do not fit the accumulator; allowed: 32 bits"):
            arithmetic.matmul(codes([half]), codes([[sign * n for n in half]]))


def test_sums_that_float64_could_round_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on the sum of magnitudes: terms times the largest of each side, below 2**53."""
    monkeypatch.setattr("slipstick.formats.arithmetic.products._EXACT", 100)
    assert Exact().matmul(codes([[3, 3, 0]]), codes([[11, -11, 0]])).tolist() == [[0.0]]  # 99
    with pytest.raises(SlipstickError, match="do not fit the accumulator"):
        Exact().matmul(codes([[5, 0, 0, 0]]), codes([[5, 0, 0, 0]]))


@pytest.mark.parametrize(
    ("left", "right", "fits"),
    [((2, 3), (4, 3), True), ((2, 3), (4, 2), False), ((3,), (4, 3), False), ((2, 3), (3,), False),
     ((2, 3, 1), (4, 3), False), ((2, 3), (4, 3, 1), False), ((2, 3, 3), (4, 3, 3), False)],
)  # fmt: skip
def test_matrices_whose_summed_axes_agree_are_multiplied(left: tuple, right: tuple, fits: bool) -> None:
    a, b = Int(8).encode(np.ones(left)), Int(8).encode(np.ones(right))
    if fits:
        _check_product(a, b)
        return
    with pytest.raises(SlipstickError, match=r"shapes cannot be multiplied.*inputs \[m, k\] and weights \[n, k\]"):
        _check_product(a, b)


def test_scales_of_each_row_multiply_outputs() -> None:
    a = Int(8, axis=0).encode([[1.0, 2.0], [300.0, -4.0]])
    b = Int(4, axis=0).encode([[0.5, 1.0], [7.0, 9.0], [0.0, 0.0]])
    for arithmetic in (Exact(), BitSerial()):
        out = arithmetic.matmul(a, b)
        for row, column in np.ndindex(2, 3):
            pairs = zip(Int(8, axis=0).integers(a)[row], Int(4, axis=0).integers(b)[column], strict=True)
            total = sum(int(x) * int(y) for x, y in pairs)
            assert out[row, column] == np.float32(total) * (a.side["scale"][row] * b.side["scale"][column])
    with pytest.raises(SlipstickError, match="scales vary along the summed axis"):
        Exact().matmul(a, Int(8, axis=1).encode(np.ones((3, 2))))


def test_blocks_are_summed_exactly_then_scaled_then_added_in_fp32() -> None:
    form = Float("mxfp4")
    x, w = (form.encode(RNG.normal(size=(rows, 70)) * 10.0 ** RNG.integers(-3, 4, (rows, 70))) for rows in (3, 2))
    out = Exact().matmul(x, w)
    for row, column in np.ndindex(3, 2):
        total = np.float32(0)
        for block in range(3):
            columns = range(32 * block, min(70, 32 * block + 32))
            exact = math.fsum(form.elements(x)[row, k] * form.elements(w)[column, k] for k in columns)
            total += np.float32(exact * form.scales(x)[row, block] * form.scales(w)[column, block])
        assert out[row, column] == total


@pytest.mark.parametrize("element", ["single-shift", "double-shift", "serial", "bit-fusion"])
def test_steps_and_cycles_of_every_width(element: str) -> None:
    arithmetic = BitSerial(element)  # type: ignore[arg-type]
    for count in range(1, 9):
        left, cycles = count, 0
        while left > 0:  # positions taken a cycle; bit-fusion: four cycles for every two bits
            left -= {"double-shift": 2, "bit-fusion": 2}.get(element, 1)
            cycles += 4 if element == "bit-fusion" else 1
        assert arithmetic.cycles(count) == cycles
    for bad in (0, 9, [3, 0], [9, 3]):
        with pytest.raises(SlipstickError, match=r"bit_serial.shifts: out of range.*1 to 8"):
            arithmetic.cycles(bad)
    told = element.endswith("shift")
    expected: dict[str, int | None] = {"int5": 5, "round:3": 3, "swis:3": 3 if told else None, "pool": None}
    for text, steps in expected.items():
        assert arithmetic.steps(encoding_of(text)) == steps, text
    assert arithmetic.stand_in(encoding_of("int4")) == Exact().stand_in(encoding_of("int4"))


def test_names_and_defaults_of_arithmetics() -> None:
    assert BitSerial().name == "bit_serial"
    assert BitSerial(lanes=4).name == "bit_serial:lanes=4"
    assert BitSerial("serial").name == "bit_serial:element=serial"
    assert BitSerial("serial", 3).name == "bit_serial:element=serial,lanes=3"
    assert arithmetic_of("bit_serial:serial,3") == BitSerial("serial", 3)
    with pytest.raises(SlipstickError, match=r"bit_serial.lanes: out of range; got 0; allowed: from 1"):
        BitSerial(lanes=0)
    assert Exact().steps(encoding_of("int8")) == 8
    assert Exact().steps(encoding_of("int7")) is None
    assert Exact().cycles([[3, 8]]).tolist() == [[1, 1]]
    assert (Exact().stand_in(Float("fp8")).low, Exact().stand_in(Float("fp8")).high) == (-448, 448)
    assert Exact().stand_in(Int(8)).low is None


def test_lanes_share_positions_only_where_elements_are_told_them() -> None:
    for element, refused in (("single-shift", True), ("double-shift", True), ("serial", False), ("bit-fusion", False)):
        arithmetic = BitSerial(element, 3)  # type: ignore[arg-type]
        arithmetic.check(Swis(3, 6))
        arithmetic.check(Round(3))
        if refused:
            with pytest.raises(SlipstickError, match=r"3 lanes share their positions.*groups of a multiple of 3"):
                arithmetic.check(Swis(3, 4))
        else:
            arithmetic.check(Swis(3, 4))
    BitSerial().check(Int(8))
    with pytest.raises(SlipstickError, match=r"wider than a serial element.*up to int8"):
        BitSerial().check(Int(9))


def test_costs_have_areas_where_they_are_known() -> None:
    costs = {text: format_of(text).arithmetic.cost(format_of(text).encoding) for text in
             ("int8", "int4", "bf16", "int8@bit_serial", "int8@bit_serial:element=bit-fusion")}  # fmt: skip
    assert {text for text, cost in costs.items() if cost.area is None} == {"int4", "bf16"}
    assert costs["int8"].area == pytest.approx((282 + 137) * 1e-12)
    assert costs["int8@bit_serial"].area == pytest.approx((8 * 1.064 + 93 + 137) * 1e-12)
    assert "scaled by the square of the bits" in costs["int4"].source
    assert "scaled" not in costs["int8"].source
    assert "scaled by the square of the significand" in costs["bf16"].source
    assert "scaled" not in format_of("fp16").arithmetic.cost(Float("fp16")).source
    assert costs["bf16"].joules == pytest.approx((1.1 * (8 / 11) ** 2 + 0.9) * 1e-12)
    assert format_of("fp16").arithmetic.cost(Float("fp16")).joules == pytest.approx(2.0e-12)


@pytest.mark.parametrize(
    ("element", "parts", "alone"),  # of three lanes, and the area of one lane in square micrometres
    [
        ("single-shift", {"and": 24, "add8": 2, "shift": 1, "add32": 1}, 8 * 1.064 + 93 + 137),
        ("double-shift", {"and": 48, "add8": 4, "shift": 2, "add16": 1, "add32": 1}, 16 * 1.064 + 2 * 93 + 67 + 137),
        ("serial", {"and": 24, "add8": 2, "add32": 1}, 8 * 1.064 + 137),
        ("bit-fusion", {"multiply2": 3, "add8": 2, "shift": 1, "add32": 1}, 17.6 + 93 + 137),
        ("parallel", {"multiply8": 3, "add16": 2, "add32": 1}, 282 + 137),
    ],
)
def test_elements_by_their_gates_adders_and_shifters(element: str, parts: dict[str, int], alone: float) -> None:
    assert dict(element_parts(element, 3)) == parts  # type: ignore[arg-type]
    assert _multiplier_area(element) == pytest.approx(alone * 1e-12)  # type: ignore[arg-type]
    if element != "parallel":
        cost = BitSerial(element).cost(Int(8))  # type: ignore[arg-type]
        assert cost.area == pytest.approx(alone * 1e-12)


# --------------------------------------------------------------------------------------------------------------- pools


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_indices_of_rows_over_their_scales_by_search(metric: str) -> None:
    """Also of a last vector that a filter does not fill, and of a filter without a scale."""
    pool = RNG.integers(-20, 21, (9, 4)).astype(np.int8)
    rows = RNG.integers(-60, 61, (6, 11)).astype(float)
    scale = np.array([1.0, 2.0, 0.5, 4.0, 1.0, 0.0])
    indices = _nearest_indices(rows, scale, pool, metric)  # type: ignore[arg-type]
    assert indices.shape == (6, 3)
    for row, each in enumerate(np.where(scale > 0, scale, 1.0)):
        for place in range(3):
            x = rows[row, 4 * place : 4 * place + 4] / each
            choices = pool[:, : len(x)].astype(float)
            if metric == "euclidean":
                losses = ((choices - x) ** 2).sum(axis=1)
            else:
                lengths = np.linalg.norm(choices, axis=1)
                losses = -np.divide(choices @ x, lengths, out=np.zeros(9), where=lengths > 0)
            assert losses[indices[row, place]] == pytest.approx(losses.min(), abs=1e-4)


def test_scales_and_indices_agree_with_each_other() -> None:
    rows = RNG.normal(size=(5, 32)) * [[1.0], [10.0], [0.1], [1e-30], [0.0]]
    pool = RNG.integers(-127, 128, (16, 8)).astype(np.int8)
    indices, scale = _nearest_and_scales(rows, pool, "euclidean")
    pooled = pool[indices].reshape(5, 32).astype(float)
    best = np.maximum((rows * pooled).sum(axis=1) / (pooled**2).sum(axis=1), 0)
    np.testing.assert_allclose(scale, best, rtol=1e-6)
    first, _ = _nearest_and_scales(rows, pool, "cosine")
    np.testing.assert_array_equal(first, _nearest_indices(rows, np.ones(5), pool, "cosine"))
    power = np.sqrt((pool.astype(float) ** 2).mean())
    begun = _nearest_indices(rows, np.sqrt((rows**2).mean(axis=1)) / power, pool, "euclidean")
    error = [((pool[i].reshape(5, 32) * s[:, None] - rows) ** 2).sum() for i, s in
             ((indices, scale), (begun, np.sqrt((rows**2).mean(axis=1)) / power))]  # fmt: skip
    assert error[0] <= error[1], "no alternation makes the error larger"
    with pytest.raises(SlipstickError, match="scale does not fit fp32"):
        _nearest_and_scales(np.full((1, 8), 1e300), pool, "euclidean")
    nothing, zero = _nearest_and_scales(rows, np.zeros((2, 8), np.int8), "euclidean")
    assert (zero == 0).all()
    assert nothing.shape == (5, 4)


def test_rows_are_cut_and_joined_by_the_definition() -> None:
    x = RNG.integers(-9, 10, (2, 2, 3, 4))
    kernels = _cut_rows(x.astype(float), 6, "xy")
    for filter_, channel, high, wide in np.ndindex(2, 4, 2, 3):
        assert kernels[filter_, channel * 6 + high * 3 + wide] == x[filter_, high, wide, channel]
    np.testing.assert_array_equal(_join_rows(kernels.astype(np.int64), x.shape, "xy"), x)
    np.testing.assert_array_equal(_cut_rows(x.astype(float), 8, "z"), x.reshape(2, -1))
    np.testing.assert_array_equal(_join_rows(x.reshape(2, -1), x.shape, "z"), x)
    flat = x.reshape(2, 24)
    np.testing.assert_array_equal(_cut_rows(flat.astype(float), 6, "xy"), flat)
    np.testing.assert_array_equal(_join_rows(flat, (2, 24), "xy"), flat)
    with pytest.raises(SlipstickError, match=r"not kernels of a vector each.*of 5 taps"):
        _cut_rows(x.astype(float), 5, "xy")


def test_a_pool_is_int8_under_one_scale_and_zeros_fill_it() -> None:
    w = np.array([[3.0, 4.0], [30.0, 40.0], [-5.0, 12.0], [0.0, 0.0]])  # two directions, whatever the lengths
    pool = _fit_pool([w], 5, 2)
    root = math.sqrt(2)
    centres = {(3 / 5 * root, 4 / 5 * root), (-5 / 13 * root, 12 / 13 * root)}
    largest = max(abs(v) for centre in centres for v in centre)
    wanted = {tuple(round(v / largest * 127) for v in centre) for centre in centres}
    assert {tuple(vector) for vector in pool.tolist()} == wanted | {(0, 0)}
    assert (pool[2:] == 0).all()
    np.testing.assert_array_equal(_fit_pool([], 3, 4), np.zeros((3, 4)))
    short = _fit_pool([np.array([[2.0, 2.0]])], 1, 4)
    assert short.tolist() == [[127, 127, 0, 0]], "filters below one vector are filled with zeros"
    tails = _fit_pool([np.array([[1.0, 1.0, 1.0, 1.0, 9.0]])], 1, 4)
    assert tails.tolist() == [[127, 127, 127, 127]], "tails of others are left out"
    assert _fit_pool([np.array([[1e300, 1e300]])], 1, 2).tolist() == [[127, 127]]


def test_filters_of_no_weights_have_no_scale() -> None:
    encoded = Pool(4, 2).encode(np.zeros((3, 0)))
    assert (encoded.shape, encoded.side["scale"].tolist()) == ((3, 0), [0.0] * 3)
    assert encoded.values.shape == (3, 0)


def test_which_layers_go_into_a_pool() -> None:
    for first, last, depthwise in itertools.product((False, True), repeat=3):
        inner = not (first or last)
        places = {"first": first, "last": last, "depthwise": depthwise}
        assert _poolable((8, 3, 3, 16), 8, **places) == (inner and not depthwise)
        assert _poolable((8, 3, 3, 1), 9, kind="xy", **places) == inner
    assert not _poolable((8, 3, 3, 12), 8)
    assert _poolable((8, 12), 4)
    assert not _poolable((8, 9), 9, kind="xy"), "no kernels"
    assert not _poolable((8, 3, 3, 4), 8, kind="xy")
    assert not Pool(16).takes((8, 16), last=True)
    assert Pool(16).takes((8, 16))


def test_pools_to_choose_among() -> None:
    sizes, form = {16, 32, 64, 128, 256}, Pool(48, 8)
    options = form.alternatives([(8, 3, 3, 16), (4, 24)])
    assert {(o.size, o.vector) for o in options} == set(itertools.product(sizes | {48}, (4, 8)))
    assert {(o.size, o.vector) for o in form.alternatives([(8, 16)])} == set(
        itertools.product(sizes | {48}, (4, 8, 16))
    )
    narrow = Pool(16, 8, index_bits=6).alternatives([(8, 8)])
    assert {(o.size, o.vector, o.index_bits) for o in narrow} == set(itertools.product((16, 32, 64), (4, 8), (6,)))
    kernels = Pool(16, 9, kind="xy").alternatives([(8, 3, 3, 5)])
    assert {(o.size, o.vector, o.kind) for o in kernels} == set(itertools.product(sizes, (9,), ("xy",)))
    with pytest.raises(SlipstickError, match=r"pool.vector: its vectors do not fill weights of \[\(8, 6\)\]"):
        form.alternatives([(8, 6)])


def test_bytes_and_limits_of_pools() -> None:
    assert Pool(1).bits_per_element == 1 / 8, "an index has a bit at least"
    assert Pool(3, 2).bits_per_element == 1.0
    assert Pool(64, 8, 16).bits_per_element == 2.0
    assert Pool(5, 4).storage_bytes((3, 9)) == math.ceil(3 * 3 * 3 / 8) + 4 * 3 + 5 * 4
    assert Pool(5, 4).shared_bytes == 20
    assert Pool(5, 4).side_layout((3, 9)) == {"scale": ("float32", (3,)), "pool": ("int8", (5, 4))}
    for arguments in ({"size": 2**16 + 1}, {"vector": 65}, {"index_bits": 17}, {"size": 65, "index_bits": 6}):
        with pytest.raises(SlipstickError, match="out of range"):
            Pool(**arguments)
    assert (Pool(2**16).size, Pool(vector=64).vector, Pool(64, index_bits=6).index_bits) == (2**16, 64, 6)
    side = {"scale": np.ones(1, np.float32), "pool": np.ones((5, 4), np.int8)}
    bad = Encoded(Pool(5, 4), (1, 4), np.array([5], np.uint8), side)
    with pytest.raises(SlipstickError, match="no such vector of the pool; got 5"):
        Pool(5, 4).integers(bad)


def test_centres_by_hand() -> None:
    x = np.array([[0.0, 1.0], [0.0, 3.0], [9.0, 0.0], [0.0, 0.0]])
    assert sorted(_fit(x, 2).tolist()) == [[0.0, 2.0], [9.0, 0.0]], "zeros have no part in it"
    assert len(_fit(x, 7)) == 3, "no more centres than vectors"
    assert _fit(np.zeros((3, 2)), 4).tolist() == [[0.0, 0.0]]
    assert len(_fit(np.ones((5, 2)), 3)) == 1
    assert _assign([[1.0, 1.0]], [[2.0, 2.0], [0.0, 0.0], [1.0, 1.0]]).tolist() == [2]
    assert _assign([[1.0, 1.0]], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).tolist() == [1], "of equal ones the first"
    assert _assign([[1.0, 1.0]], [[0.0, 0.0], [-1.0, 0.0]], "cosine").tolist() == [0], "no direction is none"


def test_rounds_stop_where_nothing_changes() -> None:
    x = np.concatenate([RNG.normal(size=(200, 2)) + 20, RNG.normal(size=(200, 2)) - 20])
    many = _fit(x, 2, rounds=25)
    np.testing.assert_array_equal(many, _fit(x, 2, rounds=1000))
    np.testing.assert_allclose(
        sorted(many.tolist()), sorted([x[200:].mean(axis=0).tolist(), x[:200].mean(axis=0).tolist()]), rtol=1e-5
    )


# ------------------------------------------------------------------------------------------------------------- grammar

LAYERS = [PatternLayer("stem.conv", "conv"), PatternLayer("stem.dw", "depthwise"), PatternLayer("head.fc", "linear")]


def test_patterns_by_kind_place_and_name() -> None:
    assert formats_of("", LAYERS) == ["int8"] * 3
    assert formats_of("int4", LAYERS) == ["int4"] * 3
    assert formats_of("first=int2;last=int3", LAYERS) == ["int2", "int8", "int3"]
    assert formats_of("stem.*=int4;depthwise=int5", LAYERS) == ["int4", "int5", "int8"]
    assert formats_of("*=int4;head.fc=int6", LAYERS) == ["int4", "int4", "int6"]
    assert formats_of("int4;int5", LAYERS) == ["int5"] * 3, "the last that fits decides"
    assert formats_of("int4", []) == []
    with pytest.raises(SlipstickError, match=r"plan.x: no layer fits the pattern; got 'lastt'; did you mean 'last'"):
        formats_of("lastt=int4", LAYERS, path="plan.x")
    with pytest.raises(SlipstickError, match="no layer fits the pattern; got 'pointwise'"):
        formats_of("pointwise=int4", LAYERS)


def test_pieces_continue_a_format_by_its_arguments() -> None:
    assert pieces("swis:3;group=8;fc=int8") == [("*", "swis:3;group=8"), ("fc", "int8")]
    assert pieces("fc=swis:3; group = 8") == [("fc", "swis:3;group = 8")]
    assert pieces("swis:shifts=3") == [("*", "swis:shifts=3")]
    assert pieces("int8@bit_serial:lanes=2 ; ; fc = int4 ") == [("*", "int8@bit_serial:lanes=2"), ("fc", "int4")]
    assert pieces("swis:3,group=8") == [("*", "swis:3,group=8")]
    assert pieces("group=8") == [("group", "8")], "there is no format to continue"
    assert pieces("") == []


def test_arguments_are_read_or_refused() -> None:
    assert [whole("7"), whole("-3"), whole("+12")] == [7, -3, 12]
    assert [_number("1"), _number("0.25"), _number("2e-3"), _number("1.5e2")] == [1.0, 0.25, 0.002, 150.0]
    assert (_flag("true"), _flag("false"), _word("any")) == (True, False, "any")
    cases = [(whole, "1.5"), (whole, ""), (whole, "1234567890"), (whole, "1_0"), (_number, "-1"), (_number, "nan"),
             (_number, "1e100"), (_number, ".5"), (_flag, "True"), (_flag, "1")]  # fmt: skip
    for read, text in cases:
        with pytest.raises(ValueError, match="is not"):
            read(text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("swis:2,8,true,0.5,8,positions", Swis(2, 8, True, 0.5, 8, "positions")),
        ("swis: 2 , group = 8", Swis(2, 8)),
        ("SWIS:2;group=8", Swis(2, 8)),
        ("int4:symmetric=false,axis=1", Int(4, False, 1)),
        ("int", Int()),
        ("int:4,false,1", Int(4, False, 1)),
        ("half", Float("fp16")),
        ("e4m3", Float("fp8")),
        ("round3", Round(3)),
        ("truncate", Truncate()),
    ],
)
def test_texts_name_encodings(text: str, form: Encoding) -> None:
    assert encoding_of(text) == form


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("swis:2,3,true,1,7,rank,more", "no such argument of swis"),
        ("swis:2,shifts=3", "the argument is given twice; got 'shifts'"),
        ("swis:alpha=-1", "alpha: '-1' is not a number"),
        ("swis:consecutive=yes", "consecutive: 'yes' is not true or false"),
        ("int:", "no such number format"),
        ("nothing9", "no such number format"),
        ("int1234", "no such number format"),
    ],
)
def test_texts_that_name_none_are_refused(text: str, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        encoding_of(text)


def test_packing_by_hand() -> None:
    """Least significant bit first: 1, 2 and 5 of three bits each are 0b101_010_001."""
    packed = _pack(np.array([1, 2, 5], np.uint32), 3)
    assert packed.tolist() == [0b01010001, 0b1]
    assert _unpack(packed, 3, 3).tolist() == [1, 2, 5]
    assert _pack(np.array([0x1234], np.uint32), 16).tolist() == [0x34, 0x12]
    assert _pack(np.array([[1, 2], [3, 4]], np.uint32), 8).tolist() == [1, 2, 3, 4]
    assert _unpack(_pack(np.array([2**32 - 1, 7], np.uint32), 32), 32, 2).tolist() == [2**32 - 1, 7]
    assert _unpack(np.array([1, 2, 3], np.uint8), 8, 2).tolist() == [1, 2], "as many as are asked for"
    assert [_packed_bytes(count, bits) for count, bits in ((0, 3), (1, 1), (8, 1), (9, 1), (3, 5))] == [0, 1, 1, 2, 2]
