"""Vendor's library in the folder that the user gives; nothing of it is kept here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_peers import peers
from slipstick.edge.kernels.kernel import Kernel


@dataclass(frozen=True)
class Library:
    """Vendor's library: its name, and its folder, None where the user gave none."""

    name: str
    folder: Path | None

    @property
    def missing(self) -> str:
        """Why the library is not run; empty where its folder is there."""
        if self.folder is None:
            owner = {"cmsis-nn": "ARM-software/CMSIS-NN", "esp-nn": "espressif/esp-nn"}[self.name]
            return f"no folder of {self.name}: git clone https://github.com/{owner}, then --{self.name} FOLDER"
        sources = peers.sources(self.name, self.folder)
        absent = [path for path in sources if not path.is_file()]
        return "" if sources and not absent else f"{self.folder} does not hold the sources of {self.name}"

    def include(self) -> tuple[Path, ...]:
        """Return the folders of the library's headers, and ours."""
        assert self.folder
        return peers.includes(self.name, self.folder)

    def kernel(self, kind: str) -> Kernel:
        """Return the row of the library's function for conv, depthwise or add."""
        assert self.folder
        return peers.peer(self.name, self.folder, kind)
