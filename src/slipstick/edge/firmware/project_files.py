"""Files of a firmware's folder: C text, kernels, test program and projects for several tool chains, from templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

from slipstick.core.version import __version__
from slipstick.edge.emulator.toolchain import RUNTIME
from slipstick.edge.firmware.c_values import comment
from slipstick.edge.firmware.compiler import _compiler_options
from slipstick.edge.firmware.golden import GoldenVectors
from slipstick.edge.firmware.kernel_choice import KernelUse
from slipstick.edge.firmware.lowering import CodeScale, LoweredNetwork
from slipstick.edge.firmware.targets import Target
from slipstick.edge.layers import ConvLayer

_PLAIN = {  # file of the folder -> template without places
    "Makefile": "",
    "CMakeLists.txt": "",
    "library.properties": "",
    "test/main.c": "main.c",
    "examples/network_test/network_test.ino": "network_test.ino",
    "esp-idf/CMakeLists.txt": "esp_idf_project.cmake",
    "esp-idf/main/CMakeLists.txt": "esp_idf_main.cmake",
    "esp-idf/main/app_main.c": "esp_idf_app_main.c",
}

_PLATFORMIO = {  # framework -> where its project stands: ESP-IDF's has a CMakeLists.txt of its own
    "stm32cube": "platformio.ini", "arduino": "platformio.ini", "espidf": "esp-idf/platformio.ini",
}  # fmt: skip


def _firmware_files(
    network: LoweredNetwork,
    uses: Sequence[KernelUse],
    sources: Mapping[str, str],
    vectors: GoldenVectors,
    target: Target,
    sizes: Mapping[str, int],
) -> dict[str, bytes]:
    """Return the files of a firmware's folder: relative name -> content.

    Parameters
    ----------
    sources : C text of the network and of its kernels, by file name.
    sizes : bytes by what they are for, which the README lists.
    """
    texts = {f"src/{name}": text for name, text in sources.items()}
    texts |= _test_texts(vectors)
    places = _places(network, uses, target, sizes)
    for name, template in _PLAIN.items():
        texts[name] = _filled(template or name, places)
    texts["README.md"] = _filled("README.md", places)
    if target.names.platform:
        framework = target.names.framework
        texts[_PLATFORMIO[framework]] = _filled(f"platformio_{framework}.ini", places)
    if places["ZIG_TARGET"]:
        kind = "riscv" if target.core.isa.startswith("rv32") else "arm"
        texts["board/startup.c"] = _filled(f"startup_{kind}.c", places)
        texts["board/link.ld"] = _filled("link.ld", places)
        texts["board/runtime.c"] = RUNTIME.read_text("utf-8")
    return {name: text.encode() for name, text in texts.items()}


def _test_texts(vectors: GoldenVectors) -> dict[str, str]:
    """Return the test program's comparison with the golden vectors."""
    rows = "".join("  {" + ", ".join(map(str, row)) + "},\n" for row in vectors.outputs.tolist())
    places = {"VECTORS": str(len(vectors.outputs)), "EXPECTED": rows}
    return {f"src/{name}": _filled(name, places) for name in ("network_test.h", "network_test.c")}


def _places(
    network: LoweredNetwork, uses: Sequence[KernelUse], target: Target, sizes: Mapping[str, int]
) -> dict[str, str]:
    """Return what the templates' places (@NAME@) stand for."""
    names = target.names
    triple, flags = _compiler_options(target.core)
    return {
        "NAME": comment(network.name),
        "VERSION": __version__,
        "BOARD": comment(target.board),
        "SIZES": "\n".join(f"| {name} | {size:,} |" for name, size in sizes.items()),
        "BORDER": _border(network),
        "CALLS": "\n".join(_row(place, use) for place, use in enumerate(uses)),
        "ZIG_TARGET": triple,
        "FIRST": "build/network.elf" if triple else "test",
        "FLAGS": " ".join(flags),
        "FLASH_ORIGIN": f"0x{names.flash_origin:08X}",
        "FLASH_LENGTH": str(target.flash),
        "RAM_ORIGIN": f"0x{names.ram_origin:08X}",
        "RAM_LENGTH": str(target.ram),
        "PIO_PLATFORM": names.platform,
        "PIO_BOARD": names.platform_board,
        "PIO": _platformio(target),
        "BOOT": f". It does not start by itself: {names.boot}" if names.boot else "",
    }


def _platformio(target: Target) -> str:
    """Return what the README says of PlatformIO."""
    if not target.names.platform:
        return "no project: it is not known to have this board"
    place = _PLATFORMIO[target.names.framework]
    return f"`pio run{' -d esp-idf' if place != 'platformio.ini' else ''}` (`{place}`)"


def _border(network: LoweredNetwork) -> str:
    """Return what input and output codes mean, for the README."""
    ends = (
        ("Input", network.input_codes, network.input, network.moved[0]),
        ("Output", network.output_codes, network.output, network.moved[1]),
    )
    return "\n".join(_border_line(end, codes, network.sizes[tensor], moved) for end, codes, tensor, moved in ends)


def _border_line(end: str, codes: CodeScale, size: int, moved: int) -> str:
    note = " (the file's uint8 codes less 128)" if moved else ""
    return f"* {end}: {size} int8 codes{note}; a real number is {codes.scale:.9g} * (code - ({codes.zero_point}))."


def _row(place: int, use: KernelUse) -> str:
    layer = use.call.layer
    macs = f"{layer.macs:,}" if isinstance(layer, ConvLayer) else ""
    return f"| {place} | {use.call.operator}: {layer.kind} | {use.kernel.symbol} | {macs} |"


def _filled(template: str, places: Mapping[str, str]) -> str:
    """Return a template with its places (@NAME@) filled in."""
    text = (resources.files("slipstick.edge.firmware") / "templates" / template).read_text("utf-8")
    for name, value in places.items():
        text = text.replace(f"@{name}@", value)
    return text
