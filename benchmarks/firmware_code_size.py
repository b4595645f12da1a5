"""Machine code of every kernel on every core, measured by linking each alone: what predicts a firmware's flash.

    python benchmarks/firmware_code_size.py            print the table
    python benchmarks/firmware_code_size.py --write    write src/slipstick/data/firmware/code_bytes.yaml

A kernel's entry holds every symbol that it links, so that helpers which several kernels share count once. `run` is
that of network.c itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import yaml

from slipstick.core.catalogue import systems
from slipstick.edge.board import Board
from slipstick.edge.core_table import cores
from slipstick.edge.emulator import Core, Image, build_image
from slipstick.edge.firmware.compiler import BUILD, _tool_core
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.measured_run import _firmware_image
from slipstick.edge.kernels.firmware_kernels import KERNELS
from slipstick.edge.kernels.kernel import SOURCES, Kernel
from slipstick.trained.tflite import read_tflite

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "src/slipstick/data/firmware/code_bytes.yaml"
DATA = ROOT.parent / "shared/data/mlperf_tiny_models"
NETWORKS = [
    ROOT / "examples/data/small.tflite",
    *(DATA / f"{name}.tflite" for name in ("kws_ref_model", "pretrainedResnet_quant")),
]
HEAD = """# Bytes of machine code by core, kernel and symbol: python benchmarks/firmware_code_size.py --write
source: "measured: symbols of images linked with one kernel each, clang -O2 of ziglang 0.17.1"
"""


def symbols(image: Image, own: str) -> dict[str, int]:
    """Return the bytes of each symbol in flash; what no symbol names (alignment, constants) is counted to `own`."""
    sizes = {name: size for name, (address, size) in image.symbols.items() if size and address < 0x20000000}
    sizes[own] = sizes.get(own, 0) + image.flash_bytes - sum(sizes.values())
    return dict(sorted(sizes.items()))


def kernel_symbols(core: Core, kernel: Kernel) -> dict[str, int]:
    files = [SOURCES / name for name in kernel.files(core.features)]
    return symbols(build_image(core, files, [kernel.symbol], BUILD), kernel.symbol)


def glue(core: Core, board: str) -> int:
    """Return the bytes of network.c's functions, which differ little from network to network: the median of some."""
    sizes = []
    for path in NETWORKS:
        if path.is_file():
            image = _firmware_image(build_firmware(read_tflite(path), systems.entry(board)), core)
            names = ("network_run", "network_input", "network_output", "copy")
            sizes.append(sum(image.symbols.get(name, (0, 0))[1] for name in names))
    return int(np.median(sizes))


def entries() -> dict[str, object]:
    table: dict[str, object] = {}
    boards = {system.device.core: name for name, system in systems.items() if isinstance(system.device, Board)}
    for name, core in cores.items():
        tool = _tool_core(core)
        if tool is not None and name in boards:
            run = glue(tool, boards[name])
            usable = [kernel for kernel in KERNELS if kernel.requires <= tool.features]
            table[name] = {"run": run, "kernels": {k.symbol: kernel_symbols(tool, k) for k in usable}}
    return table


def main() -> None:
    table = entries()
    text = HEAD + yaml.safe_dump({"cores": table}, default_flow_style=None, width=200, sort_keys=False)
    if "--write" in sys.argv[1:]:
        TABLE.write_text(text, "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
