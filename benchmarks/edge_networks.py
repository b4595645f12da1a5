"""Networks of MLPerf Tiny and MobileNetV1-0.25 as firmware on five cores, executed in the emulator.

    python benchmarks/edge_networks.py             all networks on all boards (about 15 minutes on one core)
    python benchmarks/edge_networks.py kws pico    only where every word stands in "network board"

Every output byte is compared with the bit-true runner and with LiteRT's reference kernels; predicted flash and arena
with the linked image. Where gcc and QEMU are installed, gcc compiles the folder as well, and QEMU runs it from reset.
One line a goal; exit code 0 either way. Networks: SLIPSTICK_DATA or ../shared.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from slipstick.core.catalogue import systems
from slipstick.core.errors import SlipstickError
from slipstick.edge.firmware.firmware_build import Firmware, build_firmware
from slipstick.edge.firmware.folder import write_folder
from slipstick.edge.firmware.measured_run import FirmwareRun, run_firmware
from slipstick.trained.tflite import parse_tflite

_SHARED = Path(os.environ.get("SLIPSTICK_DATA") or Path(__file__).parents[2] / "shared")
NETWORKS = {
    "ad": "mlperf_tiny_models/ad01_int8.tflite",
    "wake-word": "mlperf_tiny_models/str_ww_ref_model.tflite",
    "kws": "mlperf_tiny_models/kws_ref_model.tflite",
    "resnet-8": "mlperf_tiny_models/pretrainedResnet_quant.tflite",
    "vww": "mlperf_tiny_models/vww_96_int8.tflite",
    "mobilenet-0.25-128": "mobilenet_tflite/mobilenet_v1_0.25_128_quant.tflite",
}
BOARDS = {
    "pico": "M0+", "nucleo-f207": "M3", "nucleo-f446": "M4", "nucleo-h743": "M7", "esp32-c3-devkitm": "RV32",
}  # fmt: skip
MACHINES = {  # board -> QEMU's machine, core, origin of flash and memory there (None: as the board's)
    "nucleo-f207": ("netduino2", "cortex-m3", None),
    "nucleo-f446": ("netduinoplus2", "cortex-m4", None),
    "nucleo-h743": ("mps2-an500", "cortex-m7", (0x00000000, 0x20000000)),
}
GCC, QEMU = "arm-none-eabi-gcc", "qemu-system-arm"
ENDING = """#include "network_test.h"

