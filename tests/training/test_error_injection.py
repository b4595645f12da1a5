"""Training by error models: values and gradients against the model, exact last epochs, and the same after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from slipstick.core.errors import SlipstickError
from slipstick.core.window import Window
from slipstick.datasets.images import DataSet, Images
from slipstick.formats import format_of
from slipstick.training import History, Recipe, injected_sums, train
from slipstick.training.approximate_layers import _LayerProduct
from slipstick.training.error_injection import TrainingPhases
from slipstick.training.error_models import GaussianError, LayerError, PolynomialError
from slipstick.training.injection_noise import normal_noise
from slipstick.training.parametrization import attach
from slipstick.training.smooth_sums import _Operands, _operands

OR2 = "int8@stochastic:length=32,accumulate=or2"
FORMATS = [OR2, "int8@stochastic:length=32,binary=y", "int8@mul7u_09Y", "int8@analog:rows=16,adc_bits=6"]
SCALES = {"0": 1.0, "3": 3.0, "5": 2.0}


def images(count: int, seed: int) -> Images:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = random.integers(0, 120, (count, 6, 6, 2))
    pixels[np.arange(count), labels, :, 0] += 100  # a bright row says the class
    return Images(pixels.astype(np.uint8), labels.astype(np.int64))


DATA = DataSet("rows", images(160, 0), images(30, 1), ("0", "1", "2"), mirrors=False)
RECIPE = Recipe(epochs=5, batch=40, rate=0.02, precision="fp32")


def net_on_hardware(text: str = OR2) -> Any:
    torch.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, groups=4, padding=1),
        nn.Flatten(), nn.Linear(36, 3),
    )  # fmt: skip
    attach(net, dict.fromkeys(SCALES, format_of(text)), input_scales=SCALES)
    return net


def trained(method: Any, folder: Path | None = None, stop: int | None = None, epochs: int = 5) -> Any:
    net = net_on_hardware()
    phases = TrainingPhases(net, SCALES, method, epochs)

    def progress(steps: int, total: int, text: str) -> None:
        if steps == stop:
            raise KeyboardInterrupt

    recipe = RECIPE.model_copy(update={"epochs": epochs})
    train(net, DATA, recipe, folder=folder, progress=progress, phases=phases)
    return net, phases


def gradients(net: Any, layer: int, x: torch.Tensor, upstream: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    weight = net[layer].parametrizations.weight.original
    return list(torch.autograd.grad((net[layer](x) * upstream).sum(), (x, weight)))


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_the_proxy_has_the_gradient_of_exact_training_and_the_value_of_the_stand_in(text: str, shift: float) -> None:
    net = net_on_hardware(text)
    phases = TrainingPhases(net, SCALES, "proxy", 1)
    for layer, shape in ((0, (3, 2, 6, 6)), (3, (3, 4, 6, 6)), (5, (3, 36))):
        x = torch.rand(shape) - shift
        upstream = torch.randn(net[layer](x).shape)
        exact = gradients(net, layer, x, upstream)
        phases.begin(0, 1)
        net.train()
        for mine, theirs in zip(gradients(net, layer, x, upstream), exact, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
        phases.sums[str(layer)].computes = "exact"
    stand_in, linear = format_of(text).stand_in, net[5]
    if stand_in.kind == "straight-through":
        phases.begin(0, 1)
        plain = nn.functional.linear(torch.round(x * 64) / 64, linear.weight, linear.bias)
        torch.testing.assert_close(linear(x), plain, rtol=1e-4, atol=1e-3)


def test_the_smooth_parts_are_the_stand_in_of_sums_of_either_sign() -> None:
    form = format_of(OR2)
    a, b = torch.rand(4, 20, 1, 1, dtype=torch.float64) - 0.3, torch.randn(5, 20, 1, 1, dtype=torch.float64)
    parts = _Operands(_LayerProduct(form, Window()), a, b, a, b).smooth()
    products = a[:, None, :, 0, 0] * b[None, :, :, 0, 0]
    for part, sign in zip(parts, (1, -1), strict=True):
        sums = (sign * products).clamp(min=0).sum(-1)
        np.testing.assert_allclose(part[:, :, 0, 0].numpy(), form.stand_in.value(sums.numpy()), atol=1e-12)


@pytest.mark.parametrize("text", [*FORMATS[:2], "int8@stochastic:length=32,generator=sobol"])
def test_counts_of_either_sign_are_had_apart(text: str) -> None:
    product = _LayerProduct(format_of(text), Window(padding=((1, 1), (1, 1))))
    x, weight, one = torch.rand(4, 3, 5, 5), torch.randn(2, 3, 3, 3) / 3, torch.ones(1)
    operands = _operands(x, weight, product, one, one / 128)
    counts = operands.hardware(3)
    assert counts is not None
    assert all((count >= 0).all() for count in counts)
    np.testing.assert_array_equal(counts[0] - counts[1], operands.difference(3))
    assert _operands(x - 0.5, weight, product, one, one / 128).hardware(3) is None


def with_model(net: Any, spread: float, fixed: bool = False) -> tuple[Any, LayerError]:
    """Give the dense layer a model of type 1 by hand, which no check replaces."""
    phases = TrainingPhases(net, SCALES, "inject", 1)
    phases.begin(0, 10**6)
    curve = PolynomialError(np.array([0.1, 0.05, -0.03]), spread * np.array([0.2, 0.1]), 1.0, 0.9, spread * 0.15)
    model = LayerError(curve, np.linspace(-1, 2, 6) if fixed else None)
    phases.sums["5"].kind.fill_(1)
    phases.sums["5"].take(model, (6, 1, 1))
    net.train()
    return phases, model


def parts_of(net: Any, x: torch.Tensor) -> tuple[_Operands, tuple[torch.Tensor, ...]]:
    """Return the dense layer's operands and smooth counts."""
    step = torch.from_numpy(net[5].parametrizations.weight[0].last.side["scale"])
    product, weight = _LayerProduct(format_of(OR2), Window()), net[5].weight.detach()[:, :, None, None]
    operands = _operands(x[:, :, None, None], weight, product, net[5].input_scale, step)
    return operands, operands.smooth()


