"""When more devices for one worker beat more workers: a curve measured here, a step divided here, and where they cross.

python examples/11_hybrid.py
"""

from pathlib import Path

from slipstick.cluster.convergence.epochs_to_target import CriticalBatch, read_epochs
from slipstick.verbs.hybrid import hybrid

DATA = Path(__file__).parent / "data"
COUNTS = [2, 4, 8, 16, 32]

# epochs of a small network at many batch sizes: slipstick epochs mlp --batches 8..1024 --out epochs_digits.csv
measured = read_epochs(DATA / "epochs_digits.csv")
print("epochs by batch:", dict(zip(map(int, measured.batches), (round(e, 1) for e in measured.epochs), strict=True)))

# one step of Inception-V3 on two devices of a DGX-1, as a pipeline; the epochs are another network's: this shows how
found = hybrid("inception-v3", "dgx1-v100", COUNTS, measured, batch=32, widths=[2], method="pipeline")
print(f"SU^2 = {found.report.value('step_speedup.m2'):.2f} ({found.report['step_speedup.m2'].note})")
for count, alone, both in zip(COUNTS, found.curves.alone, found.curves.hybrid[2], strict=True):
    print(f"  {count:3d} devices: data-parallel {alone:6.2f} x, hybrid {both:6.2f} x")
print(f"hybrid wins from {found.curves.crossover(2)} devices on")

# whatever the epochs do, no hybrid gains more over all counts than one step does
for critical in (256.0, 1024.0, 4096.0):
    many = hybrid(
        "inception-v3", "dgx1-v100", [2**k for k in range(1, 13)], CriticalBatch(4.0, critical), batch=32,
        widths=[2], step_speedups={2: 1.4}, scaling="ideal",
    ).curves  # fmt: skip
    print(f"critical batch {critical:g}: crossover at {many.crossover(2)} devices, gain {100 * many.gain():.1f} %")
