"""`adapt` for torch networks: weights in formats, scheduled, biases corrected, retrained; accuracy of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipstick.core.errors import SlipstickError
from slipstick.engines import adapt_report
from slipstick.engines.adapt_rules import Rules, split
from slipstick.engines.adapted_array import array_question, cycle_costs, with_array
from slipstick.report.answer import Answer
from slipstick.report.report import Finding, Metric, Report, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from slipstick.compress.torch_parametrization import Policy
    from slipstick.compress.torch_post_training import Looked
    from slipstick.core.format import Encoded, Format
    from slipstick.core.progress import Progress
    from slipstick.core.question import Question
    from slipstick.datasets.images import DataSet, Images, Normal
    from slipstick.engines.question import SystemSpec
    from slipstick.trained.torch.open_torch import TrainedNet

CALIBRATE = 1024  # training images that find the ranges of activations
BITS = "bits of activations"  # the breakdown
LOOK = 128  # images of which the layers' inputs are kept, and at which sensitivities are looked at
RATE = 0.05  # the largest learning rate of retraining: a quarter of that of a short training from the start
FOLDED_RATE = 0.01  # without batch norms, as exporters fold them: ResNet-8 on digits falls apart at 0.05


@dataclass(frozen=True, eq=False)
class AdaptedTorch(Answer):
    """The network with what its formats keep of its weights, and the Report.

    `before`, `rounded` and `after` tell which test images are right: with the weights as they came, in formats without
    training, and after it.
    """

    trained: TrainedNet
    data: DataSet
    before: NDArray[np.bool_]
    rounded: NDArray[np.bool_]
    after: NDArray[np.bool_]
    encoded: Mapping[str, Encoded]
    report: Report

    @property
    def net(self) -> nn.Module:
        """The torch module."""
        return self.trained.module

    def pictures(self) -> dict[str, str]:
        """Return sensitivities and accuracy against bits of activations, where measured, and every pool's vectors."""
        from slipstick.compress.accuracy_pictures import accuracy_svg, sensitivity_svg
        from slipstick.formats.format_pictures import MOST_VECTORS, pool_svg

        found = {}
        if rows := [row for row in self.report.breakdowns["layers"].rows if row[-1] is not None]:
            names, kinds, values = zip(*((row[0], row[1], row[-1]) for row in rows), strict=True)
            found["Sensitivity of every layer"] = sensitivity_svg(names, kinds, values)
        if BITS in self.report.breakdowns:
            points = [(float(bits), float(share), f"{bits} bits") for bits, share in self._curve()]
            series = {self.report.inputs["formats"]: points}
            found["Accuracy against bits of activations"] = accuracy_svg(series, self.report.title, BITS)
        for name, pool in _pools(self.encoded).items():
            if len(pool) <= MOST_VECTORS:
                found[f"Vectors of {name}"] = pool_svg(pool)
        return found

    def _curve(self) -> list[tuple[Any, Any]]:
        return [(row[0], row[1]) for row in self.report.breakdowns[BITS].rows]

    def write(self, path: str | Path) -> None:
        """Write the network, its weights as the formats keep them, in the kind of file that it came in."""
        asked = {name: value for name, value in self.report.inputs.items() if name != "system"}
        self.trained.write(path, self.data, {"formats": asked["formats"], "adapted": asked})

    def write_packed(self, path: str | Path) -> int:
        """Write the packed weights (`slipstick.formats.packed_file`): a pool once, indices and scales for each layer.

        Returns the file's bytes.
        """
        from slipstick.formats.packed_file import write_packed

        return write_packed(path, self.encoded)


