"""When more devices for one worker beat more workers: a curve measured here, a step divided here, and where they cross.

python examples/11_hybrid.py
"""

from pathlib import Path

import slipstick
from slipstick.cluster.convergence.epochs_to_target import EpochCurve

DATA = Path(__file__).parent / "data"

# epochs of a small network at many batch sizes: slipstick epochs mlp --batches 8..1024 --out epochs_digits.csv
measured = EpochCurve.read(DATA / "epochs_digits.csv")
print("epochs by batch:", dict(zip(map(int, measured.batches), (round(e, 1) for e in measured.epochs), strict=True)))

# one step of Inception-V3 on two devices of a DGX-1, as a pipeline; the epochs are another network's: this shows how
report = slipstick.hybrid(
    "inception-v3", "dgx1-v100:2..32", epochs=measured, batch=32, widths=[2], method="pipeline"
)  # fmt: skip
curves = report.detail
print(f"SU^2 = {report.value('step_speedup.m2'):.2f} ({report['step_speedup.m2'].note})")
for count, alone, both in zip(curves.counts, curves.alone, curves.hybrid[2], strict=True):
    print(f"  {count:3d} devices: data-parallel {alone:6.2f} x, hybrid {both:6.2f} x")
print(f"hybrid wins from {curves.crossover(2)} devices on")

# whatever the epochs do, no hybrid gains more over all counts than one step does
for critical in (256.0, 1024.0, 4096.0):
    many = slipstick.hybrid(
        "inception-v3", "dgx1-v100:2..4096", critical_batch=critical, least_epochs=4.0, batch=32,
        widths=[2], step_speedups={2: 1.4}, scaling="ideal",
    ).detail  # fmt: skip
    print(f"critical batch {critical:g}: crossover at {many.crossover(2)} devices, gain {100 * many.gain():.1f} %")
