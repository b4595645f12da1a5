"""Activations of fewer bits: eight cost nothing to speak of, fewer cost more, and the network stays what it was."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

import torch

from slipstick.compress.activation_bits import right_by_bits
from slipstick.core.errors import SlipstickError
from slipstick.datasets import data_set
from slipstick.trained.torch import module
from slipstick.training import Recipe, evaluate, predict, train


def test_fewer_bits_cost_accuracy_and_nothing_stays_behind() -> None:
    digits = data_set("digits")
    torch.manual_seed(0)
    net = module("mlp", digits)
    train(net, digits, Recipe(epochs=10, precision="fp32", augment="none"))
    plain, names = predict(net, digits.test, digits.normal), [name for name, _ in net.named_modules()]
    right = right_by_bits(net, digits.test, digits.train, digits.normal, [8, 4, 2])
    float_right = evaluate(net, digits.test, digits.normal)
    assert (right[8] == float_right).mean() > 0.99
    assert (right[8] == float_right).mean() >= (right[4] == float_right).mean() > (right[2] == float_right).mean()
    assert [name for name, _ in net.named_modules()] == names
    np.testing.assert_array_equal(predict(net, digits.test, digits.normal), plain)


def test_what_cannot_be_is_said() -> None:
    digits = data_set("digits")
    with pytest.raises(SlipstickError, match="no ReLU"):
        right_by_bits(torch.nn.Linear(4, 2), digits.test, digits.train, digits.normal, [8])
    with pytest.raises(SlipstickError, match="2 to 8"):
        right_by_bits(module("mlp", digits), digits.test, digits.train, digits.normal, [1])
