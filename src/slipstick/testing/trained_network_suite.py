"""Conformance suite of trained networks: what every TrainedNetwork keeps, whatever file it came in, run by pytest.

A package inherits it for each kind of network, and gives one with some images for it::

    class TestSafetensors(TrainedNetworkSuite):
        @pytest.fixture
        def network(self):
            return open_network("net.safetensors")

        @pytest.fixture
        def images(self):
            return data_set("digits").test.take(slice(0, 6))
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstick.compress.bias_correction import corrected_biases
from slipstick.core.errors import SlipstickError
from slipstick.datasets import Images
from slipstick.formats import format_of
from slipstick.trained import TrainedNetwork, open_network, right_answers
from slipstick.trained.network import WeightLayer
from slipstick.trained.open import write_packed_network

_KINDS = {"conv", "depthwise", "pointwise", "linear"}


def _halved(layer: WeightLayer) -> Any:
    """Return coarser weights in the layer's unit, in which whole numbers stay whole."""
    return layer.weights // 2 * 2 if layer.scales is not None else np.round(layer.weights, 1)


class TrainedNetworkSuite:
    """Tests of a trained network: its layers, predictions, copies with other weights, and written files."""

    @pytest.fixture
    def network(self) -> TrainedNetwork:
        """Return the trained network under test; a subclass overrides it."""
        raise NotImplementedError("override the fixture `network`")

    @pytest.fixture
    def images(self) -> Images:
        """Return labelled images that fit the network under test; a subclass overrides it."""
        raise NotImplementedError("override the fixture `images`")

    def opened(self, path: Path, network: TrainedNetwork) -> TrainedNetwork:
        """Return the network in a file that it wrote, opened with the same input normalisation."""
        return open_network(path)

    def test_layers_have_unique_names_known_kinds_and_fitting_shapes(self, network: TrainedNetwork) -> None:
        """Layers with weights have names of their own, known kinds, and scales and biases of one value a filter."""
        layers = network.layers()
        assert layers
        assert len({layer.name for layer in layers}) == len(layers)
        for layer in layers:
            assert layer.kind in _KINDS
            assert layer.filters == layer.weights.shape[0]
            assert (layer.scales is None) == (not network.integers)
            for values in (layer.scales, layer.bias):
                assert values is None or values.shape == (layer.filters,)

    def test_the_graph_has_every_layer_with_its_weights(self, network: TrainedNetwork) -> None:
        """The graph of sizes, which arrays and clusters price, has every layer under its name."""
        operations = {op.name: op for op in network.graph().operations}
        for layer in network.layers():
            names = [name for name in operations if name == layer.name or name.startswith(f"{layer.name}.")]
            assert names, layer.name

    def test_answers_do_not_depend_on_the_batch(self, network: TrainedNetwork, images: Images) -> None:
        """Scores of a batch are those of its images one by one; an image is right if its label's score is largest."""
        scores = network.predict(images)
        assert scores.shape[0] == len(images)
        apart = np.concatenate([network.predict(images.take(slice(n, n + 1))) for n in range(len(images))])
        np.testing.assert_allclose(apart, scores, rtol=1e-4, atol=1e-4)
        right = scores.argmax(axis=1) == images.labels + network.background
        np.testing.assert_array_equal(right_answers(network, images), right)
        assert len(right_answers(network, images.take(slice(0, 0)))) == 0

    def test_the_largest_logit_is_the_largest_score(self, network: TrainedNetwork, images: Images) -> None:
        """Logits are floats whose largest is the class of the largest score."""
        scores, logits = network.predict(images), network.logits(images)
        assert logits.dtype.kind == "f"
        best = logits.argmax(axis=1)
        np.testing.assert_array_equal(scores[np.arange(len(scores)), best], scores.max(axis=1))

    def test_a_network_is_a_value(self, network: TrainedNetwork, images: Images) -> None:
        """Other weights are another network: the first one answers as before, layer for layer."""
        before, layers = network.predict(images), network.layers()
        weights = [layer.weights.copy() for layer in layers]
        copy = network.with_weights({layer.name: _halved(layer) for layer in layers})
        np.testing.assert_array_equal(network.predict(images), before)
        for layer, values, changed in zip(network.layers(), weights, copy.layers(), strict=True):
            np.testing.assert_array_equal(layer.weights, values)
            np.testing.assert_allclose(changed.weights, _halved(layer), rtol=1e-6)
        assert (copy.predict(images) != before).any()
        np.testing.assert_array_equal(network.with_weights({}).predict(images), before)

    def test_wrong_weights_are_one_error(self, network: TrainedNetwork) -> None:
        """An unknown layer and weights of another shape are refused by name."""
        layer = network.layers()[0]
        with pytest.raises(SlipstickError, match="no such layer"):
            network.with_weights({"no such": layer.weights})
        with pytest.raises(SlipstickError):
            network.with_weights({layer.name: layer.weights[1:]})
        with pytest.raises(SlipstickError, match="no such layer"):
            network.with_weights({}, {"no such": np.zeros(1, np.float32)})

    def test_observed_inputs_tell_mean_and_variance_of_a_change(self, network: TrainedNetwork, images: Images) -> None:
        """Observed inputs give the mean and the variance that changed weights cause: linear, and quadratic."""
        observed = network.observe(images)
        assert set(observed) == {layer.name for layer in network.layers()}
        for layer in network.layers():
            change, inputs = layer.weights.astype(np.float64), observed[layer.name]
            mean, power = inputs.mean_change(change), inputs.variance(change)
            assert mean.shape == power.shape == (layer.filters,)
            np.testing.assert_allclose(inputs.mean_change(-2 * change), -2 * mean, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(inputs.variance(3 * change), 9 * power, rtol=1e-6, atol=1e-6)
            assert not inputs.variance(0 * change).any()
        some = [network.layers()[-1].name]
        assert set(network.observe(images, some)) == set(some)

    def test_calibration_images_are_of_those_given(self, network: TrainedNetwork, images: Images) -> None:
        """No more images are looked at than are given, and some are."""
        observed, probed = network.calibration_images(images)
        assert 0 < len(probed) <= len(observed) <= len(images)

    def test_a_corrected_bias_is_taken(self, network: TrainedNetwork, images: Images) -> None:
        """A bias that is handed over stands in the copy's layer."""
        observed, layers = network.observe(images), network.layers()
        weights = {layer.name: _halved(layer) for layer in layers}
        biases = corrected_biases(layers, weights, observed)
        corrected = network.with_weights(weights, biases)
        for layer in corrected.layers():
            if layer.name in biases:
                np.testing.assert_array_equal(layer.bias, biases[layer.name])

    def test_what_is_written_is_read_again(self, network: TrainedNetwork, images: Images, tmp_path: Path) -> None:
        """A written file opens as a network with the very same answers."""
        layers = network.layers()
        changed = network.with_weights({layers[0].name: _halved(layers[0])})
        path = tmp_path / f"written{network.suffix}"
        changed.write(path)
        assert path.read_bytes() == changed.to_bytes()
        np.testing.assert_array_equal(self.opened(path, network).predict(images), changed.predict(images))

    def test_a_packed_file_is_the_network_again(self, network: TrainedNetwork, images: Images, tmp_path: Path) -> None:
        """A packed file opens as the network that was written; codes that decode to other weights are refused."""
        form = format_of("swis:7")
        layer = network.layers()[-1]
        side = {} if layer.scales is None else {"scale": layer.scales}
        encoded = form.encoding.encode(layer.weights * layer.column_scales, side)
        values = encoded.values.astype(np.float64)
        if layer.scales is not None:
            values = np.rint(values / layer.column_scales).astype(np.int64)
        changed = network.with_weights({layer.name: values})
        sizes = []
        for name in ("x.packed", "x.slip"):  # the second one with its header deflated
            sizes.append(write_packed_network(tmp_path / name, changed, {layer.name: encoded}))
            assert sizes[-1] == (tmp_path / name).stat().st_size
            again = self.opened(tmp_path / name, network)
            np.testing.assert_array_equal(again.predict(images), changed.predict(images))
        assert sizes[1] < sizes[0]
        other = network.with_weights({layer.name: 0 * values})
        with pytest.raises(SlipstickError, match="does not give its weights back"):
            write_packed_network(tmp_path / "y.packed", other, {layer.name: encoded})
        assert not (tmp_path / "y.packed").exists()
