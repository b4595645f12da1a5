"""Correlators: layers by hand, the bound of the clock, sums of powers, and what each option changes."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import slipstick
from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.workload import Phase
from slipstick.networks import from_torch
from slipstick.networks import network as named_network
from slipstick.optics.correlator_cost import full_power, part_counts
from slipstick.optics.correlator_device import Correlator
from slipstick.optics.correlator_run import CorrelatorRun, device_values
from slipstick.optics.layer_shots import Split, optical_layers, shot_counts
from slipstick.optics.link_budget import loss_chain
from slipstick.report.report import Report

CG, NG = "photofourier-cg", "photofourier-ng"
CONVOLUTIONS = {"system.device.dense": "skip"}


def ask(network: Any, system: str = CG, batch: int = 1, **fields: Any) -> Report:
    changes = {f"system.device.{name.replace('__', '.')}": value for name, value in fields.items()}
    return slipstick.estimate(network, system, batch=batch, set=changes)


def run_of(report: Report) -> CorrelatorRun:
    assert isinstance(report.detail, CorrelatorRun)
    return report.detail


# Bounds of an independent draft: 10 GHz over the shots of one image on 8 or 16 correlators, convolutions alone.
@pytest.mark.parametrize(
    ("network", "system", "rate"),
    [("vgg-16", CG, 2441.7), ("resnet-18", CG, 14246.0), ("vgg-16", NG, 4883.4), ("resnet-18", NG, 28492.0),
     ("alexnet", CG, 1e10 * 8 / 1_543_424)],
)  # fmt: skip
def test_images_a_second_of_convolutions_are_the_clocks_bound(network: str, system: str, rate: float) -> None:
    report = ask(network, system, dense="skip")
    assert report.value("throughput.samples") == pytest.approx(rate, rel=2e-5)
    assert ask(network, system).value("throughput.samples") < rate  # with its dense layers


@pytest.mark.parametrize(("system", "watts"), [(CG, 21.9), (NG, 21.5)])
def test_the_constants_add_up_to_the_powers_of_the_draft(system: str, watts: float) -> None:
    """21.9 and 21.5 W, SRAM at work included: the 26.0 and 8.42 W that are remembered are another sum."""
    assert ask("vgg-16", system, dense="skip").value("power.mean") == pytest.approx(watts, abs=0.05)


def test_parts_of_a_correlator_by_hand() -> None:
    values = device_values(slipstick.system(CG))
    parts = part_counts(values)
    assert (parts["inputs"], parts["weights"], parts["plane"], parts["adcs"]) == (256, 200, 2048, 2048)
    power = full_power(values)
    assert power["input_modulators"] == pytest.approx(256 * 3.1e-3)
    assert power["input_dacs"] == pytest.approx(256 * 35.71e-3 * 10 / 14)
    assert power["adcs"] == pytest.approx(2048 * 0.93e-3)  # 10 GHz over 16 shots is the 625 MHz that it is stated for
    assert ask("resnet-8", NG).value("energy.step") > 0
    assert "energy.parts.plane_modulators" not in ask("resnet-8", NG)  # a passive material


def test_a_convolution_by_hand() -> None:
    """32 to 64 channels of 14x14, 3x3: one shot a channel and filter of 8 at once, two signs, 16 shots a conversion."""
    module = torch.nn.Conv2d(32, 64, 3, padding=1)
    report = ask(from_torch(module, (torch.zeros(1, 32, 14, 14),)))
    assert report.value("work.shots") == 32 * 64 * 2
    assert report.value("cycles.step") == 32 * (64 / 8) * 2
    assert report.value("time.step") == pytest.approx(512 / 10e9)
    assert report.value("work.pixels") == 14 * 14 * 32 * 8 * 2
    assert report.value("work.taps") == 9 * 32 * 64 * 2
    assert report.value("work.conversions") == 14 * 14 * 64 * 2 * 2
    gated = ask(from_torch(module, (torch.zeros(1, 32, 14, 14),)), gated=True)
    to_analog, to_digital = 35.71e-3 / 14e9, 0.93e-3 / 625e6
    assert gated.value("energy.parts.input_dacs") == pytest.approx(14 * 14 * 32 * 8 * 2 * to_analog)
    assert gated.value("energy.parts.weight_dacs") == pytest.approx(9 * 32 * 64 * 2 * to_analog)
    assert gated.value("energy.parts.adcs") == pytest.approx(14 * 14 * 64 * 2 * 2 * to_digital)
    assert report.value("energy.parts.input_dacs") == pytest.approx(256 * 512 * to_analog)


@pytest.mark.parametrize("network", ["alexnet", "vgg-16", "resnet-18", "resnet-50", "resnet-20", "mobilenet-v2"])
def test_sums_and_bounds_of_every_network(network: str) -> None:
    report, gated = ask(network), ask(network, gated=True)
    run = run_of(report)
    assert sum(float(str(row[5])) for row in report.breakdowns["ops"].rows) == pytest.approx(report.value("time.step"))
    assert sum(float(str(row[7])) for row in report.breakdowns["ops"].rows) == pytest.approx(
        report.value("energy.step")
    )
    assert gated.value("energy.step") < report.value("energy.step")
    assert gated.value("time.step") == report.value("time.step")
    assert report.value("work.macs") == sum(layer.macs for layer, _ in run.layers)
    assert run.counts.steps * run.device.correlators >= run.counts.shots  # no more correlations than correlators give
    assert run.counts.inputs <= run.counts.steps * run.device.waveguides
    assert report.value("edp.sample") == pytest.approx(report.value("energy.sample") * report.value("time.sample"))
    assert report.value("efficiency.samples_per_joule") == pytest.approx(1 / report.value("energy.sample"))


def test_halves_of_the_light_that_wait_take_twice_the_time_and_two_to_four_times_the_edp() -> None:
    plain, waiting = ask("resnet-18"), ask("resnet-18", pipelined=False)
    assert waiting.value("time.step") == pytest.approx(2 * plain.value("time.step"))
    ratio = waiting.value("edp.sample") / plain.value("edp.sample")
    assert 2 < ratio < 4  # lasers and modulators draw power twice as long, converters convert as often
    assert waiting.value("energy.parts.adcs") == pytest.approx(plain.value("energy.parts.adcs"))


def test_options_change_what_they_are_for() -> None:
    base = ask("resnet-18", guard="full")
    polyphase = ask("resnet-18", guard="full", strides="polyphase")
    assert polyphase.value("work.shots") < base.value("work.shots")
    assert polyphase.value("work.macs") == base.value("work.macs")
    two = ask("resnet-18", parallel_inputs=2)
    assert two.value("energy.parts.adcs") == pytest.approx(ask("resnet-18").value("energy.parts.adcs") / 2, rel=0.05)
    coloured = ask("resnet-18", wavelengths=4)
    assert coloured.value("time.step") == pytest.approx(ask("resnet-18").value("time.step") / 4, rel=0.05)
    reused = ask("resnet-18", reuse=8)
    assert reused.value("energy.parts.input_dacs") == pytest.approx(
        ask("resnet-18").value("energy.parts.input_dacs") / 8
    )
    bits = ask("resnet-18", adc_bits=6)
    assert bits.value("energy.parts.adcs") == pytest.approx(ask("resnet-18").value("energy.parts.adcs") / 4)
    pointwise = ask(
        "resnet-18", electronics={"macs": 1024, "clock": "1 GHz", "energy": "1 pJ"}, pointwise="electronics"
    )
    shortcuts = 753_664
    convolutions = ask("resnet-18").value("work.shots") - pointwise.value("work.shots")
    assert convolutions == shortcuts
    assert pointwise.value("time.parts.electronics") == pytest.approx(3 * 6_422_528 / 1024e9)


def test_images_of_a_batch_share_shots_of_small_maps() -> None:
    alone, packed = ask("resnet-8", batch=16), ask("resnet-8", batch=16, packing="images")
    assert packed.value("time.sample") < alone.value("time.sample")
    assert packed.value("work.conversions") == alone.value("work.conversions")
    assert ask("resnet-8", packing="images").value("work.shots") == ask("resnet-8").value("work.shots")
    assert alone.value("time.sample") == pytest.approx(ask("resnet-8").value("time.sample"))


def test_lasers_by_the_loss_chain() -> None:
    chain = loss_chain(device_values(slipstick.system(CG)))
    assert chain["splitter tree"] == pytest.approx(11 * 0.1)  # 256 waveguides times 8 copies
    assert chain["copies to filters"] == pytest.approx(9.03, abs=0.01)
    report = ask("resnet-8", light__power=None)
    watts = 3.162e-6 * 10 ** (sum(chain.values()) / 10) / 0.2
    assert report.value("light.waveguide") == report.value("light.sized") == pytest.approx(watts)
    more = ask("resnet-8", light__power=None, light__coupler=3.15)
    assert more.value("light.sized") == pytest.approx(watts * 10**0.3)


def test_every_figure_says_that_its_constants_are_from_memory() -> None:
    report = ask("resnet-8")
    (finding,) = [finding for finding in report.warnings if finding.check == "unverified_constants"]
    assert finding.message.startswith("22 constants")
    assert "from memory, unverified" in report["time.step"].source
    assert "edge_effect" in [finding.check for finding in report.warnings]
    assert "edge_effect" not in [finding.check for finding in ask("resnet-8", guard="shared").warnings]


def test_noise_by_hand_and_its_inverse() -> None:
    """5.86 uA against 20 pA/sqrt(Hz) in 5 GHz: 12.3 dB of a shot, 12 more of 16 added up, 3.8 bits."""
    report = ask("resnet-8")
    amps = 0.5e-3 * 0.2 * 10 ** (-report.value("light.loss") / 10)
    assert report.value("light.detected") == pytest.approx(amps)
    variance = (2 * 1.602e-19 * amps + (20e-12) ** 2 + 1e-14 * amps**2) * 5e9
    snr = 10 * math.log10(amps**2 / variance)
    assert report.value("light.snr") == pytest.approx(snr, abs=1e-3)
    assert report.value("light.bits") == pytest.approx((snr + 12.041 - 1.76) / 6.02, abs=1e-3)
    assert "noise_above_converters" in [finding.check for finding in report.warnings]
    enough = ask("resnet-8", light__power=report.value("light.needed"))
    assert enough.value("light.bits") == pytest.approx(8)
    assert ask("resnet-8", light__power=2 * report.value("light.needed")).value("light.bits") > 8
    loud = ask("resnet-8", light__rin=-120)  # the ratio is at most 1 / (RIN B), whatever the power
    assert "light.needed" not in loud
    assert loud.value("light.snr") < 10 * math.log10(1 / (1e-12 * 5e9))


def test_pictures_of_energy_area_and_losses() -> None:
    pictures = ask("resnet-8").pictures()
    assert list(pictures) == ["energy by part", "area by part", "loss chain"]
    assert all(picture.startswith("<svg") for picture in pictures.values())


def test_files_run_too(tmp_path: Path) -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(800, 5)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's older exporter
        torch.onnx.export(module, (torch.zeros(1, 3, 10, 10),), str(tmp_path / "small.onnx"), dynamo=False)
    by_file, by_module = ask(str(tmp_path / "small.onnx")), ask(from_torch(module, (torch.zeros(1, 3, 10, 10),)))
    assert by_file.value("time.step") == by_module.value("time.step") > 0
    assert ask("examples/data/small.tflite").value("work.shots") > 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"waveguides": 0}, r"device\.waveguides.*got 0"),
        ({"light__wavelength": "0.061 inch"}, r"device\.light\.wavelength.*unknown unit.*inch"),
        ({"parallel_inputs": 3}, r"device\.parallel_inputs: 3 do not divide 8"),
        ({"pointwise": "electronics"}, r"device\.electronics: .*give macs"),
        ({"taps": -1}, r"device\.taps"),
        ({"clock": "10 m"}, r"device\.clock.*length"),
    ],
)
def test_bad_devices_are_one_clear_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises((SlipstickError, SpecErrors), match=message):
        ask("resnet-8", **fields)


def test_networks_that_light_does_not_run_are_one_clear_error() -> None:
    with pytest.raises(SlipstickError, match=r"convolution\.kernel: .*longer than the correlator's signal"):
        ask("resnet-18", waveguides=6)
    with pytest.raises(SlipstickError, match=r"three axes"):
        ask(from_torch(torch.nn.Conv3d(2, 2, 3), (torch.zeros(1, 2, 6, 6, 6),)))
    with pytest.raises(SlipstickError, match=r"llama-3\.1-8b.*decoder"):
        slipstick.estimate("llama-3.1-8b", CG)


def test_counts_grow_with_the_split_only_where_they_must() -> None:
    device = slipstick.system(CG).device_as(Correlator)
    (layer, *_) = optical_layers(named_network("vgg-16").ops(Phase.INFER, 1, 1, 1))
    one, many = (shot_counts(layer, device.layout, Split(filters=n)) for n in (1, 16))
    assert one.shots == many.shots == one.steps
    assert many.steps == one.steps / 16
    assert many.inputs == one.inputs / 16
    assert many.weights == one.weights
    assert many.conversions == one.conversions
