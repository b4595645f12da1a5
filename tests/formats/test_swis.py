"""Swis, Truncate, Round: codes kept at given scales, shifts of each filter, storage as the theory's table has it."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.formats import Exact, Int, Round, Swis, Truncate, encoding_of
from slipstick.formats.decompose import _decompose
from slipstick.formats.scheduled import _ScheduledEncoding

CODES = np.random.default_rng(0).integers(-127, 128, (6, 3, 3, 8)).astype(np.int8)


@pytest.mark.parametrize(
    ("group", "shifts", "swis", "windows", "ranks"),
    [  # compression against 8 bit: the formats' storage in closed form, M(1 + N) + 3N and M(1 + N) + 3 bits a group
        (4, 2, 1.78, 2.13, 1.88),
        (4, 3, 1.28, 1.68, 1.45),
        (4, 4, 1.00, 1.39, 1.19),
        (16, 2, 2.37, 2.51, 2.42),
        (16, 3, 1.75, 1.91, 1.83),
        (16, 4, 1.39, 1.54, 1.47),
    ],
)
def test_compression(group: int, shifts: int, swis: float, windows: float, ranks: float) -> None:
    forms = [
        Swis(shifts, group, layout="positions", bits=8),
        Swis(shifts, group, consecutive=True, layout="positions", bits=8),
        Swis(shifts, group, bits=8),
    ]
    found = [8 / form.bits_per_element for form in forms]
    assert found == pytest.approx([swis, windows, ranks], abs=0.005)  # the table has two digits


@pytest.mark.parametrize("layout", ["rank", "positions"])
@pytest.mark.parametrize("consecutive", [False, True])
def test_what_is_kept_is_the_decomposition(consecutive: bool, layout: str) -> None:
    form = Swis(3, 4, consecutive=consecutive, layout=layout)
    groups = CODES.reshape(-1, 4)
    wanted = _decompose(groups, bits=7, shifts=3, consecutive=consecutive).magnitudes * np.sign(groups)
    np.testing.assert_array_equal(form.recode(CODES), wanted.reshape(CODES.shape))
    encoded = form.encode(CODES, {"scale": np.ones(6, np.float32)})
    np.testing.assert_array_equal(form.decode(encoded), wanted.reshape(CODES.shape))


@pytest.mark.parametrize(
    "form", [Swis(3), Swis(3, layout="positions"), Truncate(3), Round(3)], ids=lambda form: form.name
)
def test_each_filter_with_its_own_shifts(form: _ScheduledEncoding) -> None:
    shifts = np.array([1, 7, 3, 2, 3, 5])
    kept = form.recode(CODES, {"shifts": shifts})
    for row, count in enumerate(shifts):
        alone = encoding_of(f"{form.name.partition(':')[0]}:{count}").recode(CODES[row : row + 1])
        np.testing.assert_array_equal(kept[row : row + 1], alone)
    np.testing.assert_array_equal(kept[1], CODES[1])  # seven shifts are all of an int8 magnitude
    encoded = form.encode(CODES, {"scale": np.ones(6, np.float32), "shifts": shifts})
    np.testing.assert_array_equal(form.decode(encoded), kept)
    assert encoded.nbytes == form.storage_bytes(CODES.shape, shifts)


def test_windows_by_hand() -> None:
    codes = np.array([[-128, -127, -12, -8, -7, 0, 4, 11, 12, 123, 124, 127]])
    assert Truncate(4).recode(codes).tolist() == [[-120, -120, -8, -8, 0, 0, 0, 8, 8, 120, 120, 120]]
    assert Round(4).recode(codes).tolist() == [[-120, -120, -16, -8, -8, 0, 8, 8, 16, 120, 120, 120]]
    for form in (Truncate(7), Round(7), Swis(7)):
        np.testing.assert_array_equal(form.recode(CODES), CODES)
    assert Int(8).recode([[-128, 127, 5]]).tolist() == [[-127, 127, 5]]


def test_sets_lose_less_than_windows_and_windows_less_than_one_for_all() -> None:
    def error(form: object) -> int:
        return int(((form.recode(CODES) - CODES.astype(int)) ** 2).sum())

    for shifts in range(1, 7):
        forms = Swis(shifts), Swis(shifts, consecutive=True), Truncate(shifts)
        best, middle, worst = (error(form) for form in forms)
        assert best <= middle <= worst
        assert error(Round(shifts)) <= worst


def test_inputs_in_int8_weights_in_swis_are_exact() -> None:
    rng = np.random.default_rng(1)
    inputs, weights = Int(8).encode(rng.normal(size=(5, 72))), Swis(3).encode(rng.normal(size=(6, 72)))
    whole = inputs.encoding.integers(inputs) @ weights.encoding.integers(weights).T
    scales = inputs.side["scale"][:, None] * weights.side["scale"][None, :]
    np.testing.assert_array_equal(Exact().matmul(inputs, weights), whole.astype(np.float32) * scales)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Swis(8), "swis.shifts"),
        (lambda: Swis(3, 17), "swis.group"),
        (lambda: Swis(3, 16, alpha=1.0), "swis.group"),
        (lambda: Swis(3, alpha=-1.0), "swis.alpha"),
        (lambda: Swis(3, layout="ranks"), "did you mean"),
        (lambda: Swis(3).recode(CODES, {"shifts": np.array([1, 2])}), "not shifts of each filter"),
        (lambda: Swis(3).recode(CODES, {"shifts": np.full(6, 8)}), "out of range"),
        (lambda: Swis(3).recode(CODES.astype(float)), "not whole numbers"),
        (lambda: Swis(3).recode([[256]]), "out of range"),
        (lambda: Truncate(8), "truncate.bits"),
        (lambda: Round(0), "round.bits"),
    ],
)
def test_what_cannot_be_is_refused(call, words: str) -> None:
    with pytest.raises(SlipstickError, match=words):
        call()
