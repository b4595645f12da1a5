"""A network on approximate hardware: the collapse without training, exact retraining, files of plain weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slipstick import adapt, open_network
from slipstick.compress.adapt_options import CalibrationImages, Retraining
from slipstick.compress.hardware_layers import hardware_layers, on_hardware
from slipstick.core.errors import SlipstickError
from slipstick.datasets import data_set
from slipstick.formats import format_of
from slipstick.trained.torch import module
from slipstick.training import Recipe, train

FORMATS = "int8@stochastic:length=64,count=or3;first=int8"


@pytest.fixture(scope="module")
def digits_net():
    torch.manual_seed(0)
    digits = data_set("digits")
    net = module("mlp", digits)
    train(net, digits, Recipe(epochs=5, seed=1))
    return net, digits


@pytest.mark.trains
def test_exact_retraining_recovers_what_the_hardware_loses(digits_net, tmp_path) -> None:
    net, digits = digits_net
    options = {"calibration": CalibrationImages(correct=False, images=200)}
    retraining = Retraining(epochs=3, method="exact", folder=tmp_path)
    report = adapt(net, FORMATS, digits, retraining=retraining, **options)
    detail = report.detail
    assert detail.after.mean() > detail.rounded.mean() + 0.02
    assert detail.before.mean() > 0.7
    adapted = detail.network
    scores = adapted.predict(digits.test.some(50))
    np.testing.assert_array_equal(scores, adapted.predict(digits.test.some(50)))
    plain = open_network(adapted.module, digits)  # the weights alone, as a file has them, compute exactly
    assert np.abs(plain.predict(digits.test.some(50)) - scores).max() > 1e-3
    assert set(adapted.module.state_dict()) == set(net.state_dict())
    again = adapt(net, FORMATS, digits, retraining=retraining, **options)  # its folder is at the end
    np.testing.assert_array_equal(again.detail.network.predict(digits.test.some(50)), scores)


@pytest.mark.trains
def test_injection_says_its_exact_share_and_the_quality_of_its_models(digits_net) -> None:
    net, digits = digits_net
    options = {"calibration": CalibrationImages(correct=False, images=200)}
    report = adapt(net, FORMATS, digits, retraining=Retraining(epochs=4, method="inject+finetune"), **options)
    assert report.metrics["training"]["exact_epochs"].value == 0.25
    assert report.metrics["training"]["epoch"].value > 0
    rows = report.breakdowns["error models"].rows
    assert [row[:2] for row in rows] == [(report.breakdowns["layers"].rows[-1][0], 1)]
    training = report.metrics["training"]
    assert training["error_mean"].value == rows[0][3]  # the worst of one layer
    assert rows[0][0] in training["error_deviation"].source
    assert report.detail.after.mean() > report.detail.rounded.mean() - 0.02
    assert set(report.detail.module.state_dict()) == set(net.state_dict())
    exact = adapt(net, FORMATS, digits, retraining=Retraining(epochs=1), **options)
    assert exact.metrics["training"]["exact_epochs"].value == 1
    assert "error models" not in exact.breakdowns


def test_another_method_needs_approximate_layers(digits_net) -> None:
    net, digits = digits_net
    with pytest.raises(SlipstickError, match="no layer on approximate hardware"):
        adapt(net, "int8", digits, retraining=Retraining(epochs=1, method="inject"))


def test_layers_with_exact_products_need_no_hardware(digits_net) -> None:
    net, digits = digits_net
    network = open_network(net, digits)
    assert hardware_layers(network, {network.layers()[0].name: format_of("int8@bit_serial")}, digits.test) is None
    assert on_hardware(network, None) is network


def test_scales_of_weights_leave_room_where_sums_saturate(digits_net) -> None:
    net, digits = digits_net
    network, name = open_network(net, digits), open_network(net, digits).layers()[-1].name
    gains = []
    for count in ("binary", "or"):
        layers = hardware_layers(network, {name: format_of(f"int8@stochastic:length=256,count={count}")}, digits.test)
        assert layers is not None
        gains.append(float(layers.sides[name]["scale"][0]))
        assert layers.input_scales[name] > 0
    assert gains[1] >= gains[0]


def test_an_integer_network_is_refused() -> None:
    network = open_network("examples/data/small.tflite")
    forms = {network.layers()[0].name: format_of("int8@stochastic:length=32")}
    with pytest.raises(SlipstickError, match="not for this network"):
        hardware_layers(network, forms, data_set("digits").test)


@pytest.mark.trains
def test_converters_without_a_range_are_calibrated_layer_by_layer(digits_net) -> None:
    net, digits = digits_net
    options = {"calibration": CalibrationImages(correct=False, images=200)}
    whole = adapt(net, "int8@analog:rows=64,adc_bits=5,adc_range=1", digits, **options).detail
    fitted = adapt(net, "int8@analog:rows=64,adc_bits=5", digits, **options).detail
    assert fitted.rounded.mean() > fitted.before.mean() - 0.1
    assert whole.rounded.mean() < fitted.rounded.mean() - 0.3
    network = open_network(net, digits)
    layers = {layer.name: format_of("int8@analog:rows=64,adc_bits=5") for layer in network.layers()}
    found = hardware_layers(network, layers, digits.test)
    ranges = [form.arithmetic.adc_range for form in found.formats.values()]
    assert len(set(ranges)) == len(ranges)
    assert all(0 < share < 0.5 for share in ranges)
