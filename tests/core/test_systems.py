"""Every system of the catalogue, and the technology tables beside it, without a line of code per system."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import ROOT
from shared_data import REFERENCE
from slipstick.cluster.constants.links import link_constants
from slipstick.core.catalogue import resolve_system, systems
from slipstick.core.device_kinds import Accelerator
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import leaves
from slipstick.core.system import System
from slipstick.tech import dram_generations, nodes

GIB, GB, TERA = 2.0**30, 1e9, 1e12
NAMES = systems.names()
CHIPS = [name for name in NAMES if isinstance(resolve_system(name).device, Accelerator)]
TEXTS = ("name", "aliases", "source", "note", "calibration", "vendor", "year", "generation")
MARKS = (
    "vendor",
    "recollection",
    "assumed",
    "derived",
    "DeepFlow",
    "data/",
    "inferred",
    "arXiv",
    "definition",
    "seen",
    "from memory",
)

SHEET = REFERENCE / "accelerators.csv"
ROWS = list(csv.DictReader(SHEET.read_text("utf-8").splitlines())) if SHEET.exists() else []
sheet = pytest.mark.skipif(not ROWS, reason=f"{SHEET} is not here")
SPELLING = {
    "GB200 (per GPU, NVL72)": "gb200",
    "GB300 (per GPU, NVL72)": "gb300",
}  # names of the sheet that are no aliases


@pytest.mark.parametrize("name", NAMES)
def test_every_leaf_has_a_source(name: str) -> None:
    system = resolve_system(name)
    for path, value in leaves(system).items():
        if path.startswith(TEXTS) or value in ("", 0, None, ()):
            continue
        assert any(mark in system.source_of(path) for mark in MARKS), path
    assert set(system.sources) <= {*leaves(system), *_groups(system)}, "a source for what is not there"


def _groups(system: System) -> Iterator[str]:
    for path in leaves(system):
        while "." in path:
            path = path.rpartition(".")[0]
            yield path


@pytest.mark.parametrize("name", CHIPS)
def test_a_machine_is_plausible(name: str) -> None:
    system = resolve_system(name)
    device, memory = system.device_as(Accelerator), system.main_memory
    assert system.name == name
    assert all((system.vendor, system.year, system.node, system.host))
    assert memory.bandwidth
    assert memory.technology in dram_generations.names()
    assert system.node in nodes.names()
    assert device.energy
    assert memory.energy
    assert system.power
    assert system.idle_power
    links = sum(tier.bandwidth * (tier.energy or 0.0) for tier in system.network.values())
    spent = device.matrix["bf16"] * device.energy + memory.bandwidth * memory.energy + links
    assert 0.6 * system.power < spent + system.idle_power < 1.05 * system.power  # links are never full beside cores
    assert spent - links + system.idle_power < system.power
    assert all((part.energy or 0.0) < memory.energy for part in system.memory.values() if part is not memory), "caches"
    assert list(system.network.values())[-1].domain is None, "the outermost tier joins everything"


@pytest.mark.parametrize("name", NAMES)
def test_links_have_constants(name: str) -> None:
    known = set(link_constants.names())
    assert {tier.technology for tier in resolve_system(name).network.values()} <= known


@pytest.mark.parametrize("name", NAMES)
def test_inner_tiers_are_faster_and_within_the_machine(name: str) -> None:
    system = resolve_system(name)
    rates = [tier.bandwidth for tier in system.network.values()]
    assert rates == sorted(rates, reverse=True)


def test_names_and_aliases_are_unique() -> None:
    aliases = [alias for _, system in systems.items() for alias in system.aliases]
    counted = Counter(text.casefold() for text in [*aliases, *NAMES])
    assert [text for text, times in counted.items() if times > 1] == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A100-SXM-80GB", "a100-sxm-80gb"),
        ("H100-SXM-80GB", "h100-sxm-80gb"),
        ("B200", "b200-sxm-180gb"),
        ("L40S", "l40s"),
        ("TPU v5p", "tpu-v5p"),
        ("TPU v5e", "tpu-v5e"),
        ("a100_sxm", "a100-sxm-80gb"),
        ("h100_sxm", "h100-sxm-80gb"),
        ("b200_sxm", "b200-sxm-180gb"),
        ("MI300X", "mi300x"),
        ("gb200", "gb200-nvl72"),
        ("B300", "b300-sxm-288gb"),
    ],
)
def test_names_of_the_reference_files(text: str, name: str) -> None:
    assert systems.find(text) == name


def test_count_scales_and_nodes_have_theirs() -> None:
    assert resolve_system("a100:64").devices == 64
    assert {n: resolve_system(n).devices for n in ("dgx1-v100", "dgx2-v100", "dgx-a100", "tpu-v5p-pod")} == {
        "dgx1-v100": 8,
        "dgx2-v100": 16,
        "dgx-a100": 8,
        "tpu-v5p-pod": 8960,
    }


def test_a_cluster_is_its_device() -> None:
    node, device = resolve_system("dgx-h100"), resolve_system("h100")
    assert (node.device, node.memory, node.power) == (device.device, device.memory, device.power)
    assert node.source_of("memory.hbm.bandwidth") == device.source_of("memory.hbm.bandwidth")


def test_the_seven_systems_of_the_study() -> None:
    names = ["a100-hdr", "h100-ndr", "h100-nvs", "h200-nvs-l", "b200-ndr", "b200-nvs", "b200-nvs-l"]
    found = [resolve_system(name) for name in names]
    assert all("from memory" in system.note for system in found)
    for system in found:
        domains = [tier.domain for tier in system.network.values() if tier.domain]
        assert (max(domains) > 8) == ("nvs" in system.name)


@sheet
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_the_catalogue_is_the_sheet(row: dict[str, str]) -> None:
    system = resolve_system(SPELLING.get(row["name"], row["name"]))
    assert system.devices == 1
    for said, value in _facts(row, system):
        assert value == pytest.approx(said, rel=1e-9)
    inner = next(iter(system.network.values())).bandwidth
    if row["scaleup_link"].endswith("RoCE"):
        inner = sum(tier.bandwidth for tier in system.network.values())  # the sheet counts the links out of the node
    assert inner == pytest.approx(float(row["scaleup_gbps_bidir_per_gpu"]) / 2 * GB)
    assert (system.vendor, system.year) == (row["vendor"], int(row["year"]))
    if row["process_nm"]:
        assert system.node == f"{row['process_nm'].split('/')[0]}nm"
    if "recollection" not in system.source:
        assert row["seen_or_memory"] == "seen"


def _facts(row: dict[str, str], system: System) -> Iterator[tuple[float, float | None]]:
    """Yield what the sheet says and what the catalogue says, wherever the sheet has a plain number."""
    device, memory = system.device_as(Accelerator), system.memory
    rates = {**device.vector, **device.matrix}
    units = {"fp64_tflops": "fp64", "tf32_tflops": "tf32", "fp16_bf16_dense_tflops": "bf16", "fp8_dense_tflops": "fp8"}
    units |= {"fp4_dense_tflops": "nvfp4", "int8_dense_tops": "int8"}
    facts: list[tuple[str, float, float | None]] = [(key, TERA, rates.get(name)) for key, name in units.items()]
    facts += [
        ("fp16_vector_tflops", TERA, device.vector.get("fp16")),
        ("fp32_vector_tflops", TERA, device.vector.get("fp32")),
        ("hbm_gb", GIB, system.main_memory.capacity),
        ("hbm_gbps", GB, system.main_memory.bandwidth),
        ("sm_or_core_count", 1, device.cores),
        ("boost_mhz", 1e6, device.clock),
        ("l2_mb", 1e6, memory["l2"].capacity if "l2" in memory else None),
        ("l2_gbps", GB, memory["l2"].bandwidth if "l2" in memory else None),
        ("smem_kb_per_sm", 1024, memory["shared"].capacity if "shared" in memory else None),
        ("tdp_w", 1, system.power),
        ("die_mm2", 1e-6, system.area),
        ("indicative_price_usd", 1, system.price),
    ]
    for key, one, value in facts:
        if re.fullmatch(r"[\d.]+", row[key]):
            yield float(row[key]) * one, value


def test_energies_of_memories_are_the_tables() -> None:
    for name in CHIPS:
        memory = resolve_system(name).main_memory
        assert memory.energy == pytest.approx(dram_generations.entry(memory.technology).energy)


EXAMPLES = sorted((ROOT / "examples" / "systems").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_fields_that_an_example_marks_with_a_star_are_those_that_are_required(path: Path, tmp_path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    starred = {number for number, line in enumerate(lines) if "# *" in line}
    fields = {number for number, line in enumerate(lines) if re.match(r" *\w", line)}
    required = {number for number in fields if not _loads(_without(lines, number), tmp_path)}
    assert required == starred
    assert _loads(lines, tmp_path)
    told = {leaf for leaf in leaves(resolve_system(path)) if leaf.startswith("device.")}
    assert all(f" {leaf.removeprefix('device.').partition('.')[0]}:" in "\n".join(lines) for leaf in told)


def _without(lines: list[str], number: int) -> list[str]:
    """Return the lines of a YAML file without one field and all that stands below it."""
    depth = len(lines[number]) - len(lines[number].lstrip())
    below = itertools.takewhile(lambda line: line.startswith(" " * (depth + 1)), lines[number + 1 :])
    return lines[:number] + lines[number + 1 + len(list(below)) :]


def _loads(lines: list[str], folder: Path) -> bool:
    file = folder / "system.yaml"
    file.write_text("\n".join(lines))
    try:
        system = resolve_system(file)
    except SlipstickError:
        return False
    return bool(system.main_memory.bandwidth)
