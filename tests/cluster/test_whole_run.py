"""A whole training run by hand: steps, goodput under failures (Young 1974, Daly 2006), energy, carbon and money."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from slipstick import estimate
from slipstick.cluster.training.goodput import _best_interval, _Goodput, _goodput, failure_rates
from slipstick.core.catalogue import resolve_system
from slipstick.core.errors import SlipstickError
from slipstick.core.site import Reliability
from slipstick.core.system import System
from slipstick.report.report import Report

HOUR, MINUTE = 3600.0, 60.0
NEVER = {"system.reliability.device_mtbf": "1e12 h", "system.reliability.checkpoint_time": "0 s"}


def run(tokens: object = "1T", **changes: Any) -> Report:
    return estimate("llama-3.1-8b", "dgx-h100", "tp=8", batch=64, training_tokens=tokens, set=changes)


def test_without_failures_a_run_is_its_steps() -> None:
    report = run(**NEVER, **{"system.rent": "2.5 USD/h", "system.site.facility": 1.2, "system.site.carbon": 300})
    steps = 1e12 / (64 * 4096)
    assert report.value("run.goodput") == pytest.approx(1.0)
    assert report.value("run.time") == pytest.approx(steps * report.value("time.step"))
    assert report.value("run.energy") == pytest.approx(steps * report.value("energy.step"))
    assert report.value("run.facility_energy") == pytest.approx(1.2 * report.value("run.energy"))
    assert report.value("run.carbon") == pytest.approx(1.2 * report.value("run.energy") / 3.6e6 * 300)
    assert report.value("run.cost") == pytest.approx(2.5 * 8 * report.value("run.time") / 3600)
    assert report.value("run.carbon") == pytest.approx(report.value("carbon.token") * 1e12)


def test_failures_lengthen_the_run_and_all_that_it_spends() -> None:
    ideal, real = run(**NEVER), run()
    goodput = real.value("run.goodput")
    assert 0.9 < goodput < 1.0
    for figure in ("time", "energy", "facility_energy", "carbon", "cost"):
        assert real.value(f"run.{figure}") == pytest.approx(ideal.value(f"run.{figure}") / goodput), figure
    assert real.value("time.step") == ideal.value("time.step")
    assert not estimate("llama-3.1-8b", "dgx-h100", "tp=8", batch=64).group("run")


def test_a_checkpoint_takes_its_bytes_over_the_storage_of_all_devices() -> None:
    table = failure_rates.entry("cluster")
    goodput = _Goodput.of(resolve_system("h100:16"), 1e12)
    assert goodput.checkpoint == pytest.approx(1e12 / (16 * table.storage))
    assert goodput.failures == pytest.approx(table.device_mtbf / 16)
    assert goodput.share == _goodput(goodput.interval, goodput.checkpoint, table.restart_time, goodput.failures)
    state = 8.030e9 * (2 + 12)  # of every parameter, bf16, and in fp32 a copy and two moments
    assert f"({state / (8 * table.storage):.4g} s)" in run()["run.goodput"].note
    given = reliable(checkpoint_time="1 min", checkpoint_interval="1 h", restart_time="5 min", device_mtbf="8 days")
    assert (given.checkpoint, given.interval, given.restart, given.failures) == (60, 3600, 300, 86400)


def reliable(**fields: Any) -> _Goodput:
    machine: System = resolve_system("dgx-h100").model_copy(update={"reliability": Reliability(**fields)})
    return _Goodput.of(machine, 0.0)


@pytest.mark.parametrize(("hours", "minutes"), [(24.0, 117.0), (6.0, 57.0), (0.25, 9.1)])
def test_the_best_interval_is_that_of_dalys_figures(hours: float, minutes: float) -> None:
    """Captions of figures 3, 4 and 5 of Daly (2006), seen: checkpoints of 5 minutes, M of 24 h, 6 h and 15 min."""
    assert _best_interval(5 * MINUTE, hours * HOUR) / MINUTE == pytest.approx(minutes, rel=6e-3)


def test_the_best_interval_tends_to_youngs_for_short_checkpoints() -> None:
    for checkpoint in (1e-2, 1e-4, 1e-6):
        young = math.sqrt(2 * checkpoint * 1000.0)
        assert _best_interval(checkpoint, 1000.0) == pytest.approx(young, rel=checkpoint**0.5)
    assert _best_interval(2000.0, 1000.0) == 1000.0  # never before M has passed


@pytest.mark.parametrize(("checkpoint", "failures"), [(5.0, 1440.0), (5.0, 360.0), (1.0, 30.0)])
def test_no_interval_has_a_better_goodput_than_the_best(checkpoint: float, failures: float) -> None:
    best = _best_interval(checkpoint, failures)
    reached = _goodput(best, checkpoint, 10.0, failures)
    for factor in (0.25, 0.5, 0.8, 1.25, 2.0, 4.0):
        assert _goodput(best * factor, checkpoint, 10.0, failures) < reached
    most = max(_goodput(best * (0.9 + 0.01 * step), checkpoint, 10.0, failures) for step in range(21))
    assert reached == pytest.approx(most, rel=1e-3)


def test_goodput_agrees_with_a_run_that_is_played_through() -> None:
    """Computed in pieces of 30 min with checkpoints of 2 min, restarts of 5 min, a failure every 100 min on average."""
    random.seed(3)
    interval, checkpoint, restart, failures = 30.0, 2.0, 5.0, 100.0
    clock = useful = 0.0
    while useful < 300_000:
        left = random.expovariate(1 / failures)
        if left >= interval + checkpoint:
            clock, useful = clock + interval + checkpoint, useful + interval
            continue
        clock += left
        while (again := random.expovariate(1 / failures)) < restart:  # a restart can fail as well
            clock += again
        clock += restart
    assert _goodput(interval, checkpoint, restart, failures) == pytest.approx(useful / clock, rel=0.02)


def test_goodput_falls_with_every_time_that_is_lost() -> None:
    base = {"interval": 3000.0, "checkpoint": 60.0, "restart": 600.0, "failures": 20_000.0}
    for name, worse in (("checkpoint", 120.0), ("restart", 1200.0), ("failures", 10_000.0), ("interval", 30_000.0)):
        assert _goodput(**{**base, name: worse}) < _goodput(**base) < 1, name
    assert _goodput(0.0, 0.0, 10.0, 100.0) == pytest.approx(math.exp(-0.1))


def test_the_run_of_llama_3_has_the_goodput_that_it_reports() -> None:
    """Reports of 2407.21783 (seen): 419 unexpected interruptions in 54 days of 16,384 devices, over 90 % effective."""
    machine = resolve_system("h100:16384")
    goodput = _Goodput.of(machine, 405e9 * 14)
    assert goodput.failures == pytest.approx(54 * 24 * HOUR / 419, rel=1e-3)
    assert 0.90 < goodput.share < 0.95


def test_a_run_that_cannot_end_is_an_error() -> None:
    with pytest.raises(SlipstickError, match="failures come faster"):
        run(**{"system.reliability.device_mtbf": "1 min"})
    with pytest.raises(SlipstickError, match="checkpoint_interval"):
        run(**{"system.reliability.checkpoint_interval": "0 s"})


@pytest.mark.parametrize(("text", "value"), [("1T", 1e12), ("300B", 3e11), ("2.5 M", 2.5e6), ("7k", 7e3), (1e9, 1e9)])
def test_tokens_have_suffixes(text: object, value: float) -> None:
    assert run(text).inputs["workload"]["training_tokens"] == value


@pytest.mark.parametrize("text", ["1X", "T", "", "-1T", "1 TB", "nan"])
def test_what_is_no_number_of_tokens_is_refused(text: str) -> None:
    with pytest.raises(SlipstickError, match="training_tokens"):
        run(text)


def test_the_energy_of_a_long_run_is_said_in_watt_hours_and_in_joules() -> None:
    long, short = run("1T"), run("1M")
    assert long["run.energy"].text.endswith("MWh")
    assert long["run.energy"].note.endswith(" GJ")
    assert short["run.energy"].text.endswith("J")
    assert short["run.energy"].note.endswith("kWh")
    assert float(long["run.energy"].text.split()[0]) * 3.6e9 == pytest.approx(long.value("run.energy"), rel=1e-3)


@pytest.mark.parametrize(("network", "phase"), [("llama-3.1-8b", "decode"), ("resnet-50", "train")])
def test_tokens_of_a_run_are_refused_where_nothing_is_trained_on_them(network: str, phase: str) -> None:
    with pytest.raises(SlipstickError, match="training_tokens: only the training of a decoder"):
        estimate(network, "dgx-h100", phase=phase, training_tokens="1T")
