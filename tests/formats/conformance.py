"""What every Format promises. A third party runs it on its own format: ``check_format(format, seed)``."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from slipstick.core.format import Format

SHAPES = [(1,), (7,), (3, 5), (4, 32), (2, 3, 33), (16, 64)]


def tensor(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def if_whole(call: Callable[[], np.ndarray]) -> np.ndarray | None:
    """Call an operation that formats lack for one reason only: they are not of whole numbers."""
    from slipstick.core.errors import SlipstickError

    try:
        return call()
    except SlipstickError as error:
        if "whole numbers" not in str(error):
            raise
        return None


def keeps_shape_and_type(form: Format) -> None:
    for shape in SHAPES:
        kept = form.round(tensor(shape, 1))
        assert kept.shape == shape
        assert kept.dtype == np.float32
        assert np.isfinite(kept).all()


def zero_is_exact(form: Format) -> None:
    assert (form.round(np.zeros((3, 40))) == 0).all()
    x = tensor((3, 40), 2)
    x[1] = 0
    assert (form.round(x)[1] == 0).all()
    if form.vector == 1:
        x[:, ::3] = 0
        assert (form.round(x)[:, ::3] == 0).all()


def at_the_same_scale_rounding_twice_is_rounding_once(form: Format) -> None:
    """What stands beside the codes is handed on: found anew, a scale may follow the rounded largest value."""
    for shape in SHAPES:
        once = form.encode(tensor(shape, 3))
        again = form.encode(form.decode(once), once.side)
        assert again.side.keys() == once.side.keys()
        np.testing.assert_array_equal(form.decode(again), form.decode(once))


def error_is_at_most_the_values(form: Format) -> None:
    x = tensor((6, 48), 4)
    error = (form.round(x) - x).astype(np.float64)
    assert (error**2).sum() <= (x.astype(np.float64) ** 2).sum()
    if form.vector == 1:
        assert np.abs(error).max() <= np.abs(x).max()


def recoding_twice_is_recoding_once(form: Format) -> None:
    codes = np.random.default_rng(9).integers(-128, 128, (6, 3, 3, 5)).astype(np.int8)
    once = if_whole(lambda: form.recode(codes))
    if once is None:
        return
    assert once.shape == codes.shape
    assert once.dtype.kind == "i"
    assert np.abs(once).max() <= 128
    np.testing.assert_array_equal(form.recode(once), once)
    assert (form.recode(np.zeros((2, 9), np.int8)) == 0).all()


def whole_numbers_times_scales_are_the_values(form: Format) -> None:
    encoded = form.encode(tensor((4, 21), 10))
    whole = if_whole(lambda: form.centred(encoded))
    if whole is None:
        return
    assert whole.shape == encoded.shape
    scale = encoded.side["scale"].astype(np.float64)
    np.testing.assert_array_equal(form.decode(encoded), (whole * scale.reshape(-1, 1)).astype(np.float32))


def storage_is_what_encoding_takes(form: Format) -> None:
    for shape in SHAPES:
        assert form.storage_bytes(shape) == form.encode(tensor(shape, 5)).nbytes, shape


def what_stands_beside_is_as_said(form: Format) -> None:
    for shape in SHAPES:
        encoded = form.encode(tensor(shape, 11))
        assert {k: (str(a.dtype), a.shape) for k, a in encoded.side.items()} == dict(form.beside(shape))
        form.check(encoded)


def files_give_back_what_was_written(form: Format) -> None:
    """Only what `format_of` builds from its name has a file format."""
    import tempfile
    from pathlib import Path

    from slipstick.formats.packed_file import read_packed, write_packed

    tensors = {f"t{place}": form.encode(tensor(shape, 12)) for place, shape in enumerate(SHAPES)}
    with tempfile.TemporaryDirectory() as folder:
        write_packed(Path(folder) / "w", tensors)
        found = read_packed(Path(folder) / "w")
    assert list(found) == list(tensors)
    for name, encoded in tensors.items():
        assert (found[name].format, found[name].shape) == (form, encoded.shape)
        np.testing.assert_array_equal(found[name].codes, encoded.codes)
        np.testing.assert_array_equal(form.decode(found[name]), form.decode(encoded))


def bits_are_those_of_a_large_tensor(form: Format) -> None:
    shape = (512, 65536)  # nothing of this size is made
    assert math.isclose(8 * form.storage_bytes(shape) / math.prod(shape), form.bits_per_element, rel_tol=0.01)


def matmul_is_the_product_of_the_decoded(form: Format) -> None:
    a, w = form.encode(tensor((5, 70), 6)), form.encode(tensor((9, 70), 7))
    x, y = form.decode(a).astype(np.float64), form.decode(w).astype(np.float64)
    allowed = 80 * 2.0**-23 * (np.abs(x) @ np.abs(y).T)  # one fp32 rounding a product and a sum, 70 terms
    assert (np.abs(form.matmul(a, w) - x @ y.T) <= allowed + 1e-30).all()


def matmul_with_zero_is_zero(form: Format) -> None:
    a, w = form.encode(np.zeros((2, 33))), form.encode(tensor((4, 33), 8))
    assert (form.matmul(a, w) == 0).all()


def what_is_not_finite_is_refused(form: Format) -> None:
    import pytest

    from slipstick.core.errors import SlipstickError

    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(SlipstickError, match="finite"):
            form.encode([1.0, bad])


def surrogate_covers_what_the_format_covers(form: Format) -> None:
    surrogate = form.surrogate
    assert surrogate.low is None or surrogate.low < 0 < surrogate.high


def an_operation_costs_something(form: Format) -> None:
    cost = form.cost()
    assert cost.bits == form.bits_per_element
    assert cost.cycles > 0
    assert cost.joules > 0
    assert cost.source


def operations_follow_the_shape(form: Format) -> None:
    """Twice the positions are twice the work, twice the filters at most twice; never more than every product."""
    shape, wider = (8, 3, 3, 16), (16, 3, 3, 16)
    one = form.operations(shape)
    assert one > 0
    assert form.operations(shape, 2) == 2 * one
    assert one < form.operations(wider) <= 2 * one
    assert one <= math.prod(shape) * form.cost().cycles


CHECKS: list[Callable[[Format], None]] = [
    keeps_shape_and_type,
    zero_is_exact,
    at_the_same_scale_rounding_twice_is_rounding_once,
    error_is_at_most_the_values,
    recoding_twice_is_recoding_once,
    whole_numbers_times_scales_are_the_values,
    storage_is_what_encoding_takes,
    what_stands_beside_is_as_said,
    files_give_back_what_was_written,
    bits_are_those_of_a_large_tensor,
    matmul_is_the_product_of_the_decoded,
    matmul_with_zero_is_zero,
    what_is_not_finite_is_refused,
    surrogate_covers_what_the_format_covers,
    an_operation_costs_something,
    operations_follow_the_shape,
]
