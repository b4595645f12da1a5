"""Firmware: outputs of compiled C are the runner's, on the host and in the emulator; folders and errors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trained.tflite_writer import small

pytest.importorskip("tflite")
pytest.importorskip("numba")

from slipstick.core.catalogue import resolve_system, systems
from slipstick.core.errors import SlipstickError
from slipstick.edge.emulator.toolchain import CORES
from slipstick.edge.firmware.c_values import comment
from slipstick.edge.firmware.code_size import _code_bytes
from slipstick.edge.firmware.firmware_build import Firmware, build_firmware
from slipstick.edge.firmware.folder import _MANIFEST, write_folder
from slipstick.edge.firmware.measured_run import run_firmware
from slipstick.edge.firmware.struct_sizes import _struct_sizes
from slipstick.edge.firmware.targets import _target_of
from slipstick.edge.kernels.firmware_kernels import KERNELS
from slipstick.edge.kernels.kernel import SOURCES
from slipstick.trained.integer.integer_network import IntegerNetwork
from slipstick.trained.tflite import parse_tflite

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=undefined,address"]
STRICT += ["-fno-sanitize-recover=all"]
HOSTILE = '*/ int evil(void) { return 1; } /* \\\n$(shell touch evil) `touch evil` "; #include "/etc/passwd" ??/'
BOARDS = {"cortex-m0plus": "pico", "cortex-m3": "nucleo-f103", "cortex-m4": "nucleo-f446", "cortex-m7": "nucleo-h743",
          "cortex-m33": "pico-2", "rv32imac": "esp32-c3-devkitm"}  # fmt: skip


def firmware_of(kind: str = "int8", board: str = "nucleo-f446", **changes: object) -> Firmware:
    network = replace(parse_tflite(small(kind), name="small"), **changes)  # type: ignore[arg-type]
    return build_firmware(network, resolve_system(board))


def host_run(folder: Path, *, source: str = "src/*.c") -> subprocess.CompletedProcess[str]:
    """Compile a firmware's folder with the host's compiler, its sanitizers on, and run its golden vectors."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this computer")
    files = [*map(str, sorted(folder.glob(source))), str(folder / "test/main.c")]
    command = [compiler, *STRICT, "-O1", "-DNETWORK_TEST_STDIO", f"-I{folder / 'src'}", *files, "-o", "host_test"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return subprocess.run(["./host_test"], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_the_folder_is_clean_on_the_host_and_equals_the_runner(kind: str, tmp_path: Path) -> None:
    firmware = firmware_of(kind)
    folder = write_folder(tmp_path / "out", firmware.files())
    ran = host_run(folder)
    assert (ran.returncode, ran.stdout) == (0, "network_test: 2 vectors, 0 bytes differ\n"), ran.stderr
    text = (folder / "src/network_test.c").read_text()
    row = re.search(r"\{\n  \{(-?\d+), ", text)
    assert row is not None
    other = text.replace(f"  {{{row[1]}, ", f"  {{{-1 - int(row[1])}, ", 1)  # one byte of the golden outputs changed
    (folder / "src/network_test.c").write_text(other)
    assert host_run(folder).stdout == "network_test: 2 vectors, 1 bytes differ\n"


@pytest.mark.parametrize("core", CORES)
def test_it_runs_in_the_emulator_as_predicted(core: str) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    raw = small("uint8" if core == "cortex-m4" else "int8")
    firmware = build_firmware(parse_tflite(raw), resolve_system(BOARDS[core]))
    run = run_firmware(firmware, raw)
    assert run.compared["runner"] == firmware.vectors.outputs.size
    assert run.compared.get("litert", run.compared["runner"]) == run.compared["runner"]
    assert run.arena == firmware.arena.size
    assert firmware.code is not None
    assert abs(firmware.flash - run.flash) <= 0.02 * run.flash
    assert run.instructions == sum(run.by_function.values())
    own = run.by_function["network_run"]
    assert 0 < run.instructions - sum(run.by_layer) <= own + 20 * firmware.source.arrays  # copies at both ends
    assert all(count > 0 for count in run.by_layer)
    assert 0 < run.stack < 1024


def test_a_wrong_byte_is_an_error() -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    firmware = firmware_of()
    firmware.__dict__["vectors"] = replace(firmware.vectors, outputs=firmware.vectors.outputs ^ np.int8(1))
    with pytest.raises(SlipstickError, match="output bytes of the firmware differ from the bit-true runner"):
        run_firmware(firmware)


@pytest.mark.parametrize("base", ["nucleo-f446", "pico", "esp32-c3-devkitm"])
def test_hostile_names_stay_out_of_every_file(base: str, tmp_path: Path) -> None:
    network: IntegerNetwork = parse_tflite(small("int8"), name=HOSTILE)
    tensors = tuple(replace(tensor, name=f"{HOSTILE}{place}") for place, tensor in enumerate(network.tensors))
    system = resolve_system(base)
    hostile = system.model_copy(update={"name": HOSTILE})
    target = replace(_target_of(hostile), names=_target_of(system).names)  # with the projects of the board's own name
    firmware = replace(build_firmware(replace(network, tensors=tensors), hostile), target=target)
    folder = write_folder(tmp_path / "out", firmware.files())
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            for word in ("evil(", "$(shell", "`touch", "/etc/passwd", "??/", "*/ int", "\\\n$", '"; #include'):
                assert word not in text, path
    assert list(folder.rglob("platformio.ini"))
    assert host_run(folder).returncode == 0
    assert not list(tmp_path.rglob("evil"))


def test_comments_hold_names_and_nothing_else() -> None:
    assert comment("model/conv2d:0") == "model_conv2d:0"
    assert comment("*/\n\\?`$(x)") == "_" * 8 + "x_"
    assert len(comment("a" * 5000)) < 100


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    files = {"a.txt": b"a", "deep/b.txt": b"b"}
    write_folder(tmp_path / "new" / "out", files)
    assert (tmp_path / "new/out/deep/b.txt").read_bytes() == b"b"
    with pytest.raises(SlipstickError, match="holds files already"):
        write_folder(tmp_path / "new/out", files)
    write_folder(tmp_path / "new/out", {"c.txt": b"c"}, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "new/out").rglob("*")) == [_MANIFEST, "c.txt"]
    (tmp_path / "new/out/mine.txt").write_text("not yours")
    with pytest.raises(SlipstickError, match=r"did not write, such as 'mine\.txt'"):
        write_folder(tmp_path / "new/out", files, overwrite=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    with pytest.raises(SlipstickError, match="not a folder's name"):
        write_folder(tmp_path / "a\0b", files)
    for name in ("file", "link"):
        with pytest.raises(SlipstickError, match="not a folder"):
            write_folder(tmp_path / name, files, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "new"]
    assert not list(tmp_path.rglob(".*"))


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SlipstickError, match="File name too long"):
        write_folder(tmp_path / "out", {"a.txt": b"a", "b" * 300: b"b"})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(SlipstickError, match="cannot be written"):
        write_folder(tmp_path / "closed" / "out", {"a.txt": b"a"})


def test_what_a_board_does_not_hold_is_refused() -> None:
    for path, word in (("flash", "code and weights need"), ("sram", "the arena needs")):
        system = resolve_system("nucleo-f446")
        small_memory = system.memory[path].model_copy(update={"capacity": 300})
        tiny = system.model_copy(update={"memory": {**system.memory, path: small_memory}})
        with pytest.raises(SlipstickError, match=rf"system\.memory\.{path}\.capacity: {word}"):
            build_firmware(parse_tflite(small("int8")), tiny)


def test_every_board_has_a_folder() -> None:
    names = [name for name in systems.names() if resolve_system(name).device.kind == "board"]
    assert len(names) > 10
    for name in names:
        files = firmware_of(board=name).files()
        assert {"src/network.c", "src/network.h", "src/nn.h", "Makefile", "README.md"} <= set(files), name
        assert "@" not in files["Makefile"].decode().replace("@mkdir", "").replace("$@", ""), name


def test_structs_are_as_large_as_compilers_make_them(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    header = (SOURCES / "nn.h").read_text()
    sizes = _struct_sizes([header])
    assert {"nn_conv", "nn_add", "nn_pool", "nn_softmax"} <= set(sizes)
    if compiler is None:
        pytest.skip("no C compiler on this computer")
    for name in ("nn_scaling", "nn_add", "nn_pool", "nn_mean", "nn_pad", "nn_softmax", "nn_requantize"):
        check = f'#include "nn.h"\n_Static_assert(sizeof({name}) == {sizes[name]}, "size");\n'
        (tmp_path / "size.c").write_text(check)
        subprocess.run([compiler, f"-I{SOURCES}", "-c", "size.c", "-o", "size.o"], cwd=tmp_path, check=True)
    assert sizes["nn_conv"] == 40


def test_the_code_of_every_kernel_is_measured() -> None:
    for board in BOARDS.values():
        target = _target_of(resolve_system(board))
        entry = _code_bytes.entry(target.core.name)
        missing = [k.symbol for k in KERNELS if k.requires <= target.features and k.symbol not in entry.kernels]
        assert not missing, "python benchmarks/firmware_code_size.py --write"


def test_the_arena_lies_in_the_first_memory_that_holds_it() -> None:
    firmware = build_firmware(parse_tflite(small("int8"), name="small"), resolve_system("esp-eye"))
    assert firmware.target.ram_name == "sram"
    system = resolve_system("esp-eye")
    sram = system.memory["sram"].model_copy(update={"capacity": float(firmware.arena.size - 1)})
    tight = system.model_copy(update={"memory": {**system.memory, "sram": sram}})
    assert build_firmware(parse_tflite(small("int8"), name="small"), tight).target.ram_name == "psram"
