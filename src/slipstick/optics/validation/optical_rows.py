"""Suite of optics: Albireo's powers and areas, and counts of shots of an independent draft, beside ours."""

from __future__ import annotations

import re

from slipstick.core.catalogue import resolve_system
from slipstick.core.convolution_geometry import ConvolutionGeometry
from slipstick.core.workload import Phase
from slipstick.networks import network
from slipstick.optics.layer_shots import Split, optical_layers, shot_counts
from slipstick.optics.photonic_array import PhotonicArray
from slipstick.optics.row_tiling import CorrelatorInput, row_tiling
from slipstick.report.published import PaperSuite, Row, RowDict, is_recollected, number, register_suite
from slipstick.report.row_texts import require_unit

_ALBIREO = "Albireo (ISCA 2021)"
_CHIP = "9 PLCG, 3 PLCU"
_DRAFT = "own computation"
_PARTS = {
    "AWG": "awg", "star coupler": "star_coupler", "laser": "laser", "MZM": "mzm", "MRR": "mrr", "ADC": "adc",
    "DAC": "dac", "TIA": "tia", "cache": "cache", "photodiode": "photodiode",
}  # fmt: skip
_CONFIG = re.compile(r"N_conv=(\d+), zero guard=(no|yes)")
_IMAGE = re.compile(r"(\d+)x(\d+), 3x3")
_NETWORKS = {"alexnet": "alexnet", "vgg16": "vgg-16", "resnet18": "resnet-18"}
_ALEXNET = "the draft has 224 rows of results in the first convolution, where 11x11 with padding 2 gives 218"
_ROUNDED = "printed to two decimals, half of the last of which is 5 mW"
_Answer = tuple[float, str, str, str]  # ours, its unit, kind, note


def _row(row: RowDict, case: str) -> Row | str:
    """Return our figure beside a row's, in its unit, or the reason why there is none."""
    if is_recollected(row):
        return "from memory: nothing is compared with it"
    answer = _answer(row)
    if isinstance(answer, str):
        return answer
    ours, unit, kind, note = answer
    require_unit(row, unit)
    return Row(case, kind, number(row, "value", case=case), ours, unit, f"{row['paper']}, {row['table']}", note)


def _answer(row: RowDict) -> _Answer | str:
    if row["paper"] == _ALBIREO:
        return _albireo(row)
    if row["paper"] == _DRAFT and row["table"] == "row-tiling shots":
        return _network_shots(row)
    if row["paper"] == _DRAFT and row["table"] == "row-tiling shots per 2-D convolution":
        return _image_shots(row)
    return "another system, or a figure that needs more than a system's description"


def _albireo(row: RowDict) -> _Answer | str:
    name, separator, _ = row["metric"].partition(" power")
    part = _PARTS.get(name.partition(" share")[0], "")
    if row["model"] != _CHIP:
        return "another chip than that of the description"
    if row["table"] == "Table III":
        if not separator or not (part or name == "total"):
            return "a part that the description does not tell apart"
        power = resolve_system(f"albireo-{row['config']}").device_as(PhotonicArray).power_parts
        if part:
            return power[part], "W", "power", _ROUNDED
        return sum(power.values()), "W", "total power", ""
    if row["table"] != "Fig 9":
        return "an input of the model: slipstick show albireo-conservative"
    area = resolve_system("albireo-moderate").device_as(PhotonicArray).area_parts
    total = sum(area.values())
    if part:
        return 1e2 * area[part] / total, "%", "share of area", ""
    return total * 1e6, "mm2", "area", ""  # mm2 of a m2


def _light(row: RowDict) -> CorrelatorInput | None:
    match = _CONFIG.match(row["config"])
    return CorrelatorInput(int(match[1]), guard="none" if match[2] == "no" else "full") if match else None


def _network_shots(row: RowDict) -> _Answer | str:
    light, name = _light(row), _NETWORKS.get(row["model"])
    if light is None or name is None:
        return "a network or a layout of another description"
    layers = optical_layers(network(name).ops(Phase.INFER, 1, 1, 1))
    shots = sum(shot_counts(layer, light, Split()).shots for layer in layers if layer.kind != "dense")
    return float(shots), "shots", "shots", _ALEXNET if name == "alexnet" else ""


def _image_shots(row: RowDict) -> _Answer | str:
    light, image = _light(row), _IMAGE.fullmatch(row["model"])
    if light is None or image is None:
        return "an image or a layout of another description"
    geometry = ConvolutionGeometry((int(image[1]), int(image[2])), (3, 3), padding=((1, 1), (1, 1)))
    return float(sum(tiling.count for tiling in row_tiling(geometry, light))), "shots", "shots", ""


def _recognises(row: RowDict) -> bool:
    """Return whether a row is of this suite: Albireo's table, or a draft of row tiling."""
    return row["paper"] == _ALBIREO or row["table"].startswith("row-tiling")


SUITE = register_suite(
    PaperSuite(
        name="optics",
        columns=frozenset(("paper", "table", "model", "config", "metric", "value", "unit", "source", "seen_or_memory")),
        about="photonic accelerators: Albireo's powers and areas; shots of row tiling",
        recognise=_recognises,
        case=lambda row: f"{row['paper']}, {row['table']}, {row['model']}, {row['config']}: {row['metric']}",
        answer=_row,
    )
)