@pytest.mark.parametrize("fixed", [False, True])
def test_injected_sums_have_the_models_mean_and_deviation(fixed: bool) -> None:
    net, x = net_on_hardware(), torch.rand(1, 36)
    net(torch.rand(2, 2, 6, 6))  # weights are encoded
    _, model = with_model(net, 1.0, fixed)
    curve, places = model.model, np.zeros(6) if model.fixed is None else model.fixed
    assert isinstance(curve, PolynomialError)
    torch.manual_seed(0)
    draws = net[5](x.expand(20_000, -1)).detach() - net[5].bias.detach()
    positive, negative = (part[0, :, 0, 0].double().numpy() for part in parts_of(net, x)[1])
    unit = float(net[5].input_scale) * net[5].parametrizations.weight[0].last.side["scale"] * 128
    spreads = curve.spread(positive), curve.spread(negative)
    mean = positive + curve.mean(positive) + spreads[0] * places[:3]
    mean -= negative + curve.mean(negative) + spreads[1] * places[3:]
    spread = np.hypot(*spreads)
    np.testing.assert_allclose(draws.std(0).numpy() / unit, spread, rtol=0.03)
    np.testing.assert_allclose(draws.mean(0).numpy() / unit, mean, atol=4 * spread.max() / np.sqrt(len(draws)))


