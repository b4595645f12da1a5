"""Searches that weigh measured accuracy: formats by systems, retraining as a part of a point, runs kept in a folder."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
pytest.importorskip("polars", reason="polars is not installed (extra: search)")

import slipstick
from slipstick import SlipstickError
from slipstick.compress.adapt_options import CalibrationImages, Retraining
from slipstick.exploration import measured_accuracies
from slipstick.exploration.family_picture import _family_of, _family_svg, _FamilyPoints
from slipstick.exploration.space_text import read_space
from slipstick.exploration.treatment import Treatment

pytestmark = pytest.mark.trains
SC, ANALOG, TABLE = "int8@stochastic:length=32", "int8@analog:rows=64,adc_bits=6", "int8@mul8u_185Q"
FORMATS = "plan.formats.layers"
IMAGES = 60


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, training_seed: int) -> str:
    path = tmp_path_factory.mktemp("net") / "mlp.safetensors"
    slipstick.train("mlp", "digits", recipe={"epochs": 2, "seed": training_seed}, out=path)
    return str(path)


def rows_of(frontier: slipstick.Frontier) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["system"], row[FORMATS]): row for row in frontier.points.to_dicts()}


def test_formats_cross_systems_and_each_point_has_its_measured_accuracy(network: str) -> None:
    """Points are the pairs that a system computes; their accuracy is what `measure` says, hardware included."""
    space = (
        f"system=swis-8x8|stochastic-256x64|analog-128x128|approximate-16x16,format=int8|swis:2|{SC}|{ANALOG}|{TABLE}"
    )
    frontier = slipstick.search(
        network, space=space, data="digits", images=IMAGES, minimize="accuracy,energy.step,area.multipliers"
    )
    rows = rows_of(frontier)
    assert set(rows) == {
        ("swis-8x8", "int8"), ("swis-8x8", "swis:2"), ("stochastic-256x64", SC), ("analog-128x128", ANALOG),
        ("approximate-16x16", TABLE),
    }  # fmt: skip
    for (_, text), row in rows.items():
        assert row["accuracy.top1"] == slipstick.measure(network, "digits", text, images=IMAGES).value("accuracy.top1")
    assert np.isnan(rows["analog-128x128", ANALOG]["area.multipliers"])  # nobody knows a cell's area
    assert frontier.as_it_came is not None
    assert frontier.as_it_came.value == slipstick.measure(network, "digits", images=IMAGES).value("accuracy.top1")
    pictures = frontier.pictures()
    assert list(pictures) == ["energy.step", "area.multipliers"]
    assert len(circles(pictures["energy.step"])) == len(rows)
    assert len(circles(pictures["area.multipliers"])) == len(rows) - 1  # the analog one is listed, and not at zero
    unknown = "area.multipliers is unknown (1): int8@analog:rows=64,adc_bits=6 on analog-128x128"
    assert unknown in pictures["area.multipliers"]


def circles(picture: str) -> list[tuple[float, str]]:
    """Return radius and title of the points of a picture, which alone have one; the legend's have none."""
    return [(float(r), title) for r, title in re.findall(r'<circle[^>]* r="([\d.]+)"[^/>]*><title>([^<]*)<', picture)]


def test_a_treatment_is_a_part_of_a_point(network: str) -> None:
    """A point that is retrained has the accuracy of `adapt` with the same options, seed by seed."""
    frontier = slipstick.search(
        network, space=f"system=stochastic-256x64,format={SC},retrain=0|1,seed=1|2", data="digits", images=IMAGES,
        minimize="accuracy,time",
    )  # fmt: skip
    assert len(frontier.points) == 4
    for row in frontier.points.to_dicts():
        epochs, seed = int(row["treatment.retrain"]), int(row["treatment.seed"])
        if epochs:
            adapted = slipstick.adapt(
                network, SC, "digits", calibration=CalibrationImages(images=IMAGES),
                retraining=Retraining(epochs=epochs, seed=seed),
            )  # fmt: skip
            assert row["accuracy.top1"] == adapted.value("accuracy.after")
        else:
            measured = slipstick.measure(network, "digits", SC, images=IMAGES)
            assert row["accuracy.top1"] == measured.value("accuracy.top1")


