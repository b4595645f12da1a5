"""Approximate multipliers: published figures, structure, operands, files, kernels that give the same integers."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from shared_data import REFERENCE, present
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.formats.arithmetic.approximate import Approximate
from slipstick.formats.arithmetic.table_layer import _table_layer
from slipstick.formats.arithmetic.table_oracle import _table_layer_oracle
from slipstick.formats.multipliers import product_algorithms
from slipstick.formats.multipliers.best_algorithm import ALGORITHMS, best_algorithm
from slipstick.formats.multipliers.error_statistics import error_statistics
from slipstick.formats.multipliers.find_multiplier import _tables_known, find_multiplier
from slipstick.formats.multipliers.multiplier import Multiplier
from slipstick.formats.multipliers.multiplier_facts import multiplier_facts
from slipstick.formats.multipliers.table_file import _write_table
from slipstick.formats.multipliers.table_structure import table_structure

KNOWN = _tables_known()
MODELS = os.environ.get("SLIPSTICK_EVOAPPROXLIB")  # a clone of github.com/ehw-fit/evoapproxlib, branch master
COMPUTED = {
    "rank of product matrix": lambda m: table_structure(m).rank,
    "rank of error matrix": lambda m: table_structure(m).error_rank,
    "mean abs error": lambda m: error_statistics(m).mae,
    "max abs error": lambda m: error_statistics(m).wce,
    "mean error (bias)": lambda m: error_statistics(m).bias,
}
LAYERS = [
    (Window(), 3, 4, (3, 3), (6, 5)),
    (Window(stride=(2, 3), padding=((1, 0), (2, 1)), dilation=(1, 2)), 4, 7, (3, 2), (8, 9)),
    (Window(groups=4, padding=((1, 1), (1, 1))), 4, 4, (3, 3), (5, 5)),
    (Window(groups=2, stride=(1, 2)), 4, 6, (1, 1), (5, 6)),
    (Window(), 150, 3, (1, 1), (1, 1)),
    (Window(padding=((2, 2), (2, 2))), 14, 3, (5, 5), (3, 18)),
]  # fmt: skip


def rows() -> dict[str, dict[str, str]]:
    """Computed figures of the reference table, by circuit and metric."""
    found: dict[str, dict[str, str]] = {}
    with open(present(REFERENCE / "approximate_training.csv")) as file:
        for row in csv.DictReader(file):
            if row["table"] == "evoapprox" and row["seen_or_memory"] == "computed":
                found.setdefault(row["model"], {})[row["metric"]] = row["value"]
    return found


def agrees(multiplier: Multiplier, figures: dict[str, str]) -> int:
    """Compare a table's statistics and ranks with reference figures, to 1e-6 of them; return how many there are."""
    own = {metric: text for metric, text in figures.items() if metric in COMPUTED}
    for metric, text in own.items():
        value = float(COMPUTED[metric](multiplier))
        assert value == pytest.approx(float(text), rel=1e-6, abs=1e-6), (multiplier.name, metric)
    return len(own)


def published_agree(multiplier: Multiplier) -> None:
    """Compare a table's errors with the figures that the library prints, rounded or cut in their last digit."""
    facts, errors = multiplier.facts or multiplier_facts.entry(multiplier.name), error_statistics(multiplier)
    for name in ("mae", "wce", "mse", "wrong", "mre", "wcre"):
        stated, value = getattr(facts, name), getattr(errors, name)
        digit = 1.0 if name in ("mae", "wce", "mse") else 1e-4
        assert value == pytest.approx(stated, abs=1.001 * digit, rel=1e-5), (multiplier.name, name)


def drawn(seed: int, shape: tuple[int, ...], low: int = -128, high: int = 128) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int8 if high <= 128 else np.int16)