def test_the_gradient_is_that_of_the_stand_in_and_the_mean_error_by_differences() -> None:
    torch.manual_seed(1)
    sums = with_model(net_on_hardware(), 0.0)[0].sums["5"]
    a, b = torch.rand(2, 6, 1, 1, dtype=torch.float64), torch.randn(3, 6, 1, 1, dtype=torch.float64)
    product = _LayerProduct(format_of(OR2), Window())

    def value(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        operands = _Operands(product, a, b, a, b)
        result: torch.Tensor = sums.injected(operands, operands.smooth(), 3)
        return result

    assert torch.autograd.gradcheck(value, (a.requires_grad_(), b.requires_grad_()))
    noisy, model = with_model(net_on_hardware(), 1.0, fixed=True)
    curve = model.model
    assert isinstance(curve, PolynomialError)
    parts = [torch.linspace(0.2, 1.8, 21, dtype=torch.float64, requires_grad=True).view(7, 3, 1, 1) for _ in range(2)]
    unused: Any = None
    total = noisy.sums["5"].injected(unused, tuple(parts), 3).sum()
    for part, slope, sign in zip(parts, torch.autograd.grad(total, parts), (1, -1), strict=True):
        expected = sign * (1 + curve.slope(part.detach().numpy()))
        np.testing.assert_allclose(slope.numpy(), expected, atol=1e-12)


def test_errors_by_operands_leave_little_of_a_tables_errors() -> None:
    """A layer of the table has the sums that terms and the channel's mean say, but for the rest's deviation."""
    torch.manual_seed(4)
    product = _LayerProduct(format_of("int8@mul7u_09Y"), Window(padding=((1, 1), (1, 1))))
    x, weight, one = torch.rand(40, 3, 8, 8) - 0.2, torch.randn(4, 3, 3, 3) / 3, torch.ones(1)
    operands = _operands(x, weight, product, one, one / 128)
    left: dict[Any, float] = {}
    for errors in ("channel", "operands"):
        sums = injected_sums._TrainedSums(4, 1, errors)  # type: ignore[arg-type]
        sums.computes = "inject"
        sums._calibrate(operands)
        with torch.no_grad():
            sums.channels[1].zero_()  # no noise: what is fixed is in its unit, and goes too
            rest = sums.injected(operands, operands.smooth(), 0).double().numpy() - operands.difference(40)
        left[errors] = float(np.square(rest).mean())
    assert left["operands"] < 0.15 * left["channel"]
    stochastic = _operands(x, weight, _LayerProduct(format_of(OR2), product.window), one, one / 128)
    with pytest.raises(SlipstickError, match="no table of products"):
        injected_sums._TrainedSums(4, 1, "operands")._calibrate(stochastic)


def test_the_channels_model_is_a_mean_and_counted_noise() -> None:
    sums = injected_sums._TrainedSums(3, 1, "channel")
    sums.kind.fill_(2)
    sums.take(LayerError(GaussianError(np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 0.5]))), (3, 4, 4))
    part, unused = torch.zeros(2, 3, 4, 4), None
    result = sums.injected(unused, (part,), 9).numpy()  # type: ignore[arg-type]
    noise = normal_noise(9, part.numel()).reshape(part.shape)
    expected = np.array([0.1, 0.2, 0.3])[:, None, None] + np.array([1.0, 2.0, 0.5])[:, None, None] * noise
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.trains
@pytest.mark.parametrize("method", ["inject", "inject+finetune", "proxy"])
def test_a_stopped_training_ends_with_the_same_bits(method: Any, tmp_path: Path) -> None:
    whole, phases = trained(method)
    with pytest.raises(KeyboardInterrupt):
        trained(method, tmp_path, stop=10)  # in the third epoch
    again, resumed = trained(method, tmp_path)
    for (name, tensor), (_, other) in zip(whole.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(tensor, other) or tensor.isnan().all(), name
    models = [part.finish(History()).models for part in (phases, resumed)]
    assert str(models[0]) == str(models[1])  # NaN is not NaN
    assert set(whole.state_dict()) == set(net_on_hardware().state_dict())


@pytest.mark.trains
def test_only_the_last_fifth_of_the_epochs_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[bool, int] = {True: 0, False: 0}
    exact: Any = vars(injected_sums)["_exact"]
    begin = TrainingPhases.begin
    last = [False]

    def counted(*operands: Any) -> Any:
        calls[last[0]] += 1
        return exact(*operands)

    def begun(self: Any, epoch: int, steps: int) -> None:
        last[0] = epoch == 4
        begin(self, epoch, steps)

    monkeypatch.setattr(injected_sums, "_exact", counted)
    monkeypatch.setattr(TrainingPhases, "begin", begun)
    _, phases = trained("inject+finetune")
    assert calls == {True: 4 * 3, False: 0}  # steps of an epoch, times layers
    assert phases.exact_epochs == 1
    models = phases.finish(History()).models
    assert {model.kind for model in models.values()} == {1}
    for model in models.values():
        assert model.fits >= 2  # at first, and after every injected epoch
        quality = model.quality
        assert max(quality.mean, quality.spread, quality.share, quality.fixed) <= 1


@pytest.mark.trains
def test_a_model_is_rated_on_other_batches_than_it_is_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Any] = []
    rated: list[Any] = []
    fit, rate = injected_sums.fitted_error, injected_sums.explained
    monkeypatch.setattr(
        injected_sums, "fitted_error", lambda samples, **how: (fitted.append(samples), fit(samples, **how))[1]
    )
    monkeypatch.setattr(
        injected_sums, "explained", lambda samples, model: (rated.append(samples), rate(samples, model))[1]
    )
    trained("inject", epochs=2)
    assert len(rated) == 2 * 3  # layers, after both epochs
    for ours, theirs in zip(fitted[-3:], rated[-3:], strict=True):
        assert len(ours.sums) == len(theirs.sums) > 0  # two of four batches each
        assert not np.array_equal(ours.errors, theirs.errors)


def test_batch_norms_are_estimated_on_exact_batches_again() -> None:
    net, batches = net_on_hardware(), [torch.rand(8, 2, 6, 6) for _ in range(3)]
    phases = TrainingPhases(net, SCALES, "inject", 1)
    phases.begin(0, 3)
    net.train()
    net(batches[0])
    phases.end(iter(batches))
    assert not net[0].training
    means = torch.stack([net[0](batch).mean((0, 2, 3)) for batch in batches])
    torch.testing.assert_close(net[1].running_mean, means.mean(0).detach())
    assert net[1].momentum == 0.1


@pytest.mark.trains
def test_a_folder_of_another_method_is_refused(tmp_path: Path) -> None:
    trained("inject", tmp_path, epochs=2)
    _, phases = trained("proxy", tmp_path, epochs=2)  # nothing is left to train
    with pytest.raises(SlipstickError, match="another method"):
        phases.finish(History())
    with pytest.raises(SlipstickError, match="another method"):
        phases.begin(1, 4)
    other = net_on_hardware()
    phases = TrainingPhases(other, SCALES, "inject", 2, "channel")
    train(other, DATA, RECIPE.model_copy(update={"epochs": 2}), folder=tmp_path, phases=phases)
    with pytest.raises(SlipstickError, match="errors: the folder has a training by another method"):
        phases.finish(History())