@dataclass(frozen=True)
class Retraining:
    """How a network is retrained for its formats; without epochs it is not.

    `rate` is `RATE` by default, and `FOLDED_RATE` for a network without batch norms.
    """

    epochs: int = 0
    rate: float | None = None
    seed: int = 0
    renew: Policy = "step"
    folder: Path | None = None

    def said(self, module: nn.Module) -> dict[str, Any]:
        """Return what a Report says of it."""
        return {"epochs": self.epochs, "rate": self.rate_of(module), "seed": self.seed}

    def rate_of(self, module: nn.Module) -> float:
        """Return the largest learning rate for a network."""
        from slipstick.core.extras import require

        if self.rate is not None:
            return self.rate
        norms = require("torch.nn", "torch").BatchNorm2d
        return RATE if any(isinstance(layer, norms) for layer in module.modules()) else FOLDED_RATE


def adapt_torch(
    trained: TrainedNet,
    formats: str,
    data: DataSet,
    rules: Rules,
    retraining: Retraining,
    *,
    budget: int | None = None,
    activations: Sequence[int] = (),
    system: SystemSpec | None = None,
    normal: Normal | None = None,
    progress: Progress | None = None,
) -> AdaptedTorch:
    """Put the weights of a trained torch network into formats, retrain it for them, and score it on the test images.

    The arguments are those of `slipstick.verbs.adapt.adapt`.
    """
    from slipstick.compress.retraining import hold, layer_formats
    from slipstick.compress.torch_parametrization import detach, encoded_weights
    from slipstick.compress.torch_post_training import hold_all
    from slipstick.training.evaluation import evaluate
    from slipstick.training.paired_comparison import paired

    module, inputs = trained.module, normal or trained.normal or data.normal
    tuning, scored = split(data, rules)
    before = evaluate(module, scored, inputs)
    forms = layer_formats(module, formats, budget=budget, progress=progress)
    question = _question(trained, data, system)
    looked = _look(module, forms, rules, question, tuning, inputs, progress)
    hold(module, forms, shifts=looked.shifts, policy=retraining.renew)
    if rules.correct:
        hold_all(module, looked, encoded_weights(module))
    after = rounded = evaluate(module, scored, inputs)
    if retraining.epochs:
        _retrain(module, data, inputs, retraining, progress)
        after = evaluate(module, scored, inputs)
    encoded = encoded_weights(module)
    detach(module)
    report = Report(
        title=f"{trained.name} on {data.name} in {formats}{_trained_for(retraining)}",
        metrics={
            "accuracy": adapt_report.accuracies(
                data.name, paired(before, after), before=before, rounded=rounded, after=after
            ),
            **_sizes(module, forms, encoded),
            **_shifts(looked, forms),
        },
        breakdowns={
            "layers": _layers(module, forms, looked, encoded),
            **_curve(module, data, scored, inputs, activations, retraining.seed),
        },
        inputs={
            "net": trained.name, "data": data.name, "formats": formats, **rules.said(tuning), **retraining.said(module),
        },
        papers=("li2021swis",) if "swis" in formats else (),
        warnings=_found(rounded, after),
    )  # fmt: skip
    if question is not None:
        report = with_array(report, question, encoded)
    return AdaptedTorch(trained, data, before, rounded, after, encoded, report)


def _question(trained: TrainedNet, data: DataSet, system: SystemSpec | None) -> Question | None:
    """Return the network as an operator graph and the array that is asked about; None where none is."""
    if system is None:
        return None
    from slipstick.core.extras import require
    from slipstick.networks.importers.torch_export import from_torch

    high, wide, channels = data.shape
    example = require("torch", "torch").zeros(1, channels, high, wide)
    return array_question(from_torch(trained.module, (example,), name=trained.name), system)


def _look(
    module: nn.Module,
    forms: Mapping[str, Format],
    rules: Rules,
    question: Question | None,
    tuning: Images,
    normal: Normal,
    progress: Progress | None,
) -> Looked:
    """Return what layers see of some images that calibrate, and what follows: sensitivities, shifts of each filter."""
    from slipstick.compress.torch_post_training import Looked, look

    if not rules.looks:
        return Looked()
    if rules.weighed == "cycles" and question is None:
        raise SlipstickError("needs an array", path="weighed", value="cycles", allowed="a system, or bytes")
    if progress:
        progress(0, len(forms), f"what layers see of {min(LOOK, len(tuning))} images")
    costs = cycle_costs(question, forms) if question and rules.weighed == "cycles" else None
    few = tuning.some(LOOK)
    return look(
        module,
        forms,
        few,
        normal,
        shifts=rules.shifts,
        costs=costs,
        columns=rules.columns_of(question),
        progress=progress,
    )