def test_only_formats_that_lose_more_than_the_tolerance_are_retrained(network: str) -> None:
    """Two shifts at a tolerance of 100 points lose little; no stream of 32 bits comes within -100 points."""
    asked = {"space": f"system=stochastic-256x64|int8-8x8,format=int8|{SC},retrain=1", "data": "digits"}
    found = slipstick.search(network, minimize="accuracy", images=IMAGES, tolerance=-1.0, **asked)
    assert len(found.points) == 2
    space = asked["space"].replace("retrain=1", "retrain=0|1")
    spared = slipstick.search(network, space=space, data="digits", minimize="accuracy", images=IMAGES, tolerance=1.0)
    assert spared.points["treatment.retrain"].to_list() == ["0", "0"]
    assert f"not retrained, as they lose little: {SC}, int8" in spared.method


def test_finished_runs_are_kept_and_not_done_again(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = f"system=stochastic-256x64|int8-8x8,format=int8|{SC}"
    done: list[str] = []
    measured = measured_accuracies._measured

    def stop_at_the_last(run: measured_accuracies._Run) -> dict[str, object]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(run.format)
        return measured(run)

    monkeypatch.setattr(measured_accuracies, "_measured", stop_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        slipstick.search(network, space=space, data="digits", images=IMAGES, minimize="accuracy", folder=tmp_path)
    assert len(list((tmp_path / "accuracies").iterdir())) == 2
    again: list[str] = []
    monkeypatch.setattr(measured_accuracies, "_measured", lambda run: again.append(run.format) or measured(run))
    found = slipstick.search(
        network, space=space, data="digits", images=IMAGES, minimize="accuracy", folder=tmp_path, resume=True
    )
    assert sorted([*done, *again]) == sorted(["", "int8", SC])  # each once
    plain = slipstick.search(network, space=space, data="digits", images=IMAGES, minimize="accuracy")
    assert found.points.equals(plain.points)


def test_processes_measure_what_one_measures(network: str) -> None:
    asked = {"space": f"system=stochastic-256x64|int8-8x8,format=int8|{SC}", "data": "digits", "images": IMAGES}
    alone = slipstick.search(network, minimize="accuracy", **asked)
    assert slipstick.search(network, minimize="accuracy", workers=2, **asked).points.equals(alone.points)


def test_measure_computes_by_the_arithmetic_of_the_format(network: str) -> None:
    """`measure` once scored int8 where a format named an approximate arithmetic: it is `adapt` without training."""
    adapted = slipstick.adapt(network, SC, "digits", calibration=CalibrationImages(images=IMAGES, correct=False))
    assert slipstick.measure(network, "digits", SC, images=IMAGES).value("accuracy.top1") == adapted.value(
        "accuracy.rounded"
    )


@pytest.mark.parametrize(
    ("space", "more", "message"),
    [
        ("system=int8-8x8,format=int8,retrain=2", {}, "retrain: needs images"),
        ("system=int8-8x8,format=int8,retrain=few", {"data": "digits"}, "not a number; got 'few'"),
        ("system=int8-8x8,format=int8,method=inject,retrain=1", {"data": "digits"}, "no layer on approximate hardware"),
    ],
)
def test_what_is_no_treatment_is_one_error(network: str, space: str, more: dict[str, str], message: str) -> None:
    with pytest.raises(SlipstickError, match=message):
        slipstick.search(network, space=space, minimize="time", images=IMAGES, **more)


def test_keys_of_a_treatment_and_arguments_of_a_format_stay_apart() -> None:
    """An analog format has a seed of its own, of its noise: behind it, the key is its argument."""
    text = "format=int8|int8@analog:read_noise=0.1,seed=3"
    assert read_space(text).plan == {"formats": "int8|int8@analog:read_noise=0.1,seed=3"}
    assert read_space("format=int8,seed=3").fields == {"treatment.seed": "3"}
    assert Treatment.of({"treatment.seed": 3}) == Treatment()  # without epochs there is nothing to draw


def test_points_on_the_line_are_beaten_by_none() -> None:
    """Accuracy rises and cost falls towards the line; a point with an unknown cost is neither drawn nor forgotten."""
    costs, accuracies = np.array([1.0, 2.0, 3.0, np.nan]), np.array([0.5, 0.4, 0.9, 0.95])
    points = _FamilyPoints(costs, accuracies, ["int4", "int8", SC, ANALOG], ["a"] * 4, ["", "", "--retrain 1", ""], 0.7)
    picture = _family_svg(points, ("energy.step", "J"), "drawn")
    assert [title.split(" ")[0] for radius, title in circles(picture) if radius > 5] == ["int4", SC]
    assert "(1): int8@analog:rows=64,adc_bits=6 on a" in picture
    assert [_family_of(text) for text in points.formats] == ["int", "int", "stochastic", "analog"]
