"""Energy-delay products of PhotoFourier over Albireo's, for every pair of estimates, with bands and elasticities.

    python benchmarks/optics_edp.py [--draws 4000] [--ng-factor 1.0]

The ratio is EDP(Albireo) / EDP(PhotoFourier), the geometric mean over the convolutions of AlexNet, VGG-16 and
ResNet-18, one image, no DRAM and no dense layers on either side.

peak, mapped   Albireo's time: all 1215 products in every cycle, or layer by layer as its star couplers serve it
band           5 and 95 % of draws: every constant of PhotoFourier from memory is multiplied by s^u, u uniform in -1..1;
               s = 1.1, 1.5, 2 where the memory's confidence is high, medium, low. The widths are assumed. Counts
               (correlators, waveguides, taps, accumulation) stay; Albireo's table is seen and has no band
elasticity     d log EDP / d log constant of PhotoFourier: by 1 % for constants; counts are doubled, and halved
ng factor      of the next generation's converters, whose node factor is not known: an unverified input. 0.36 would give
               the 8.42 W that are remembered; the constants add up to 21.5 W with 1

Nothing here is a pass mark: "more than 28 times the best photonic baseline" (abstract, seen) stands beside the table.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  after the thread limits

import slipstick  # noqa: E402
from slipstick.optics.correlator_cost import energy_parts, shot_rate  # noqa: E402
from slipstick.optics.correlator_estimate import unverified_constants  # noqa: E402
from slipstick.optics.correlator_run import CorrelatorRun  # noqa: E402

NETWORKS = ("alexnet", "vgg-16", "resnet-18")
SPREADS = {"high": 1.1, "medium": 1.5, "low": 2.0}  # assumed
COUNTS = ("correlators", "waveguides", "taps", "accumulation")
REMEMBERED_FACTOR = 0.36  # converters of the next generation at the remembered 8.42 W
PUBLISHED = 28  # "more than 28 times": the abstract
STEP = 1.01
DEVICE = "system.device."
PARTS = ("clock", "modulator.power", "dac.power", "adc.power", "light.power", "converter_factor")


def convolutions(system: str, network: str, **device: Any) -> CorrelatorRun:
    """Return the run of a network's convolutions on a correlator with some fields changed."""
    changes = {"dense": "skip", **device}
    detail = slipstick.estimate(network, system, set={DEVICE + name: value for name, value in changes.items()}).detail
    assert isinstance(detail, CorrelatorRun)
    return detail


def edp(run: CorrelatorRun, changes: Mapping[str, Any]) -> Any:
    """Return the energy-delay product [J s] of a run, some of its values multiplied by factors or arrays of them."""
    v = {name: value * changes.get(name, 1.0) for name, value in run.values.items()}
    counts = {name: getattr(run.counts, name) for name in ("steps", "inputs", "weights", "conversions")}
    seconds = counts["steps"] / shot_rate(v)
    return sum(energy_parts(v, counts, seconds).values()) * seconds


def mean_edp(system: str, changes: Mapping[str, Any], **device: Any) -> Any:
    """Return the geometric mean of the energy-delay products [J s] over the networks."""
    return np.exp(np.mean([np.log(edp(convolutions(system, name, **device), changes)) for name in NETWORKS], axis=0))


def albireo_edp(variant: str, mapping: str, network: str) -> float:
    """Return the energy-delay product [J s] of a network's convolutions on Albireo."""
    changes = {DEVICE + "dense": "skip", DEVICE + "mapping": mapping}
    return slipstick.estimate(network, f"albireo-{variant}", set=changes).value("edp.sample")


def drawn_factors(system: str, draws: int) -> dict[str, Any]:
    """Return the factors of every constant from memory, [draws], by its path."""
    generator, spec = np.random.default_rng(0), slipstick.system(system)
    factors: dict[str, Any] = {}
    for path in unverified_constants(spec):
        confidence = spec.sources[f"device.{path}"].rpartition("confidence ")[2]
        if path not in COUNTS and isinstance(convolutions(system, NETWORKS[0]).values.get(path), float):
            factors[path] = SPREADS[confidence] ** generator.uniform(-1, 1, draws)
    return factors


def table(draws: int, ng_factor: float) -> None:
    """Print the ratios of all pairs with their bands."""
    head = ("PhotoFourier", "Albireo", "use", *NETWORKS, "geometric mean", "5 %", "95 %")
    print("  ".join(f"{word:>14}" for word in head))
    cases = [("photofourier-cg", 1.0), ("photofourier-ng", ng_factor)]
    cases += [("photofourier-ng", REMEMBERED_FACTOR)] if ng_factor != REMEMBERED_FACTOR else []
    for system, factor in cases:
        own = {name: edp(convolutions(system, name), {"converter_factor": factor}) for name in NETWORKS}
        factors = drawn_factors(system, draws)
        factors["converter_factor"] = factor
        band = mean_edp(system, factors)
        label = system.removeprefix("photofourier-").upper() + ("" if factor == 1 else f" x{factor:g}")
        for variant in ("conservative", "moderate", "aggressive"):
            for mapping in ("peak", "mapped"):
                other = {name: albireo_edp(variant, mapping, name) for name in NETWORKS}
                ratios = [other[name] / own[name] for name in NETWORKS]
                mean, base = (float(np.exp(np.mean(np.log(list(each))))) for each in (ratios, other.values()))
                low, high = np.quantile(base / band, (0.05, 0.95))
                cells = [f"{value:.3g}" for value in (*ratios, mean, low, high)]
                print("  ".join(f"{word:>14}" for word in (label, variant, mapping, *cells)))


def elasticities(ng_factor: float) -> None:
    """Print d log EDP / d log of each constant, and of counts by doubling and halving them."""
    systems = {"photofourier-cg": 1.0, "photofourier-ng": ng_factor}
    print(f"\n{'elasticity of the EDP':22}      CG      NG")
    base = {system: float(mean_edp(system, {"converter_factor": factor})) for system, factor in systems.items()}
    for name in PARTS:
        row = ""
        for system, factor in systems.items():
            changes = {"converter_factor": factor, name: STEP * (factor if name == "converter_factor" else 1.0)}
            row += _slope(float(mean_edp(system, changes)), base[system], STEP)
        print(f"{name:22}{row}")
    counts: list[tuple[str, float]] = [(name, factor) for name in COUNTS for factor in (2.0, 0.5)]
    for name, times in (*counts, ("parallel_inputs", 2.0), ("pipelined", 0.5)):
        row = ""
        for system, factor in systems.items():
            value: Any = int(getattr(slipstick.system(system).device, name) * times)  # pipelined: from 1 to 0
            own = {name: value if name != "pipelined" else False}
            now = float(mean_edp(system, {"converter_factor": factor}, **own))
            row += _slope(now, base[system], times)
        print(f"{name:22}{row}  (times {times:g})")


def _slope(now: float, before: float, factor: float) -> str:
    return f"{np.log(now / before) / np.log(factor):8.2f}"


def main() -> None:
    """Print definitions, table and elasticities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--ng-factor", type=float, default=1.0)
    options = parser.parse_args()
    print((__doc__ or "").partition("\n\n")[2].partition("\n\n")[2])
    table(options.draws, options.ng_factor)
    elasticities(options.ng_factor)
    print(f"\npublished (abstract, seen): more than {PUBLISHED} times, of which pair and use is not known here")


if __name__ == "__main__":
    main()
