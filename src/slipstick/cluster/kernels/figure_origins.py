"""Origins of a report's figures: what time, memory, energy and cost rest on, and error bands of unmeasured devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from slipstick.cluster.constants.error_bands import _ErrorBand, error_bands
from slipstick.cluster.constants.links import _LinkConstants
from slipstick.cluster.constants.matmul import _KernelConstants
from slipstick.cluster.constants.prices import _Tariff
from slipstick.cluster.constants.step_constants import _StepConstants
from slipstick.cluster.kernels.chip import Chip
from slipstick.cluster.kernels.device_power import _PowerModel, power_shares
from slipstick.core.device_kinds import Accelerator
from slipstick.core.system import System
from slipstick.report.metric import PARTS, How, Metric, Tree

_COUNTED = "counted from sizes, formats and plan"
_KEPT = "activations: Korthikanti et al. 2205.05198; working memory and layers of single kernels: calibrated or by hand"
_GROUPS = {"memory": "memory", "energy": "energy", "carbon": "carbon", "cost": "cost"}  # every other rests on time
# prices hold whatever the time; waits and copies of a queue do not grow in proportion to it
_NO_BAND = ("cost.device_hour", "time.queue.", "load.")
_RATES = ("/s", "fraction")  # ends of units of rates, of which a short time gives a large one


@dataclass(frozen=True)
class _Origins:
    """Sources of the figures of one report by what they rest on, and the error band if the device was never measured.

    Attributes
    ----------
    sources : by "time", "memory", "reserve", "capacity", "energy", "carbon" and "cost".
    bands : by the figure's last name, "" for all others; empty where the device is calibrated.
    """

    sources: Mapping[str, str]
    bands: Mapping[str, _ErrorBand]

    @classmethod
    def of(cls, system: System, chip: Chip, format: str, phase: str, *, reserve: str = "", time: str = "") -> _Origins:
        """Return the origins of figures of a system in one phase.

        Parameters
        ----------
        format : number format of the matrix products.
        phase : train, prefill or decode, which chooses the error band.
        reserve : source of the memory that no plan can use.
        time : what else the times rest on.
        """
        bands = _bands(system, phase)
        sources = {
            "time": "; ".join(filter(None, (_time_source(system, chip, format), time, _band_source(bands)))),
            "memory": f"{_COUNTED}; {_KEPT}" if phase == "train" else _COUNTED,
            "reserve": reserve,
            "capacity": system.source_of(f"memory.{system.main_memory_name}.capacity"),
            "energy": _energy_source(system),
            "carbon": _carbon_source(system),
            "cost": _cost_source(system),
        }
        return cls(sources, bands)

    def marked(self, tree: Tree, path: str = "") -> dict[str, Any]:
        """Return a metric tree in which every figure without a source of its own has its source, origin and band."""
        return {
            name: self._metric(f"{path}{name}", child)
            if isinstance(child, Metric)
            else self.marked(child, f"{path}{name}.")
            for name, child in tree.items()
        }

    def _metric(self, path: str, metric: Metric) -> Metric:
        group, _, name = path.partition(".")
        if metric.source:
            return metric
        if path in ("memory.capacity", "memory.reserve"):
            source = self.sources[name]
            return replace(metric, how=_how(source), source=source)
        if path == "load.rate":
            return replace(metric, how="given", source="set by the user")
        basis = _GROUPS.get(name if group == "run" else group, "time")
        origin: How = "counted" if basis == "memory" else metric.how
        low, high = self._ends(path, metric) if basis in ("time", "cost") else (None, None)
        return replace(metric, how=origin, source=self.sources[basis], low=low, high=high)

    def _ends(self, path: str, metric: Metric) -> tuple[float | None, float | None]:
        """Return the ends of a figure's error band; none for calibrated devices, parts, prices and queues."""
        if not self.bands or f".{PARTS}." in path or path.startswith(_NO_BAND):
            return None, None
        band = self.bands.get(path.rpartition(".")[2], self.bands[""])
        low, high = band.around(metric.value, rate=metric.unit.endswith(_RATES))
        return low, max(metric.value, min(high, 1.0)) if metric.unit == "fraction" else high


def _bands(system: System, phase: str) -> dict[str, _ErrorBand]:
    """Return the error bands by the figure's name; none for a device measured by us or by the user's own rows."""
    if _calibrated(system) or system.calibration.source:
        return {}
    return {"": error_bands.entry(phase), "first_token": error_bands.entry("train" if phase == "train" else "prefill")}


def _calibrated(system: System) -> bool:
    """Return whether kernels and steps of the system's device generation were measured."""
    kernels, steps = _KernelConstants.of_generation(system.generation), _StepConstants.of_generation(system.generation)
    return kernels.calibrated and steps.calibrated


