"""Files of a firmware's folder: C text, kernels, test program and projects for several tool chains, from templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

from slipstick.core.version import __version__
from slipstick.edge.firmware.c_source import NetworkSource
from slipstick.edge.firmware.c_values import comment
from slipstick.edge.firmware.golden import GoldenVectors
from slipstick.edge.firmware.kernel_choice import KernelUse
from slipstick.edge.firmware.lowering import LoweredNetwork, Quantisation
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


def firmware_files(
    network: LoweredNetwork,
    uses: Sequence[KernelUse],
    source: NetworkSource,
    vectors: GoldenVectors,
    target: Target,
    sizes: Mapping[str, int],
) -> dict[str, bytes]:
    """Return the files of a firmware's folder: relative name -> content.

    Parameters
    ----------
    sizes : bytes by what they are for, which the README lists.
    """
    texts = {"src/network.h": source.header, "src/network.c": source.source, **_kernel_texts(uses)}
    texts |= _test_texts(vectors)
    places = _places(network, uses, target, sizes)
    for name, template in _PLAIN.items():
        texts[name] = _filled(template or name, places)
    texts["README.md"] = _filled("README.md", places)
    if target.names.platform:
        texts["platformio.ini"] = _filled("platformio.ini", places)
    if target.core.target:
        kind = "riscv" if target.core.isa.startswith("rv32") else "arm"
        texts["board/startup.c"] = _filled(f"startup_{kind}.c", places)
        texts["board/link.ld"] = _filled("link.ld", places)
    return {name: text.encode() for name, text in texts.items()}


def kernel_sources(uses: Sequence[KernelUse]) -> dict[str, str]:
    """Return the texts of the kernels' sources that a network needs, by file name, nn.h among them."""
    ...


def _filled(template: str, places: Mapping[str, str]) -> str:
    """Return a template with its places (@NAME@) filled in."""
    text = (resources.files("slipstick.edge.firmware") / "templates" / template).read_text("utf-8")
    for name, value in places.items():
        text = text.replace(f"@{name}@", value)
    return text