def layer(place: int, low: int = -128, full: int = 128) -> tuple[WholeNumbers, WholeNumbers, Window]:
    window, channels, filters, kernel, size = LAYERS[place]
    x = drawn(place, (2, channels, *size), max(low, -full), full)
    w = drawn(place + 50, (filters, channels // window.groups, *kernel), -full, full)
    return WholeNumbers(x, full), WholeNumbers(w, full), window


class TestPublished:
    @pytest.mark.parametrize("name", KNOWN)
    def test_errors_are_those_that_the_library_prints(self, name: str) -> None:
        published_agree(find_multiplier(name))

    def test_ranks_and_errors_are_those_computed_before(self) -> None:
        figures = rows()
        assert sum(agrees(find_multiplier(name), figures.get(multiplier_facts.entry(name).aliases[0] if
                   multiplier_facts.entry(name).aliases else name, {})) for name in KNOWN) > 30  # fmt: skip

    def test_the_tables_are_the_published_ones(self) -> None:
        for path in sorted(present(REFERENCE / "approx_multipliers").glob("*.npz")):
            with np.load(path) as stored:
                np.testing.assert_array_equal(find_multiplier(path.stem).products, stored["product"])

    def test_four_circuits_of_the_paper_as_we_know_them(self) -> None:
        seen = {name: table_structure(find_multiplier(name)) for name in KNOWN}
        assert [seen[name].distinct for name in ("mul7u_09Y", "mul8s_1KVL", "mul8u_FTA", "mul8u_185Q")] == [
            (64, 32), (64, 256), (128, 64), (256, 192)]  # fmt: skip
        truncations = {name: s.ignored for name, s in seen.items() if s.truncation and any(s.ignored)}
        assert truncations == {
            "mul8s_1KR3": (6, 0), "mul8s_1KR8": (1, 0), "mul8s_1KTY": (3, 0), "mul8s_1L1G": (3, 3),
            "mul8s_1L2D": (2, 2), "mul8s_1L2H": (1, 1), "mul8u_E9R": (8, 8),
        }  # fmt: skip

    def test_ranks_of_the_whole_library(self, tmp_path: Path) -> None:
        if not MODELS:
            pytest.skip("53 of 67 tables are not shipped: SLIPSTICK_EVOAPPROXLIB names no clone of evoapproxlib")
        figures, checked = rows(), 0
        for name, facts in multiplier_facts.items():
            circuit = facts.aliases[0] if facts.aliases else name
            table = model_table(Path(MODELS), circuit, facts.bits, tmp_path)
            multiplier = Multiplier(name, table, facts.operands)
            if name in KNOWN:
                assert multiplier == find_multiplier(name)
            checked += agrees(multiplier, figures.get(circuit, {}))
            assert error_statistics(multiplier).wce == pytest.approx(facts.wce, abs=1.0)
        assert checked == sum(metric in COMPUTED for figure in figures.values() for metric in figure)


def model_table(folder: Path, name: str, bits: int, room: Path) -> np.ndarray:
    """Compile a circuit's C model and return its table; some signed ones have unsigned types: read as 16 bits."""
    signed = name[4] == "s"
    (source, *_) = folder.glob(f"multiplers/*/*/{name}.c")
    cast = "(int8_t)" if signed else ""
    main = f"""#include "{source}"
    #include <stdio.h>
    int main(void) {{ for (int i = 0; i < {1 << bits}; i++) for (int j = 0; j < {1 << bits}; j++)
      printf("%d\\n", (int){"(int16_t)" if signed else ""}{name}({cast}i, {cast}j)); return 0; }}"""
    (room / "main.c").write_text(main)
    subprocess.run(["cc", "-O1", "-w", "-o", room / "model", room / "main.c"], check=True)
    text = subprocess.run([room / "model"], check=True, capture_output=True, text=True).stdout
    return np.array(text.split(), np.int64).reshape(1 << bits, -1)


class TestOperands:
    def test_signs_stand_beside_magnitudes_and_zero_is_positive(self) -> None:
        table = np.arange(16).reshape(4, 4) + 1  # no product of zero is zero
        m = Multiplier("odd", table)
        assert m.multiply([0, 0, -1, -1, 3], [2, -2, 0, -3, -3]).tolist() == [3, -3, -5, 8, -16]

    def test_numbers_beyond_an_operand_saturate(self) -> None:
        m = find_multiplier("mul7u_01L")
        assert m.multiply([-128, 127], [1, -128]).tolist() == [-127, -127 * 127]
        assert find_multiplier("mul8s_1KV8").multiply(-128, -128).tolist() == 128 * 128

    def test_unsigned_operands_are_offset_and_the_offset_subtracted(self) -> None:
        exact = find_multiplier("mul8u_1JFF").with_operands("unsigned")
        codes = np.arange(-128, 128)
        np.testing.assert_array_equal(exact.signed_products(128), np.multiply.outer(codes, codes))
        rough = find_multiplier("mul8u_FTA").with_operands("unsigned")
        assert rough.multiply(-3, 5) == -15 + rough.errors[125, 133]

    def test_padding_adds_what_the_table_says_of_zero(self) -> None:
        draw = np.random.default_rng(3)
        m = Multiplier("odd", draw.integers(0, 2**14, (128, 128)))
        zero = WholeNumbers(np.zeros((1, 2, 3, 3), np.int8), 128)
        w = WholeNumbers(drawn(4, (3, 2, 3, 3)), 128)
        sums = _table_layer(m, zero, w, Window(padding=((1, 1), (1, 1))))
        one = m.multiply(0, w.elements).sum(axis=(1, 2, 3))
        assert (sums == one[None, :, None, None]).all()
        assert one.any()

    def test_weights_that_do_not_fit_are_refused(self) -> None:
        known = format_of("int8:symmetric=false@mul8u_FTA").arithmetic.cost(format_of("int8").encoding).joules
        assert known is not None
        assert known < 2.9e-13
        for text in ("int9@mul7u_09Y", "int8:symmetric=false@mul8s_1L2H", "fp8@mul7u_09Y"):
            with pytest.raises(SlipstickError, match=r"does not multiply such weights.*allowed"):
                format_of(text)


class TestKernels:
    """Every kernel gives the integers of the oracle, on every kind of table and window."""

    @pytest.fixture(params=["native", "avx2", "portable"])
    def kernels(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("SLIPSTICK_KERNELS", request.param)
        return str(request.param)

    @pytest.mark.parametrize(
        "name", ["mul7u_09Y", "mul8s_1L2H", "mul8s_1KVL", "mul8u_FTA", "mul8u_185Q", "odd", "wide"]
    )
    @pytest.mark.parametrize("place", range(len(LAYERS)))
    def test_layers(self, kernels: str, name: str, place: int) -> None:
        draw = np.random.default_rng(1)
        m = {
            "odd": lambda: Multiplier("odd", draw.integers(0, 2**14, (128, 128))),
            "wide": lambda: Multiplier("wide", draw.integers(-(2**15), 2**15, (256, 256)), "signed"),
        }.get(name, lambda: find_multiplier(name))()
        for low in (0, -128):
            numbers = layer(place, low)
            np.testing.assert_array_equal(_table_layer(m, *numbers), _table_layer_oracle(m, *numbers))

    def test_magnitudes_of_eight_bits_with_signs(self, kernels: str) -> None:
        m = find_multiplier("mul8u_185Q")
        for low in (0, -256):
            numbers = layer(1, low, 256)
            np.testing.assert_array_equal(_table_layer(m, *numbers), _table_layer_oracle(m, *numbers))

    @pytest.mark.parametrize("name", KNOWN)
    def test_algorithms_agree(self, name: str) -> None:
        m = find_multiplier(name)
        structure = table_structure(m)
        a, w = drawn(1, (20, 40)), drawn(2, (7, 40))
        sums = m.multiply(a[:, None], w[None]).sum(axis=2)
        able = [known for known in ALGORITHMS if known.cost(structure) is not None]
        assert len(able) >= 4
        for known in able:
            np.testing.assert_array_equal(known.sums(m, a, w), sums, known.name)
        assert best_algorithm(m)[0] in able
        assert best_algorithm(m, native=False)[0] in able

    def test_a_wrong_int8_product_is_found_and_another_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch = pytest.importorskip("torch")
        a, w = np.full((32, 64), 127, np.int8), np.full((16, 64), -128, np.int8)

        def saturating(x: object, y: object) -> object:  # as without VNNI: inputs + 128, pairs of products in 16 bits
            first, second = np.asarray(x).astype(int) + 128, np.asarray(y).astype(int)
            products = first[:, :, None] * second[None]
            pairs = products.reshape(len(products), -1, 2, products.shape[2])
            sums = np.clip(pairs.sum(2), -(2**15), 2**15 - 1).sum(1) - 128 * second.sum(0)
            return torch.from_numpy(sums.astype(np.int32))

        product_algorithms._int8_is_right.cache_clear()
        monkeypatch.setattr(torch, "_int_mm", saturating)
        try:
            assert not product_algorithms._int8_is_right()
            assert (product_algorithms._whole_matmul(a, w) == -127 * 128 * 64).all()
        finally:
            product_algorithms._int8_is_right.cache_clear()

    def test_sums_that_leave_32_bits_are_held(self) -> None:
        m = find_multiplier("mul8u_1JFF")
        a = np.full((1, 70_000), 255)
        assert product_algorithms._table_sums(m, a, a).item() == 70_000 * 255**2

    def test_numbers_beyond_full_scale_are_refused(self) -> None:
        x, w, window = layer(0)
        with pytest.raises(SlipstickError, match="beyond their full scale"):
            _table_layer(find_multiplier("mul7u_09Y"), WholeNumbers(x.elements.astype(np.int16) * 2, 128), w, window)


class TestFiles:
    @pytest.mark.parametrize("suffix", [".csv", ".npy"])
    def test_a_written_table_is_a_format(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"Own{suffix}"
        m = Multiplier.of(lambda a, b: a * b - (a & b & 1), bits=8, operands="signed")
        _write_table(path, m.products)
        form = format_of(f"int8@{path}")
        assert isinstance(form.arithmetic, Approximate)
        assert form.arithmetic.multiplier.operands == "signed"
        np.testing.assert_array_equal(form.arithmetic.multiplier.products, m.products)
        assert format_of(form.name) == form
        assert form.arithmetic.cost(form.encoding).area is None
        _write_table(path, m.products * 0 + 1)
        assert format_of(f"int8@{path}:operands=signed") != form, "a changed file is read again"

    def test_facts_of_an_own_table(self, tmp_path: Path) -> None:
        _write_table(tmp_path / "t.csv", find_multiplier("mul7u_09Y").products)
        (tmp_path / "own.yaml").write_text("{bits: 7, table: t.csv, power: 0.1 mW, area: 200 um2, source: measured}")
        form = format_of(f"int8@{tmp_path / 'own.yaml'}")
        cost = form.arithmetic.cost(form.encoding)
        assert cost.area == pytest.approx(337e-12)
        assert "measured" in cost.source

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.csv", "1,2\n3", "not square"),
            ("a.csv", "", "not square"),
            ("a.csv", "1,2,3\n4,5,6\n7,8,9", "no power of two"),
            ("a.csv", "0,0,0,0\n0,1,2,x\n0,2,4,6\n0,3,6,9", "line 2: a product is no integer; got 'x'"),
            ("a.csv", "0,0,0,0\n0,1,2,1.5\n0,2,4,6\n0,3,6,9", "no integer; got '1.5'"),
            ("a.csv", "0 " * 2**20, "too large"),
            ("a.csv", "\n".join([",".join(["0"] * 512)] * 512), "too wide"),
            ("a.csv", "0,0,0,0\n0,1,2,99999\n0,2,4,6\n0,3,6,9", "out of range"),
            ("a.npy", b"\x93NUMPY nonsense", "not an NPY file"),
            ("a.npy", bytes(2**20), "too large"),
        ],
    )  # fmt: skip
    def test_bad_tables_are_one_clear_error(
        self, tmp_path: Path, name: str, content: str | bytes, message: str
    ) -> None:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(SlipstickError, match=re.escape(message)):
            format_of(f"int8@{path}")

    def test_arrays_that_are_no_tables(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        for array, message in (
            (np.ones((4, 4)), "not integers"), (np.ones((2, 4, 4), int), "not square"), (np.ones((2, 2), int), "power"),
        ):  # fmt: skip
            np.save(path, array)
            with pytest.raises(SlipstickError, match=message):
                find_multiplier(str(path))
        np.save(path, np.array([[{}]]), allow_pickle=True)
        with pytest.raises(SlipstickError, match="not an NPY file"):
            find_multiplier(str(path))
        huge = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
        path.write_bytes(huge.ljust(127) + b"\n")
        with pytest.raises(SlipstickError, match="not an NPY file"):
            find_multiplier(str(path))

    def test_functions(self) -> None:
        with pytest.raises(SlipstickError, match="2 to 8"):
            Multiplier.of(lambda a, b: a * b, bits=9)
        with pytest.raises(SlipstickError, match="no whole number"):
            Multiplier.of(lambda a, b: a * b / 2, bits=4)  # type: ignore[arg-type,return-value]
        with pytest.raises(SlipstickError, match="kind of operands"):
            Multiplier("x", np.ones((4, 4), int), "octal")  # type: ignore[arg-type]
        with pytest.raises(SlipstickError, match="2 to 8"):
            Multiplier.of(lambda a, b: a * b, bits=4.5)  # type: ignore[arg-type]
        with pytest.raises(SlipstickError, match="a product is out of range"):
            Multiplier.of(lambda a, b: 10**30, bits=4)

    @pytest.mark.parametrize(("product", "kind"), [(2**64 - 1, np.uint64), (-(2**63), np.int64), (2**16, np.int64)])
    def test_products_that_64_bits_would_wrap(self, product: int, kind: type) -> None:
        """The magnitude of -2**63 is no int64, 2**64 - 1 read as int64 is -1: both are far out of range."""
        table = np.zeros((4, 4), kind)
        table[1, 2] = product
        with pytest.raises(SlipstickError, match=f"out of range; got {abs(product)}"):
            Multiplier("x", table)

    def test_rows_of_several_lengths(self) -> None:
        with pytest.raises(SlipstickError, match="rows of several lengths"):
            Multiplier("x", [[0, 1], [2]])  # type: ignore[arg-type]

    def test_circuits_without_a_table(self) -> None:
        with pytest.raises(SlipstickError, match="only facts of mul8u_ZFB are known"):
            format_of("int8@mul8u_ZFB")
        with pytest.raises(SlipstickError, match="did you mean 'mul7u_09Y'"):
            format_of("int8@mul7u_09X")


def test_errors_weighted_by_a_layer() -> None:
    m = find_multiplier("mul7u_09Y")
    x, w = drawn(1, (100,), 0), drawn(2, (50,))
    errors = m.multiply(np.abs(x)[:, None], np.abs(w)) - np.multiply.outer(np.abs(x), np.abs(w).astype(int))
    # -128 has the magnitude 127 here: it saturates before it is multiplied
    keep = w > -128
    assert error_statistics(m, x, w[keep]).mae == pytest.approx(np.abs(errors[:, keep]).mean(), rel=1e-9)
    assert error_statistics(m, [0], [0]).mre == 0