/* Golden vectors, and the end of the emulation with exit status 0 where every byte is equal (semihosting). */
int main(void) {
  const unsigned block[2] = {0x20026u, network_test() != 0};
  register unsigned call __asm__("r0") = 0x20u;
  register const unsigned *argument __asm__("r1") = block;
  __asm__ volatile("bkpt 0xab" : "+r"(call) : "r"(argument) : "memory");
  return 0;
}
"""
FLASH_BAND = 0.02  # of predicted over linked
QEMU_SECONDS = 300.0  # after which a hanging image is given up
SECONDS = 60.0  # of a newcomer's emit, compile and run
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=undefined,address"]


@dataclass(frozen=True)
class Result:
    """Firmware of a network on a board, its run, and the seconds of both."""

    network: str
    board: str
    run: FirmwareRun
    seconds: float


def goal(name: str, reached: str, wanted: str, met: bool) -> None:
    print(f"goal: {name} | reached {reached} | wanted {wanted} | {'met' if met else 'missed'}", flush=True)


def not_run(name: str, reason: str) -> None:
    print(f"goal: {name} | not run: {reason}", flush=True)


def measured(name: str, file: Path, board: str) -> Result | None:
    raw = file.read_bytes()
    started = time.perf_counter()
    try:
        firmware = build_firmware(parse_tflite(raw, name=name), systems.entry(board))
    except SlipstickError as error:
        if "more than the" not in str(error):
            raise
        not_run(f"{name} on {BOARDS[board]} ({board})", f"does not fit: {error.message}")
        return None
    run = run_firmware(firmware, raw)
    return Result(name, board, run, time.perf_counter() - started)


def judge(result: Result) -> None:
    run, firmware = result.run, result.run.firmware
    name = f"{result.network} on {BOARDS[result.board]}"
    compared = run.compared
    size = firmware.vectors.outputs.size
    oracle = f"{compared['litert']} bytes equal to LiteRT's" if "litert" in compared else "LiteRT is not installed"
    goal(f"{name}: every output byte", oracle, f"all {size}", compared.get("litert") == size)
    off = firmware.flash / run.flash - 1
    reached = f"{firmware.flash:,} B predicted, {run.flash:,} B linked: {off:+.2%}"
    goal(f"{name}: flash predicted", reached, f"within {FLASH_BAND:.0%}", abs(off) <= FLASH_BAND)
    arena = firmware.arena
    goal(f"{name}: arena predicted", f"{arena.size:,} B, linked {run.arena:,} B", "exact", arena.size == run.arena)
    scratch = max((use.scratch for use in firmware.uses), default=0)
    limit = f"at most TFLM's plan of the same tensors, {arena.tflm:,} B"
    reached = f"{arena.size:,} B, kernels' scratch of up to {scratch:,} B included"
    goal(f"{name}: arena", reached, limit, arena.size <= arena.tflm)
    spent = result.seconds
    goal(f"{name}: emit, compile, run, compare", f"{spent:.1f} s", f"under {SECONDS:.0f} s", spent < SECONDS)
    macs = max(firmware.network.macs, 1)
    print(
        f"  {run.instructions:,} instructions, {run.instructions / macs:.2f} a MAC, stack {run.stack} B; {run.emulator}"
    )


def judge_host(name: str, firmware: Firmware) -> None:
    """Compile the folder's portable C with warnings and sanitizers on this computer, and run its golden vectors."""
    compiler = shutil.which("cc")
    if compiler is None:
        not_run(f"{name}: clean on the host", "no cc here")
        return
    with tempfile.TemporaryDirectory() as folder:
        target = write_folder(Path(folder, "firmware"), firmware.files())
        sources = [str(path) for path in sorted(target.glob("src/*.c"))]
        command = [
            compiler,
            *STRICT,
            "-O1",
            "-DNETWORK_TEST_STDIO",
            f"-I{target / 'src'}",
            *sources,
            str(target / "test/main.c"),
        ]
        ran = subprocess.run([*command, "-o", f"{folder}/test"], capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            ran = subprocess.run([f"{folder}/test"], capture_output=True, text=True, check=False)
    words = (ran.stdout + ran.stderr).strip().splitlines()
    goal(
        f"{name}: clean under {' '.join(STRICT[1:])}",
        words[0] if words else "nothing",
        "0 bytes differ",
        ran.returncode == 0,
    )


def judge_gcc(result: Result) -> None:
    """Compile the folder with gcc for the board's core, warnings as errors, and run it in QEMU from reset."""
    name = f"{result.network} on {BOARDS[result.board]}: gcc, from reset in QEMU"
    if result.board not in MACHINES:
        not_run(name, "QEMU has no machine with this core and as much memory")
        return
    missing = [program for program in (GCC, QEMU) if shutil.which(program) is None]
    if missing:
        not_run(name, f"{' and '.join(missing)} not installed")
        return
    machine, core, origins = MACHINES[result.board]
    with tempfile.TemporaryDirectory() as folder:
        target = write_folder(Path(folder, "firmware"), result.run.firmware.files())
        if origins is not None:
            script = target / "board/link.ld"
            lines = re.sub(r"(RAM.*ORIGIN = )\w+", rf"\g<1>0x{origins[1]:08X}", script.read_text())
            script.write_text(re.sub(r"(FLASH.*ORIGIN = )\w+", rf"\g<1>0x{origins[0]:08X}", lines, count=1))
        (target / "ending.c").write_text(ENDING)
        sources = [*map(str, sorted(target.glob("src/*.[cS]"))), "ending.c", "board/startup.c"]
        flags = [
            *STRICT[:5],
            "-O2",
            f"-mcpu={core}",
            "-mthumb",
            "-nostartfiles",
            "-ffunction-sections",
            "-fdata-sections",
        ]
        command = [GCC, *flags, "-Wl,--gc-sections", "-T", "board/link.ld", "-Isrc", *sources, "-o", "image.elf"]
        built = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
        if built.returncode:
            goal(name, built.stderr.strip().splitlines()[0], "compiles without a warning", False)
            return
        command = [QEMU, "-M", machine, "-display", "none", "-monitor", "none", "-serial", "none", "-semihosting"]
        try:
            ran = subprocess.run([*command, "-kernel", "image.elf"], cwd=target, check=False, timeout=QEMU_SECONDS)
        except subprocess.TimeoutExpired:
            goal(name, f"no end after {QEMU_SECONDS:.0f} s", "it ends", False)
            return
    size = result.run.firmware.vectors.outputs.size
    reached = f"{size} bytes equal to the golden vectors" if ran.returncode == 0 else "bytes differ"
    goal(name, reached, f"all {size}", ran.returncode == 0)


def patched(name: str, file: Path, words: list[str]) -> None:
    """Print the arena with the first layers in tiles, and compare that firmware's bytes, on a Cortex-M4."""
    board = "nucleo-f446"
    if not all(word in f"{name} {board}" for word in words):
        return
    raw = file.read_bytes()
    network = parse_tflite(raw, name=name)
    plain, tiled = (build_firmware(network, systems.entry(board), patches=patches) for patches in (False, True))
    if tiled.arena.size == plain.arena.size:
        print(f"  {name}: patches save nothing")
        return
    run = run_firmware(tiled, raw)
    equal = run.compared.get("litert", 0) == tiled.vectors.outputs.size
    reached = (
        f"{tiled.arena.size:,} B, {run.instructions:,} instructions, {'every' if equal else 'not every'} byte LiteRT's"
    )
    met = equal and tiled.arena.size <= plain.arena.tflm
    goal(f"{name} on M4: arena with patches", reached, f"at most TFLM's plan, {plain.arena.tflm:,} B", met)


def main() -> None:
    words = sys.argv[1:]
    for name, place in NETWORKS.items():
        file = _SHARED / "data" / place
        if not file.is_file():
            not_run(name, f"{file} is not here")
            continue
        host: Firmware | None = None
        patched(name, file, words)
        for board in BOARDS:
            if all(word in f"{name} {board}" for word in words) and (result := measured(name, file, board)):
                judge(result)
                judge_gcc(result)
                host = host or result.run.firmware
        if host is not None:
            judge_host(name, host)


if __name__ == "__main__":
    main()
