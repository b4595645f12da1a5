"""`measure` computes by the arithmetic of a format, as `adapt` without training does."""

from __future__ import annotations

import numpy as np
import pytest

import slipstick
from slipstick import CalibrationImages


@pytest.mark.trains
@pytest.mark.parametrize("form", ["int8@correlator:guard=none", "int8@analog:adc_bits=3", "int8"])
def test_measure_is_adapt_without_training(form: str, training_seed: int) -> None:
    net = slipstick.train("mlp", "digits", recipe={"epochs": 2, "seed": training_seed}).detail.module
    measured = slipstick.measure(net, "digits", form).detail
    adapted = slipstick.adapt(net, form, "digits", calibration=CalibrationImages(correct=False)).detail.rounded
    np.testing.assert_array_equal(measured, adapted)


@pytest.mark.trains
def test_measure_sees_what_a_converter_of_one_bit_does(training_seed: int) -> None:
    net = slipstick.train("mlp", "digits", recipe={"epochs": 2, "seed": training_seed}).detail.module
    fine, coarse = (
        slipstick.measure(net, "digits", f"int8@correlator:adc_bits={bits}").detail.mean() for bits in (12, 1)
    )
    assert coarse < fine - 0.2  # a sum is all or nothing
