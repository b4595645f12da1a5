"""Series of estimates from a CSV: resampling by time stamps, and one clear error for every file that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.vitals import read_rates


def write(folder: Path, text: str) -> Path:
    path = folder / "series.csv"
    path.write_text(text)
    return path


BAD = {
    "no time": ("second,estimate\n0,70\n", "has no column time.*allowed: time, estimate"),
    "no estimate": ("time,rate\n0,70\n", "has no column estimate"),
    "no rows": ("time,estimate\n", "no rows below the header"),
    "empty file": ("", "the first line must name every column"),
    "NaN": ("time,estimate\n0,70\n1,nan\n", "row 2, estimate: not a number; got 'nan'; allowed: .*empty cell"),
    "infinite": ("time,estimate\n0,inf\n", "row 1, estimate: not a number"),
    "text": ("time,estimate\n0,70\n1,fast\n", "row 2, estimate: not a number; got 'fast'"),
    "text as time": ("time,estimate\nnoon,70\n", "row 1, time: not a number"),
    "no time stamp": ("time,estimate\n0,70\n,71\n", "row 2, time: has no time stamp"),
    "unsorted": ("time,estimate\n0,70\n2,71\n1,72\n", "row 3, time: is before the row above, 2 s; got 1.0"),
    "double": ("time,estimate\n0,70\n1,71\n1,72\n", "row 3, time: the time stamp stands twice; got 1.0"),
    "too fast": ("time,estimate\n0,70\n1,720\n", "row 2, estimate: not a heart rate; got 720.0; allowed: 20 to 300"),
    "hertz": ("time,estimate\n0,1.2\n1,1.25\n", r"60 times a rate in Hz"),
    "zero": ("time,estimate\n0,0\n", "not a heart rate"),
    "bad reference": ("time,estimate,reference\n0,70,-1\n", "row 1, reference: not a heart rate; got -1.0"),
    "empty column": ("time,estimate,reference\n0,70,\n1,70,\n", "reference: has no number in any row"),
    "milliseconds": ("time,estimate\n0,70\n1000,70\n2000,70\n", "too far apart.*got 1000.0"),
    "years": ("time,estimate\n0,70\n1,70\n2,70\n1e9,70\n", "the time stamps span too much"),
    "ragged": ("time,estimate\n0,70\n1\n", "line 3: 1 cells for 2 columns"),
    "one name twice": ("time,method,estimate,estimate_A\n0,A,70,71\n0,A_A,70,71\n", "two methods have one name"),
    "binary": ("time,estimate\n0,\x0070\n", "NUL"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_clear_error(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    with pytest.raises(SlipstickError, match=message):
        read_rates(write(tmp_path, text))


def test_all_wrong_cells_are_named_at_once(tmp_path: Path) -> None:
    rows = "\n".join(f"{second},x" for second in range(30))
    with pytest.raises(SlipstickError, match="21 errors") as caught:
        read_rates(write(tmp_path, f"time,estimate\n{rows}\n"))
    assert "and 10 more" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SlipstickError, match="no such file"):
        read_rates(tmp_path / "nothing.csv")


def test_estimates_are_resampled_by_their_time_stamps(tmp_path: Path) -> None:
    text = "time,estimate,reference\n10.1,70,69\n10.3,74,69\n11.05,71,\n14.0,80,81\n"
    series = read_rates(write(tmp_path, text))
    assert series.times == pytest.approx([10.1, 11.1, 12.1, 13.1, 14.1])
    assert np.array_equal(series.estimates, [[72, 71, np.nan, np.nan, 80]], equal_nan=True)
    assert series.reference is not None
    assert np.array_equal(series.reference, [69, np.nan, np.nan, np.nan, 81], equal_nan=True)
    assert series.missing == 2


def test_empty_cells_are_gaps_and_one_row_is_enough(tmp_path: Path) -> None:
    assert np.isnan(read_rates(write(tmp_path, "time,estimate\n0,70\n1,\n2,71\n")).estimates[0, 1])
    assert read_rates(write(tmp_path, "time,estimate\n5,70\n")).estimates.tolist() == [[70]]


def test_methods_may_stand_in_columns_or_in_rows(tmp_path: Path) -> None:
    wide = read_rates(write(tmp_path, "time,estimate_POS,estimate_CHROM\n0,70,71\n1,72,73\n"))
    long = read_rates(
        write(tmp_path, "time,method,estimate\n0,POS,70\n1,POS,72\n0,CHROM,71\n1,CHROM,73\n"),
    )
    assert wide.methods == long.methods == ("POS", "CHROM")
    assert np.array_equal(wide.estimates, long.estimates)


def test_columns_of_published_files_are_known(tmp_path: Path) -> None:
    text = "video,time_s,hr_estimate_bpm,hr_reference_bpm\nx,4,70,71\nx,5,70,71\n"
    series = read_rates(write(tmp_path, text))
    assert series.methods == ("estimate",)
    assert series.reference is not None


def test_an_hour_of_four_estimates_a_second_is_read(tmp_path: Path) -> None:
    rows = "\n".join(f"{at / 4},{70 + at % 3}" for at in range(4 * 3600))
    assert len(read_rates(write(tmp_path, f"time,estimate\n{rows}\n")).times) == 3601
