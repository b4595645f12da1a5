"""Packages that add to slipstick by entry points: found where needed, one clear error where they are broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import slipstick
from commands import Result
from installed import package
from slipstick.core.catalogue import systems
from slipstick.core.device import device_kinds
from slipstick.core.errors import SlipstickError
from slipstick.core.plugins import check_plugins, installed_plugins, working
from slipstick.engines.table import ENGINES, engines

Cli = Callable[..., Result]

TOY = """
from pathlib import Path
from typing import Literal
from slipstick.core.device import Device
from slipstick.core.workload import Phase
from slipstick.engines.table import Engine

class Toy(Device):
    kind: Literal["toy"] = "toy"
    speed: float = 1.0

ROW = Engine("estimate", "toy", ("graph",), (Phase.INFER,), (), "nowhere:estimate")
ROWS = [ROW, Engine("simulate", "toy", ("graph",), (Phase.INFER,), (), "nowhere:simulate")]
MEMORY = {"ram": {"capacity": "1 GiB"}}
SYSTEMS = {"toy-1": {"device": {"kind": "toy"}, "memory": MEMORY}, "toy-2": {"base": "toy-1", "devices": 2}}
FOLDER = Path(__file__).parent / "files"
NOTHING, NO_DEVICE = 3, str
TAKEN = {"H100-SXM-80gb": SYSTEMS["toy-1"]}

class Other(Device):
    kind: Literal["array"] = "array"
"""


def plugged(folder: Path, **entries: str) -> Any:
    """Install the toy package with one entry point in each group that is named, such as ``devices="Toy"``."""
    groups = {f"slipstick.{group}": {"toy": f"toy_package:{value}"} for group, value in entries.items()}
    return package(folder, "slipstick-toy", {"toy_package": TOY}, groups)


def test_a_plugin_names_its_package_and_is_imported_when_it_is_asked_for(tmp_path: Path) -> None:
    with package(tmp_path, "slipstick-toy", {"toy_package": "1 / 0"}, {"slipstick.x": {"toy": "toy_package:X"}}):
        (plugin,) = installed_plugins("slipstick.x")
        assert plugin.package == "slipstick-toy 0.1"
        with pytest.raises(
            SlipstickError, match=r"slipstick-toy 0.1: the entry point toy of slipstick.x does not load"
        ):
            check_plugins("slipstick.x", lambda plugin: plugin.value)
        assert list(working("slipstick.x", lambda plugin: plugin.value)) == []
    assert installed_plugins("slipstick.x") == ()


def test_devices_engines_and_systems_join_the_house(tmp_path: Path) -> None:
    with plugged(tmp_path, devices="Toy", engines="ROWS", systems="SYSTEMS"):
        assert device_kinds()["toy"].__name__ == "Toy"
        assert [row.verb for row in engines()[len(ENGINES) :]] == ["estimate", "simulate"]
        assert systems.names()[-2:] == ["toy-1", "toy-2"]
        assert systems.resolve("TOY-2").devices == systems.resolve("toy-1:2").devices == 2
        assert systems.resolve("toy-2").name == "toy-2"
        assert (
            systems.resolve({"base": "toy-1", "name": "mine", "device": {"kind": "toy", "speed": 3}}).device.speed == 3
        )
        assert "toy-1" in [row[0] for row in slipstick.list("systems", kind="toy").breakdowns["systems"].rows]
    assert "toy" not in device_kinds()
    assert engines() == ENGINES
    assert systems.get("toy-1") is None


def test_one_row_is_an_entry_point_too(tmp_path: Path) -> None:
    with plugged(tmp_path, engines="ROW"):
        assert engines()[-1].device == "toy"
    assert engines() == ENGINES


@pytest.mark.parametrize("entry", ["FOLDER", "str(FOLDER)"])
def test_a_folder_of_yaml_files_brings_systems(tmp_path: Path, entry: str) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "my-array.yaml").write_text("base: swis-8x8\nsource: mine\ndevice: {rows: 4}\n")
    (files / "mine.yaml").write_text("base: ./my-array.yaml\ndevices: 1\n")
    text = f"{TOY}\nTHE_FOLDER = {entry}\n"
    with package(
        tmp_path, "slipstick-toy", {"toy_package": text}, {"slipstick.systems": {"t": "toy_package:THE_FOLDER"}}
    ):
        assert systems.names()[-2:] == ["mine", "my-array"]
        assert systems.resolve("mine").device.rows == systems.resolve("my-array").device.rows == 4
        assert slipstick.estimate("resnet-18", "my-array").value("time.step") > 0


@pytest.mark.parametrize(
    ("group", "value", "said"),
    [
        ("devices", "NOTHING", "loads to no kind of device"),
        ("devices", "NO_DEVICE", "loads to no kind of device"),
        ("devices", "Other", "brings the kind 'array', which is registered already"),
        ("devices", "Absent", r"does not load \(AttributeError"),
        ("engines", "NOTHING", "loads to no Engine"),
        ("engines", "Toy", "loads to no Engine"),
        ("systems", "NOTHING", "loads to no catalogue entries"),
        ("systems", "FOLDER", "loads to no catalogue entries"),
        ("systems", "MEMORY", "mend or uninstall the package|device: is missing"),
        ("systems", "TAKEN", "brings the system 'H100-SXM-80gb', which slipstick has itself"),
    ],
)
def test_a_broken_plugin_is_one_error_where_it_might_have_answered(
    tmp_path: Path, cli: Cli, group: str, value: str, said: str
) -> None:
    asks: dict[str, Callable[[], object]] = {
        "devices": lambda: systems.resolve({"name": "x", "device": {"kind": "toy"}, "memory": {}}),
        "engines": lambda: slipstick.list("engines"),
        "systems": lambda: slipstick.list("systems"),
    }
    with plugged(tmp_path, **{group: value}):
        with pytest.raises(SlipstickError, match=said) as caught:
            asks[group]()
        assert "slipstick-toy 0.1" in str(caught.value)
        assert cli("--help").code == 0
        for name in ("workloads", "formats", "engines", "systems"):
            assert cli("list", name).code == (2 if name == group else 0)
        overview = cli("list")
        assert overview.code == 0
        assert ("slipstick-toy" in overview.out) == (group != "devices")
        assert cli("estimate", "resnet-18", "swis-8x8").code == 0, "what needs no plug-in goes on"
        assert cli("show", "resnet-18").code == 0


def test_a_question_that_nothing_takes_names_the_broken_plugin_instead(tmp_path: Path) -> None:
    with plugged(tmp_path, engines="NOTHING"), pytest.raises(SlipstickError, match="slipstick-toy"):
        slipstick.estimate("llama-3.1-8b", "swis-8x8")
    with plugged(tmp_path / "again", devices="Absent"), pytest.raises(SlipstickError, match="slipstick-toy"):
        systems.resolve({"name": "x", "device": {"kind": "toy"}, "memory": {}})


def test_an_engine_whose_function_is_not_there_is_one_error(tmp_path: Path) -> None:
    with (
        plugged(tmp_path, devices="Toy", engines="ROW", systems="SYSTEMS"),
        pytest.raises(
            SlipstickError, match=r"the engine of `estimate` on toy devices does not load \(No module named 'nowh"
        ),
    ):
        slipstick.estimate("resnet-18", "toy-1")
