"""How close the latency model of boards comes to published latencies that it was not calibrated on, and how fast it is.

Every published row (data/edge_rows.yaml) is predicted from the rows of the same kernels on all other boards. Rows whose
kernels were measured on one board alone are predicted without any calibration, and listed beside. The cycles of the
Cortex-M7, the Cortex-M33 and the Xtensa cores, for which no table is published, were assumed with these boards in
sight: what the test holds out is the level of every library on every board, not the table of cores.

    python benchmarks/edge_latency.py [--rows]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

from slipstick.edge.board_estimate import estimate
from slipstick.edge.latency.kernel_mixes import kernel_mixes
from slipstick.edge.latency.published_latency import LatencyPrediction, fitted_calibration, left_out
from slipstick.engines.question import ask

ERROR = 0.25  # wanted: median error of rows of a board that was left out
SECONDS = 5e-3  # wanted: one estimate
QUESTIONS = (("mobilenet-v2", "pi-zero-2"), ("examples/data/small.tflite", "nucleo-f446"))
REPEATS = 30


def goal(name: str, reached: str, wanted: str, met: bool) -> None:
    """Print one line of a goal."""
    print(f"goal: {name} | reached {reached} | wanted {wanted} | {'met' if met else 'missed'}")


def median_error(predictions: Sequence[LatencyPrediction]) -> float:
    """Return the median of the relative errors without their sign."""
    return statistics.median(abs(prediction.error) for prediction in predictions)


def print_rows(predictions: Sequence[LatencyPrediction]) -> None:
    """Print every published row with its prediction."""
    for prediction in predictions:
        row = prediction.row
        print(
            f"{row.name:36} {row.time * 1e3:9.2f} ms  predicted {prediction.predicted * 1e3:9.2f} ms  "
            f"{prediction.error * 100:+6.1f} %  from {prediction.boards} other boards"
        )


def print_calibrations() -> None:
    """Print the calibration of every mix: the stored one, and that which the rows give."""
    for name, mix in kernel_mixes.items():
        fit = fitted_calibration(mix)
        text = "no rows: a stand-in" if fit is None else f"rows give {fit[0]:.3f} ({fit[1]:.3f} to {fit[2]:.3f})"
        print(f"{name:18} stored {mix.calibration:.3f} ({mix.low:.3f} to {mix.high:.3f}); {text}")


def seconds_of_an_estimate(workload: str, system: str) -> float:
    """Return the median processor time of one estimate [s], its inputs loaded."""
    question = ask(workload, system)
    estimate(question)
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        estimate(question)
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    """Print the rows, the calibrations and the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", action="store_true", help="print every row")
    predictions = left_out()
    if parser.parse_args().rows:
        print_rows(predictions)
    print_calibrations()
    held_out = [prediction for prediction in predictions if prediction.boards]
    alone = [prediction for prediction in predictions if not prediction.boards]
    for core in sorted({prediction.row.core for prediction in held_out}):
        of_core = [prediction for prediction in held_out if prediction.row.core == core]
        print(f"{core}: median error {median_error(of_core) * 100:.1f} % of {len(of_core)} rows")
    print(f"without any calibration, one board a library: {median_error(alone) * 100:.1f} % of {len(alone)} rows")
    error = median_error(held_out)
    boards = len({prediction.row.board for prediction in held_out})
    name = f"latency, one board left out ({len(held_out)} rows, {boards} boards), median error"
    goal(name, f"{error * 100:.1f} %", f"<= {ERROR * 100:.0f} %", error <= ERROR)
    everything = median_error(predictions)
    name = f"the same with rows whose library has no other board ({len(predictions)} rows)"
    goal(name, f"{everything * 100:.1f} %", f"<= {ERROR * 100:.0f} %", everything <= ERROR)
    for workload, system in QUESTIONS:
        seconds = seconds_of_an_estimate(workload, system)
        name = f"estimate of {workload} on {system}, once loaded, processor time"
        goal(name, f"{seconds * 1e3:.2f} ms", f"<= {SECONDS * 1e3:.0f} ms", seconds <= SECONDS)


if __name__ == "__main__":
    main()