def _retrain(module: nn.Module, data: DataSet, normal: Normal, how: Retraining, progress: Progress | None) -> None:
    from slipstick.training.loop import train
    from slipstick.training.recipe import Recipe

    recipe = Recipe(epochs=how.epochs, rate=how.rate_of(module), seed=how.seed)
    train(module, data, recipe, normal=normal, folder=how.folder, progress=progress)


def _found(rounded: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[Finding, ...]:
    """Return a finding where retraining made things worse."""
    lost = float(rounded.mean() - after.mean())
    if lost <= 0:
        return ()
    said = f"{100 * lost:.1f} points fewer right after retraining than before it: a lower rate, or more epochs"
    return (Finding("retraining", said, "accuracy.after"),)


def _trained_for(how: Retraining) -> str:
    return f", {how.epochs} epoch{'s' * (how.epochs > 1)} of retraining" if how.epochs else ""


def _sizes(module: nn.Module, forms: Mapping[str, Format], encoded: Mapping[str, Encoded]) -> dict[str, Any]:
    from slipstick.compress.retraining import bias_bytes, plain_bytes
    from slipstick.formats.packed_file import stored_bytes

    return adapt_report.weights(stored_bytes(encoded), plain_bytes(module, forms), bias_bytes(module))


def _shifts(looked: Looked, forms: Mapping[str, Format]) -> dict[str, Any]:
    """Return the average of the schedule by what its filters' shifts take in bytes; nothing without a schedule."""
    if not looked.shifts:
        return {}
    each = [(shifts, looked.groups(name, forms[name])) for name, shifts in looked.shifts.items()]
    mean = sum(float(shifts.sum()) * groups for shifts, groups in each) / sum(len(n) * groups for n, groups in each)
    return {"shifts": {"by_bytes": Metric(mean, "", "measured", "mean over all scheduled filters")}}


def _layers(module: nn.Module, forms: Mapping[str, Format], looked: Looked, encoded: Mapping[str, Encoded]) -> Table:
    """Return the noise that each layer's format makes in its output before training, and its sensitivity.

    The bytes are a layer's own: a pool that layers share has a row behind them.
    """
    from slipstick.compress.retraining import weight_layers

    kinds = weight_layers(module)
    rows = []
    for name, form in forms.items():
        shifts = looked.shifts.get(name)
        mean = None if shifts is None else float(shifts.mean())
        shown = (looked.noise.get(name), looked.sensitivity.get(name))
        shared = encoded[name].side.get("pool", np.zeros(0))
        rows.append((name, kinds[name].kind, form.name, mean, encoded[name].nbytes - shared.nbytes, *shown))
    rows += [("pool", "shared", name, None, pool.nbytes, None, None) for name, pool in _pools(encoded).items()]
    return adapt_report.layer_table(rows)


def _pools(encoded: Mapping[str, Encoded]) -> dict[str, NDArray[Any]]:
    """Return the pools by their formats' names: layers of one format share theirs."""
    return {one.format.name: one.side["pool"] for one in encoded.values() if "pool" in one.side}


def _curve(
    module: nn.Module, data: DataSet, scored: Images, normal: Normal, widths: Sequence[int], seed: int
) -> dict[str, Table]:
    """Return the accuracy at each width of the ReLUs' results, chosen at run time; nothing where none is asked for."""
    from slipstick.compress.activation_bits import by_bits

    if not widths:
        return {}
    drawn = np.random.default_rng(seed).permutation(len(data.train))[:CALIBRATE]
    curve = by_bits(module, scored, data.train.take(drawn), normal, widths)
    rows = [(bits, float(right.mean())) for bits, right in sorted(curve.items(), reverse=True)]
    return {BITS: Table.of({"bits": "", "accuracy": "fraction"}, rows)}
