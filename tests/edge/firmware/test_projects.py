"""Projects of a firmware's folder: what PlatformIO, ESP-IDF, Arduino and CMake ask of theirs, for every board."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from trained.tflite_writer import small

pytest.importorskip("tflite")
pytest.importorskip("numba")

from slipstick.core.catalogue import resolve_system, systems
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.folder import write_folder
from slipstick.edge.firmware.targets import _target_of, _tool_names
from slipstick.trained.tflite import parse_tflite

BOARDS = [name for name, system in systems.items() if system.device.kind == "board"]
CATEGORIES = (  # docs.arduino.cc/arduino-cli/library-specification
    "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
    "Data Processing", "Other",
)  # fmt: skip


@pytest.fixture(scope="module", params=BOARDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    firmware = build_firmware(parse_tflite(small("int8"), name="small"), resolve_system(request.param))
    return write_folder(tmp_path_factory.mktemp("projects") / request.param, firmware.files())


def test_platformio_finds_its_sources(folder: Path) -> None:
    names = _target_of(resolve_system(folder.name)).names
    files = list(folder.rglob("platformio.ini"))
    assert len(files) == bool(names.platform)
    for file in files:
        project = configparser.ConfigParser()
        project.read(file)
        section = project["env:network"]
        assert (section["platform"], section["board"]) == (names.platform, names.platform_board)
        assert section["framework"] == names.framework
        sources = (file.parent / project["platformio"]["src_dir"]).resolve()
        assert sources.is_dir()
        for pattern in re.findall(r"\+<([^>]*)>", section.get("build_src_filter", "")):
            assert list(sources.glob(pattern)) or (sources / pattern).exists(), pattern
        if (
            names.framework == "arduino"
        ):  # its core has main(), which calls the sketch's; sketches lie in src_dir itself
            assert [path.name for path in sources.glob("*.ino")] == ["network_test.ino"]
            assert "main.c" not in section["build_src_filter"]
        if names.framework == "espidf":  # CMake of ESP-IDF runs in the project's folder
            assert "project.cmake" in (file.parent / "CMakeLists.txt").read_text()
            assert "idf_component_register" in (sources / "CMakeLists.txt").read_text()


def test_the_arduino_library_has_what_the_specification_asks(folder: Path) -> None:
    lines = (folder / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    required = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures")
    assert all(fields[name] for name in required)
    assert fields["category"] in CATEGORIES
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert (folder / "src" / fields["includes"]).is_file()
    for sketch in folder.glob("examples/*/*.ino"):
        assert sketch.stem == sketch.parent.name


def test_every_build_takes_assembly_and_c(folder: Path) -> None:
    for name in ("CMakeLists.txt", "esp-idf/main/CMakeLists.txt", "Makefile"):
        text = (folder / name).read_text()
        assert "src/*.c" in text, name
        assert "src/*.S" in text, name


def test_a_bare_image_that_does_not_start_is_said(folder: Path) -> None:
    boot = _target_of(resolve_system(folder.name)).names.boot
    assert (boot in (folder / "README.md").read_text()) if boot else True
    assert bool(boot) == (folder.name in ("pico", "pico-2", "pico-2-riscv", "esp32-c3-devkitm"))


def test_every_row_says_where_it_is_from() -> None:
    for name, row in _tool_names.items():
        assert row.source.startswith(("vendor, seen: ", "recollection: ")), name


def test_a_cross_build_by_cmake_has_every_kernel(tmp_path: Path) -> None:
    for program in ("cmake", "arm-none-eabi-gcc", "arm-none-eabi-nm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    firmware = build_firmware(parse_tflite(small("int8"), name="small"), resolve_system("nucleo-f446"))
    folder = write_folder(tmp_path / "out", firmware.files())
    machine = "-mcpu=cortex-m4 -mthumb"
    options = {
        "CMAKE_SYSTEM_NAME": "Generic", "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_C_COMPILER": "arm-none-eabi-gcc", "CMAKE_ASM_COMPILER": "arm-none-eabi-gcc", "CMAKE_ASM_FLAGS": machine,
        "CMAKE_C_FLAGS": f"{machine} -O2 -Wall -Wextra -Wconversion -Werror",
    }  # fmt: skip
    given = [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(
        ["cmake", "-S", ".", "-B", "cross", *given], cwd=folder, check=True, capture_output=True, timeout=120
    )
    subprocess.run(["cmake", "--build", "cross"], cwd=folder, check=True, capture_output=True, timeout=120)
    listed = subprocess.run(
        ["arm-none-eabi-nm", "cross/libnetwork.a"], cwd=folder, capture_output=True, text=True, check=True
    )
    symbols = [line.split()[-2:] for line in listed.stdout.splitlines() if len(line.split()) > 1]
    wanted, had = (
        {name for kind, name in symbols if kind in kinds and name.startswith("nn_")} for kinds in ("U", "Tt")
    )
    assert wanted <= had
