"""Conformance suite of encodings: tests that every `Encoding` must pass, run by pytest.

A package inherits it once for all of its encodings::

    class TestTernary(EncodingSuite):
        texts = ("ternary", "ternary:threshold=0.5")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from slipstick.core.arrays import Float32Array
from slipstick.core.encoding import Encoding
from slipstick.core.errors import SlipstickError
from slipstick.formats import encoding_of
from slipstick.formats.packed_file import read_packed, write_packed

_SHAPES = ((1,), (7,), (3, 5), (4, 32), (2, 3, 33), (16, 64))


def normal_tensor(shape: tuple[int, ...], seed: int) -> Float32Array:
    """Return standard normal values of a shape, in fp32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class EncodingSuite:
    """Tests of every encoding in `texts`: names, shapes, zeros, errors, bytes, files, and optional abilities."""

    texts: ClassVar[Sequence[str]] = ()

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Give each test one case for every encoding."""
        if "encoding" in metafunc.fixturenames:
            metafunc.parametrize("encoding", [encoding_of(text) for text in self.texts], ids=self.texts)

    def test_its_name_builds_it_again(self, encoding: Encoding) -> None:
        """The text of an encoding is read back as the same encoding."""
        assert encoding_of(encoding.name) == encoding

    def test_keeps_shape_and_type(self, encoding: Encoding) -> None:
        """Decoded tensors are finite, in fp32, of the shape that was encoded."""
        for shape in _SHAPES:
            rounded = encoding.round(normal_tensor(shape, 1))
            assert rounded.shape == shape
            assert rounded.dtype == np.float32
            assert np.isfinite(rounded).all()

    def test_zero_is_exact(self, encoding: Encoding) -> None:
        """Zeros stay zeros: a tensor of them, a row, and each one where a code stands for one element."""
        assert (encoding.round(np.zeros((3, 40))) == 0).all()
        x = normal_tensor((3, 40), 2)
        x[1] = 0
        assert (encoding.round(x)[1] == 0).all()
        if encoding.vector == 1 and encoding.stores_zero:
            x[:, ::3] = 0
            assert (encoding.round(x)[:, ::3] == 0).all()

    def test_rounding_twice_is_rounding_once(self, encoding: Encoding) -> None:
        """Rounding rounded values again, with the same side arrays, changes nothing."""
        for shape in _SHAPES:
            once = encoding.encode(normal_tensor(shape, 3))
            again = encoding.encode(encoding.decode(once), once.side)
            assert again.side.keys() == once.side.keys()
            np.testing.assert_array_equal(again.values, once.values)

    def test_error_is_at_most_the_values(self, encoding: Encoding) -> None:
        """Rounding errors have less power than the values, and none is larger than the largest value."""
        x = normal_tensor((6, 48), 4)
        error = (encoding.round(x) - x).astype(np.float64)
        assert (error**2).sum() <= (x.astype(np.float64) ** 2).sum()
        if encoding.vector == 1:
            assert np.abs(error).max() <= np.abs(x).max()

    def test_values_beyond_the_bounds_are_clipped(self, encoding: Encoding) -> None:
        """Bounds hold zero inside and are values of the encoding."""
        if encoding.bounds is not None:
            low, high = encoding.bounds
            assert low < 0 < high
            np.testing.assert_array_equal(encoding.round([low, high]), np.array([low, high], np.float32))

    def test_recoding_twice_is_recoding_once(self, encoding: Encoding) -> None:
        """Codes of an integer network are whole numbers again, or the encoding says that it keeps no scales."""
        codes = np.random.default_rng(9).integers(-128, 128, (6, 3, 3, 5)).astype(np.int8)
        if not encoding.keeps_scales:
            _assert_no_whole_numbers(encoding.recode, codes)
            return
        once = encoding.recode(codes)
        assert once.shape == codes.shape
        assert once.dtype.kind == "i"
        assert np.abs(once).max() <= 128
        np.testing.assert_array_equal(encoding.recode(once), once)
        assert (encoding.recode(np.zeros((2, 9), np.int8)) == 0).all()

    def test_whole_numbers_times_scales_are_the_values(self, encoding: Encoding) -> None:
        """Of encodings that claim whole numbers; others refuse to give any."""
        encoded = encoding.encode(normal_tensor((4, 21), 10))
        if not encoding.whole_numbers:
            _assert_no_whole_numbers(encoding.integers, encoded)
            return
        whole = encoding.integers(encoded)
        assert whole.shape == encoded.shape
        assert whole.dtype == np.int64
        assert np.abs(whole).max(initial=0) <= encoding.full_scale
        scale = encoded.side["scale"].astype(np.float64)
        np.testing.assert_array_equal(encoded.values, (whole * scale.reshape(-1, 1)).astype(np.float32))

    def test_operands_are_the_values(self, encoding: Encoding) -> None:
        """A multiplier's elements times the scales of their blocks are the decoded values of a matrix."""
        encoded = encoding.encode(normal_tensor((5, 70), 6))
        operand = encoding.operand(encoded)
        assert operand.elements.dtype == (np.int64 if encoding.whole_numbers else np.float64)
        values = operand.elements.astype(np.float64)
        if operand.scales is not None:
            scales = operand.scales.astype(np.float64)
            values = values * (np.repeat(scales, operand.block, axis=1)[:, :70] if operand.block else scales)
        np.testing.assert_array_equal(values.astype(np.float32), encoded.values)

    def test_schedules_give_each_filter_its_shifts(self, encoding: Encoding) -> None:
        """More shifts never increase the error of a scheduled encoding."""
        if encoding.max_shifts is None:
            return
        assert 1 <= (encoding.weight_shifts or 0) <= encoding.max_shifts
        codes = np.random.default_rng(11).integers(-127, 128, (3, 24))
        before = np.inf
        for count in range(1, encoding.max_shifts + 1):
            error = float(((encoding.recode(codes, {"shifts": np.full(3, count)}) - codes) ** 2).sum())
            assert error <= before
            before = error
        shifts = np.array([1, encoding.max_shifts, 1])
        encoded = encoding.encode(codes, {"scale": np.ones(3, np.float32), "shifts": shifts})
        np.testing.assert_array_equal(encoded.values, encoding.recode(codes, {"shifts": shifts}))
        encoding.check(encoded)

    def test_storage_is_that_of_encoded_tensors(self, encoding: Encoding) -> None:
        """Bytes known beforehand are those of codes and side arrays."""
        for shape in _SHAPES:
            assert encoding.storage_bytes(shape) == encoding.encode(normal_tensor(shape, 5)).nbytes, shape

    def test_side_arrays_have_their_layout(self, encoding: Encoding) -> None:
        """Types and shapes known beforehand are those of the side arrays; encoded tensors pass their check."""
        for shape in _SHAPES:
            encoded = encoding.encode(normal_tensor(shape, 11))
            arrays = {name: (str(array.dtype), array.shape) for name, array in encoded.side.items()}
            assert arrays == dict(encoding.side_layout(shape))
            encoding.check(encoded)

    def test_bits_are_those_of_a_large_tensor(self, encoding: Encoding) -> None:
        """Bits of an element are those of storage where scales of rows and tensors vanish."""
        shape = (512, 65536)  # nothing of this size is made
        bits = 8 * encoding.storage_bytes(shape) / math.prod(shape)
        assert math.isclose(bits, encoding.bits_per_element, rel_tol=0.01)

    def test_files_give_tensors_back(self, encoding: Encoding, tmp_path: Path) -> None:
        """A packed file is read as the tensors that were written, code for code."""
        tensors = {f"t{place}": encoding.encode(normal_tensor(shape, 12)) for place, shape in enumerate(_SHAPES)}
        write_packed(tmp_path / "w", tensors)
        packed = read_packed(tmp_path / "w")
        assert list(packed) == list(tensors)
        for name, encoded in tensors.items():
            assert (packed[name].encoding, packed[name].shape) == (encoding, encoded.shape)
            np.testing.assert_array_equal(packed[name].codes, encoded.codes)
            np.testing.assert_array_equal(packed[name].values, encoded.values)

    def test_only_finite_values_are_encoded(self, encoding: Encoding) -> None:
        """NaN and infinities are refused in one clear error."""
        for bad in (np.nan, np.inf, -np.inf):
            with pytest.raises(SlipstickError, match="finite"):
                encoding.encode([1.0, bad])

    def test_shared_arrays_serve_all_layers(self, encoding: Encoding) -> None:
        """Layers in one encoding share what it says that they share, of the bytes that it says."""
        layers = [normal_tensor((8, 3, 3, 16), 13), normal_tensor((4, 3, 3, 32), 14)]
        side = encoding.shared_side(layers)
        assert sum(array.nbytes for array in side.values()) == encoding.shared_bytes
        for layer in filter(lambda layer: encoding.takes(layer.shape), layers):
            encoded = encoding.encode(layer, side)
            assert all((encoded.side[name] == array).all() for name, array in side.items())
            assert encoded.nbytes == encoding.storage_bytes(layer.shape)

    def test_alternatives_store_the_same_tensors(self, encoding: Encoding) -> None:
        """An encoding's alternatives under a budget of bytes store the same shapes; the encoding is one of them."""
        shape = (8, 3, 3, 16)
        if encoding.takes(shape):
            others = list(encoding.alternatives([shape]))
            assert encoding in others
            assert all(other.takes(shape) and other.storage_bytes(shape) > 0 for other in others)

    def test_products_are_at_most_those_of_all_weights(self, encoding: Encoding) -> None:
        """Shared sums may save products; nothing costs more than a product for each weight."""
        for shape in ((8, 3, 3, 16), (16, 64), (8, 3, 3, 1)):
            assert 0 < encoding.products(shape) <= math.prod(shape)


def _assert_no_whole_numbers(ask: Callable[[Any], object], argument: object) -> None:
    """Assert that an encoding raises an error when asked for whole numbers."""
    with pytest.raises(SlipstickError, match="whole numbers"):
        ask(argument)
