"""Study of accuracy on approximate hardware: its cells, what it skips, its rows and goals, on a tiny data set."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipstick.datasets.images import DataSet, Images

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import accuracy_cells as table
import accuracy_goals as goals
import accuracy_training as training
import approximate_accuracy as study

TINY = table.Study(32, 1, 0.05, 24, 1, 0.05)


def images(count: int, seed: int) -> Images:
    random = np.random.default_rng(seed)
    return Images(random.integers(0, 256, (count, 8, 8, 3), np.uint8), np.arange(count) % 10)


DATA = DataSet("noise", images(40, 0), images(13, 1), tuple("0123456789"))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(table, "STREAMS", TINY)
    monkeypatch.setattr(table, "OTHERS", TINY)
    return training.Bench(tmp_path / "folder", DATA, "some processor", "abc")


def row(treatment: str, seed: int, right: int, **changed: Any) -> table.Row:
    values: dict[str, Any] = {
        "network": "tiny-conv", "form": "sc32-or1", "treatment": treatment, "seed": seed, "right": right,
        "images": 10_000, "start_right": 6000, "lost": 300, "won": 200, "seconds": 10.0,
        **asdict(table.STREAMS), "date": "2026-12-01", "commit": "abc", "processor": "some",
    }  # fmt: skip
    return table.Row(**(values | changed))


def lines(printed: str, text: str) -> list[str]:
    return [line for line in printed.splitlines() if text in line]


def test_every_network_format_and_treatment_has_its_seeds_and_the_aim_comes_first() -> None:
    cells = table.cells()
    assert len(set(cells)) == len(cells)
    assert cells[0] == table.Cell("tiny-conv", "-", "float", 0)
    assert {cell.form for cell in cells[: 10 * 3]} == {"-", "sc32-or1"}
    for network in table.NETS:
        for form in table.FORMATS:
            for treatment in table.treatments(form):
                seeds = [cell.seed for cell in cells if (cell.network, cell.form, cell.treatment) == (
                    network, form, treatment
                )]  # fmt: skip
                assert seeds == list(range(table.seeds_wanted(network, form)))


def test_rows_are_read_as_they_were_written_and_count_for_their_recipe_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.csv"
    written = [row("exact", 0, 5000), row("exact", 1, 5100, epochs=99), row("exact", 0, 5200)]
    assert table.read_rows(path) == []
    for one in written:
        table.add_row(path, one)
    assert table.read_rows(path) == written
    assert table.of_recipe(written) == {written[2].cell: written[2]}


def test_a_cells_predicted_time_is_that_of_a_like_row_by_images() -> None:
    cell = table.Cell("tiny-conv", "sc32-or1", "exact", 3)
    before = table.predicted(cell, [])
    twice = row("exact", 0, 5000, seconds=100.0, epochs=2 * table.STREAMS.epochs)
    assert table.predicted(cell, [twice]) == pytest.approx(50 + table.predicted(replace(cell, treatment="norms"), []))
    assert before > 0


@pytest.mark.trains
def test_missing_cells_are_run_once_and_start_from_one_float_network(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    wanted = [cell for cell in table.cells() if cell.name.startswith("tiny-conv") and cell.seed == 0][:10]
    assert {cell.treatment for cell in wanted} == {*table.PLAIN, *table.treatments("sc32-or1")}
    study.run_missing(bench, wanted, path, 0.0)
    assert not path.exists()  # no time, no cell
    study.run_missing(bench, wanted, path, 1e6)
    rows = table.of_recipe(table.read_rows(path))
    assert list(rows) == wanted
    assert len({one.start_right for one in rows.values()}) == 1
    for cell, one in rows.items():
        right = bench.right(cell)
        assert (one.right, one.images) == (right.sum(), 13)
        other = bench.right(replace(cell, treatment="exact") if cell.treatment in table.TRAINED[1:] else wanted[0])
        assert (one.lost, one.won) == ((other & ~right).sum(), (right & ~other).sum())


def test_goals_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    exact, tuned = (5000, 5200, 5400), (4990, 5100, 5280)
    rows = [row("exact", seed, right) for seed, right in enumerate(exact)]
    rows += [row("inject+finetune", seed, right) for seed, right in enumerate(tuned)]
    plain = {"form": "-", "rate": table.OTHERS.rate}
    rows += [row("untrained", 0, 1000), row("proxy", 5, 100), row("longer", 1, 6100, **plain)]
    goals.print_goals(rows, [table.Cell("resnet-8", "sc32-or1", "exact", 0)])
    printed = capsys.readouterr().out
    (collapse,) = lines(printed, "collapses")
    assert collapse.endswith("reached 10.00 % | wanted <= 20 % | met")
    (share,) = lines(printed, "exact training (aim")
    assert "86.67 % [78.39, 94.95] of float" in share  # 83.33, 86.67 and 90 %; t of 2 degrees 4.303
    assert share.endswith("met")
    (against,) = lines(printed, "not inferior to exact")  # -0.1, -1.0, -1.2: mean -0.767, error 0.338, t 2.92
    assert "-0.77 [-2.22, +0.69] (3 seeds) points, one-sided 95 % bound -1.75" in against
    assert "over images -1.00 +- 0.25" in against
    assert against.endswith("wanted bound above -2 | met")
    assert not lines(printed, "proxy against exact")  # no exact training of its seed
    (longer,) = lines(printed, "for as long")
    assert "-9.00 (1 seed) points" in longer
    (seeds,) = lines(printed, "resnet-8 sc32-or1: seeds")
    assert "reached 0 | wanted 3 | not run: about" in seeds


def test_a_missed_goal_says_by_how_much_and_one_seed_decides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("exact", seed, right) for seed, right in enumerate((5000, 5200, 5400))]
    goals.print_goals(
        [*rows, *(row("inject+finetune", seed, right) for seed, right in enumerate((4700, 4900, 5100)))], []
    )
    (line,) = lines(capsys.readouterr().out, "not inferior")
    assert "bound -3.00 (over" in line
    assert line.endswith(", short by 1.00 | wanted bound above -2 | missed")
    goals.print_goals([*rows, row("inject+finetune", 0, 5000)], [])
    (line,) = lines(capsys.readouterr().out, "not inferior")
    assert line.endswith("not run: one seed decides nothing")


def test_the_picture_has_a_cell_of_every_mean() -> None:
    drawn = goals.accuracies_svg([row("exact", seed, right) for seed, right in enumerate((5000, 5200, 5400))])
    assert "tiny-conv sc32-or1" in drawn
    assert ">52 %<" in drawn  # their mean
    assert ">60 %<" in drawn  # as float


def test_seeds_of_different_float_networks_are_not_paired(capsys: pytest.CaptureFixture[str]) -> None:
    goals.print_goals([row("exact", 0, 5000), row("inject", 0, 4000, start_right=6100)], [])
    assert not lines(capsys.readouterr().out, "against exact")


def test_the_recorded_rows_are_of_whole_test_sets_and_known_cells() -> None:
    rows = table.read_rows(table.ROWS)
    assert {one.cell for one in rows} <= set(table.cells())
    assert all(one.images == 10_000 >= one.right for one in rows)
