"""Accuracy on approximate hardware by treatment, CIFAR-10 (JPEG copies): float, untrained, exact, injected, by proxy.

    SLIPSTICK_DATA=../shared python benchmarks/approximate_accuracy.py [--list] [--time 60min] [--folder FOLDER]

A cell is (network, format, treatment, seed). Its result, of all 10,000 test images, is a row of `--rows`
(benchmarks/measured/approximate_accuracy.csv). Cells with a row of this recipe are skipped; the missing ones are run in
an order of priority, as many as `--time` allows (none by default), and written as each ends: stop it when you like.
Then every goal is printed from the rows. `--list` prints the missing cells and their predicted time. `--only` takes
cells whose name contains a text, such as `tiny-conv/sc32-or1`. The folder keeps the float networks, and which images
each cell had right; rows of several machines may be put together.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path
from typing import Any

from accuracy_cells import ROWS, Cell, add_row, cells, of_recipe, predicted, read_rows
from accuracy_goals import accuracies_svg, print_goals

from slipstick.core.files import write_text
from slipstick.core.units import parse


def run_missing(bench: Any, wanted: list[Cell], path: Path, seconds: float) -> None:
    """Run cells in their order until the time is over; a cell that would not end in time is left out."""
    ends = time.monotonic() + seconds
    for cell in wanted:
        if time.monotonic() + predicted(cell, read_rows(path)) > ends:
            continue
        began = time.monotonic()
        row = bench.run(cell)
        add_row(path, row)
        took = time.monotonic() - began
        print(f"{cell.name}: {row.accuracy:.2f} % in {row.seconds:.0f} s of training, {took:.0f} s in all", flush=True)


def revision() -> str:
    """Return the commit, with a + if files of the product differ from it."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--abbrev=8", "--exclude=*"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def processor() -> str:
    """Return the processor's name and a word for its bf16 products."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line for line in lines if line.startswith("flags")), "")
    return name + (" amx" if "amx_bf16" in flags else " bf16" if "avx512_bf16" in flags else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--folder", type=Path, default=Path("out/approximate-accuracy"))
    parser.add_argument("--time", default="0 s", help="run missing cells for so long, such as 60min")
    parser.add_argument("--list", action="store_true", help="print missing cells")
    parser.add_argument("--picture", type=Path, help="draw the accuracies there (SVG)")
    parser.add_argument("--only", default="", help="run or list cells whose name contains this")
    asked = parser.parse_args()
    rows = read_rows(asked.rows)
    wanted = [cell for cell in cells() if cell not in of_recipe(rows) and asked.only in cell.name]
    seconds = parse(asked.time, "s")
    if seconds > 0:
        import torch
        from accuracy_training import Bench

        from slipstick.datasets import data_set

        torch.set_num_threads(1)
        bench = Bench(asked.folder, data_set("cifar10-jpeg"), processor(), revision())
        run_missing(bench, wanted, asked.rows, seconds)
    rows = read_rows(asked.rows)
    missing = [cell for cell in cells() if cell not in of_recipe(rows)]
    if asked.list:
        for cell in missing:
            if asked.only in cell.name:
                print(f"{cell.name}: about {predicted(cell, rows) / 60:.1f} min")
    print_goals(rows, missing)
    if asked.picture:
        write_text(asked.picture, accuracies_svg(rows))


if __name__ == "__main__":
    main()