def _band_source(bands: Mapping[str, _ErrorBand]) -> str:
    if not bands:
        return ""
    band = bands[""]
    return (
        f"range: 10th to 90th percentile of {band.rows} {band.name} rows of {', '.join(band.generations)}, each "
        "answered as if nobody had measured it"
    )


def _time_source(system: System, chip: Chip, format: str) -> str:
    """Return what times rest on: kernels, steps, links and rates, each with its source."""
    rates = f"rates: {system.source_of(f'device.matrix.{format}') or 'source not stated'}"
    links = _links_source(system)
    own = f"scaled to measured rows: {system.calibration.source}" if system.calibration.source else ""
    if not _calibrated(system):
        nobody = "no kernel or step of this device was measured: generic constants"
        return "; ".join(filter(None, ("closed form on the data sheet", nobody, own, rates, links)))
    kernels = f"{chip.constants.name} kernels {chip.constants.source}"
    unmeasured = not chip.constants.measured(format)
    other = f"no {format} product of this generation was measured: constants of the nearest format"
    fitted = [name for name in chip.steps.sources if name != "largest_run"]  # which no time rests on
    steps = f"step constants of {chip.steps.name}: {chip.steps.origins(*fitted)}"
    return "; ".join(filter(None, ("closed form", kernels, other if unmeasured else "", steps, own, rates, links)))


def _links_source(system: System) -> str:
    if system.devices == 1:
        return ""
    links = [(tier.technology, _LinkConstants.of_technology(tier.technology)) for tier in system.network.values()]
    texts = [f"{name} {'calibrated' if own.calibrated else 'not calibrated'}" for name, own in links]
    return f"links: {', '.join(texts)}" if texts else ""


def _energy_source(system: System) -> str:
    """Return what energy rests on: unit energies, powers and the limit of the system, each with its source."""
    model = _PowerModel.of(system)
    if model is None:
        return ""
    stated = {
        "device.energy": system.device_as(Accelerator).energy,
        f"memory.{system.main_memory_name}.energy": system.main_memory.energy,
        **dict.fromkeys([f"network.{name}.energy" for name in system.network][:1], model.sent),
        "idle_power": system.idle_power,
        "overhead_power": system.overhead_power,
        "power": system.power,
    }
    texts = [f"{path}: {system.source_of(path) or 'not stated'}" for path, value in stated.items() if value is not None]
    shares = power_shares.entry("shares")
    texts += [f"rest of the chip: {shares.source_of('chip')}"] if model.chip else []
    texts += [f"{name}: derived from the power limit" for name in model.derived]
    return "; ".join(["unit energies and powers times operations, bytes and the time above", *texts])


def _carbon_source(system: System) -> str:
    """Return what carbon rests on: the energy above, and the building and the grid."""
    return f"the energy above; PUE: {_site_source(system, 'facility')}; grid: {_site_source(system, 'carbon')}"


def _cost_source(system: System) -> str:
    """Return what cost rests on: the rent, or the price with the table of a data centre, and the time above."""
    if system.rent is not None:
        return f"rent times the time above; rent: {system.source_of('rent') or 'not stated'}, no date recorded"
    price = f"price: {system.source_of('price') or 'not stated'}, no date recorded"
    electricity = f"electricity: {_site_source(system, 'electricity')}"
    return f"price, servers and electricity times the time above; {price}; {electricity}"


def _site_source(system: System, field: str) -> str:
    """Return the source of a field of the tariff: the system's own site, or the table of prices."""
    tariff = _Tariff.of(system)
    own = system.source_of(f"site.{field}") or "not stated"
    return own if field in tariff.stated else tariff.table.source_of(field)


def calibration_text(system: System, phase: str) -> str:
    """Return the mark and error band of a system that nobody measured, as a cell of a table; "" for all others.

    Examples
    --------
    >>> from slipstick.core.catalogue import resolve_system
    >>> calibration_text(resolve_system("dgx-h100"), "train")
    ''
    >>> calibration_text(resolve_system("mi300x"), "train").partition(":")[0]
    'uncalibrated'
    """
    if system.device.kind != Accelerator.model_fields["kind"].default:
        return ""
    bands = _bands(system, phase)
    return f"uncalibrated: {bands[''].low:.2f} to {bands[''].high:.2f} x" if bands else ""


def _how(source: str) -> How:
    """Return the origin of an input by its source: assumed where nobody read or measured it, else given."""
    return "assumed" if source.startswith(("assumed", "by hand", "between", "what most")) else "given"
