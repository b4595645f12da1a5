"""Branch coverage of every folder of the product, from the last run of the tests under coverage; 1 where one is low.

    SLIPSTICK_COVERAGE=1 make test
    make coverage-report                 # python tests/house/branch_coverage.py [FOLDER ...]

With names of folders, their files are listed with the lines and branches that no test reached. The share of branches is
the goal's figure; the share of statements must reach it too, or a function without branches could stay untested.
Without the reference data many tests are skipped: the figures are printed and not judged.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WANTED = 90.0  # percent of the branches, and of the statements, of each folder
PACKAGE = "slipstick"
REFERENCE_DATA = Path(os.environ.get("SLIPSTICK_DATA") or Path(__file__).parents[3] / "shared")
SOURCE = Path(__file__).parents[2] / "src" / PACKAGE  # copies that tests make elsewhere are not the product


@dataclass
class Coverage:
    """Branches and statements of a folder, and how many of them the tests reached."""

    branches: int = 0
    branches_taken: int = 0
    statements: int = 0
    statements_run: int = 0

    def add(self, totals: Mapping[str, int]) -> None:
        """Count one file, by the totals that coverage gives it."""
        self.branches += totals["num_branches"]
        self.branches_taken += totals["covered_branches"]
        self.statements += totals["num_statements"]
        self.statements_run += totals["covered_lines"]

    @property
    def percent_of_branches(self) -> float:
        """Share of the branches that were taken, in percent: 100 where there are none."""
        return 100.0 * self.branches_taken / self.branches if self.branches else 100.0

    @property
    def percent_of_statements(self) -> float:
        """Share of the statements that were run, in percent: 100 where there are none."""
        return 100.0 * self.statements_run / self.statements if self.statements else 100.0

    @property
    def met(self) -> bool:
        """Whether the folder's tests reach enough of both."""
        return min(self.percent_of_branches, self.percent_of_statements) >= WANTED


def folder_of(file: str) -> str:
    """Return the folder of the package that a file belongs to; the package's own name for a file beside the folders."""
    parts = Path(file).parts
    inner = parts[len(parts) - parts[::-1].index(PACKAGE) :]
    return inner[0] if len(inner) > 1 else PACKAGE


def coverage_by_folder(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Coverage]:
    """Return the coverage of each folder that has statements, from the files of coverage's JSON report."""
    folders: defaultdict[str, Coverage] = defaultdict(Coverage)
    for file, entry in files.items():
        folders[folder_of(file)].add(entry["summary"])
    return {folder: folders[folder] for folder in sorted(folders) if folders[folder].statements}


def goal_line(folder: str, coverage: Coverage) -> str:
    """Return the verdict on one folder, as the other goals are printed."""
    return (
        f"goal: branch coverage of {folder} | reached {coverage.percent_of_branches:.1f} % "
        f"(statements {coverage.percent_of_statements:.1f} %) | wanted {WANTED:.0f} % | "
        + ("met" if coverage.met else "missed")
    )


def missing_lines(file: str, entry: Mapping[str, Any]) -> list[str]:
    """Return what no test reached in a file: statements by line, branches as FROM->TO (an exit is negative)."""
    statements, branches = entry["missing_lines"], entry["missing_branches"]
    inside = [f"{start}->{end}" for start, end in branches if abs(end) not in statements]
    if not statements and not inside:
        return []
    return [f"{file}: " + " ".join([*map(str, statements), *inside])]


def measured_files() -> dict[str, Any]:
    """Return the files of coverage's JSON report, the data of all processes taken together."""
    from coverage import Coverage as Measurement
    from coverage.exceptions import NoDataError

    measurement = Measurement()
    try:
        measurement.combine(strict=True, keep=True)
    except NoDataError:
        sys.exit("no data: run the tests first, as SLIPSTICK_COVERAGE=1 make test")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        measurement.json_report(outfile=str(path), include=[f"{SOURCE}/*"])
        files: dict[str, Any] = json.loads(path.read_text("utf-8"))["files"]
    return files


def main() -> int:
    """Print the verdict on every folder; return 1 if one is below the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", help="list what was not reached in the files of these folders")
    wanted = parser.parse_args().folders
    files = measured_files()
    for file, entry in files.items():
        if folder_of(file) in wanted:
            for line in missing_lines(file, entry):
                print(line)
    by_folder = coverage_by_folder(files)
    for folder, coverage in by_folder.items():
        print(goal_line(folder, coverage))
    if not REFERENCE_DATA.is_dir():
        print(f"not judged: the tests that read the reference data ({REFERENCE_DATA}) were skipped")
        return 0
    return 0 if all(coverage.met for coverage in by_folder.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
