"""Windows of convolutions against a slow loop, and stand-ins against sums of Poisson counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.stand_in import StandIn
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import Exact, Int

WINDOWS = [
    Window(),
    Window(stride=(2, 1), padding=((1, 0), (2, 1))),
    Window(dilation=(2, 3), padding=((2, 2), (3, 3)), groups=2),
    Window(stride=(3, 2), groups=4),
]


def slow(inputs: np.ndarray, weights: np.ndarray, window: Window) -> np.ndarray:
    """Return a convolution by its definition."""
    (batch, _, high, wide), (filters, channels, rows, columns) = inputs.shape, weights.shape
    (top, bottom), (left, right) = window.padding
    framed = np.zeros((batch, inputs.shape[1], high + top + bottom, wide + left + right), np.int64)
    framed[:, :, top : top + high, left : left + wide] = inputs
    down = (framed.shape[2] - (rows - 1) * window.dilation[0] - 1) // window.stride[0] + 1
    across = (framed.shape[3] - (columns - 1) * window.dilation[1] - 1) // window.stride[1] + 1
    result = np.zeros((batch, filters, down, across), np.int64)
    for b, n, i, j in itertools.product(*map(range, result.shape)):
        group = n // (filters // window.groups)
        for c, y, x in itertools.product(range(channels), range(rows), range(columns)):
            at = i * window.stride[0] + y * window.dilation[0], j * window.stride[1] + x * window.dilation[1]
            result[b, n, i, j] += framed[b, group * channels + c, at[0], at[1]] * weights[n, c, y, x]
    return result


@pytest.mark.parametrize("window", WINDOWS)
def test_layers_are_convolutions_by_definition(window: Window) -> None:
    random = np.random.default_rng(3)
    inputs, weights = (
        random.integers(-127, 128, (2, 8, 9, 10)),
        random.integers(-127, 128, (4, 8 // window.groups, 3, 2)),
    )
    expected = slow(inputs, weights, window)
    sums = Exact().layer_sums(WholeNumbers(inputs.astype(np.int8), 128), WholeNumbers(weights, 128), window)
    np.testing.assert_array_equal(sums, expected)
    assert window.output((9, 10), (3, 2)) == expected.shape[2:]
    scales = np.float32([1, 2, 3, 4])
    filters = Int(8, axis=0).encode(weights.transpose(0, 2, 3, 1) * scales[:, None, None, None], {"scale": scales})
    images = Int(8).encode(inputs.transpose(0, 2, 3, 1) * 0.5, {"scale": np.float32([0.5])})
    result = Exact().convolution(images, filters, window)
    np.testing.assert_array_equal(result, (expected.transpose(0, 2, 3, 1) * 0.5 * scales).astype(np.float32))


def test_kernels_beyond_the_inputs_and_channels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SlipstickError, match="exceeds"):
        Window().output((2, 2), (3, 1))
    with pytest.raises(SlipstickError, match="cannot be multiplied"):
        Window(groups=2).check(np.zeros((1, 4, 3, 3)), np.zeros((2, 4, 1, 1)))
    with pytest.raises(SlipstickError, match="stride"):
        Window(stride=(0, 1))


@pytest.mark.parametrize("counted", [1, 2, 3, 4])
def test_poisson_stand_ins_are_expected_counts_and_their_derivative_is_finite_difference(counted: int) -> None:
    stand_in, s = StandIn("poisson", counted=counted), np.linspace(0, 6, 25)
    chance, expected = np.exp(-s), np.zeros_like(s)
    for count in range(60):
        expected += min(count, counted) * chance
        chance = chance * s / (count + 1)
    np.testing.assert_allclose(stand_in.value(s), expected, atol=1e-12)
    step = 1e-5
    slope = (stand_in.value(s + step) - stand_in.value(s - step)) / (2 * step)
    np.testing.assert_allclose(stand_in.derivative(s), slope, atol=1e-9)


def test_the_derivative_of_or_n_is_the_step_from_or_n_less_one() -> None:
    """d f_n / d s = 1 - (f_n+1 - f_n)'s complement: f_n = f_n-1 + P(N >= n), and f_n' = P(N < n)."""
    s = np.linspace(0, 6, 25)
    for n in (2, 3, 4):
        more, less = StandIn("poisson", counted=n), StandIn("poisson", counted=n - 1)
        np.testing.assert_allclose(more.value(s) - less.value(s), 1 - more.derivative(s), atol=1e-12)


def test_clipped_stand_ins_pass_the_gradient_within_their_range_alone() -> None:
    stand_in = StandIn("clipped", low=-1.0, high=2.0)
    np.testing.assert_array_equal(stand_in.value([-3.0, 0.5, 4.0]), [-1, 0.5, 2])
    np.testing.assert_array_equal(stand_in.derivative([-3.0, 0.5, 4.0]), [0, 1, 0])
