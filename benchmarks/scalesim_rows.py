"""Run SCALE-Sim on small layers and write its compute cycles and SRAM words: tests/array/scalesim.csv.

    python3.11 -m venv /tmp/scalesim && /tmp/scalesim/bin/pip install "numpy<2" scalesim==3.0.0
    /tmp/scalesim/bin/python benchmarks/scalesim_rows.py tests/array/scalesim.csv

Its numpy is older than ours, hence the environment of its own. Layers and arrays are drawn with a fixed seed.
"""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path

LAYERS = 48
CONFIG = """[general]
run_name = run
[architecture_presets]
ArrayHeight: {rows}
ArrayWidth: {columns}
IfmapSramSzkB: 64
FilterSramSzkB: 64
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 10
Dataflow: {dataflow}
MemoryBanks: 1
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""
HEAD = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, Sparsity,\n"
FIELDS = ("side", "kernel", "channels", "filters", "stride", "rows", "columns", "dataflow", "cycles")


def drawn(seed: int) -> list[dict[str, object]]:
    chance = random.Random(seed)  # noqa: S311  sizes, not secrets
    found = []
    for number in range(LAYERS):
        kernel = chance.choice((1, 2, 3, 5))
        found.append(
            {
                "side": chance.randint(max(4, kernel), 14),
                "kernel": kernel,
                "channels": chance.randint(1, 24),
                "filters": chance.randint(1, 40),
                "stride": chance.choice((1, 1, 2)),
                "rows": chance.choice((3, 4, 8, 16)),
                "columns": chance.choice((2, 4, 8, 16)),
                "dataflow": ("os", "ws", "is")[number % 3],
            }
        )
    return found


def cycles(layer: dict[str, object]) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run.cfg").write_text(CONFIG.format(**layer))
        sizes = (layer["side"], layer["side"], layer["kernel"], layer["kernel"], layer["channels"], layer["filters"])
        line = ", ".join(str(size) for size in ("one", *sizes, layer["stride"], "1:1"))
        (folder / "layers.csv").write_text(HEAD + line + ",\n")
        (folder / "layout.csv").write_text("Layer name\n")
        files = ["-c", "run.cfg", "-t", "layers.csv", "-l", "layout.csv", "-p", "out"]
        subprocess.run([sys.executable, "-m", "scalesim.scale", *files], cwd=folder, check=True, capture_output=True)
        report = next(folder.glob("out/**/COMPUTE_REPORT.csv"))
        with report.open(encoding="utf-8") as file:
            row = next(csv.DictReader(file, skipinitialspace=True))
        return int(float(row["Total Cycles"]))


def main(target: str) -> None:
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        for layer in drawn(0):
            writer.writerow({**layer, "cycles": cycles(layer)})
            print(layer, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
