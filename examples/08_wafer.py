"""The FRED paper's wafer: four workloads on five fabrics, what the figures hang on, every strategy; and pictures.

python examples/08_wafer.py [FOLDER for the pictures]
"""

import sys
from pathlib import Path

import slipstick
from slipstick.core.files import write_text
from slipstick.engines.fred_paper import FABRICS, _end_to_end, _sweep_pairs, cases
from slipstick.fabric.training.step_report import load_picture, timeline
from slipstick.pictures.heatmap import heatmap_svg

print("speed-up over the mesh (published: FRED-D 1.76, 1.87, 1.34, 1.40; FRED-C 1.41 and 1.40 of the first and last)")
for name, case in cases.items():
    steps = {fabric: _end_to_end(name, fabric) for fabric in FABRICS}
    ratios = "  ".join(f"{fabric} {steps['mesh'].time / step.time:.2f}" for fabric, step in steps.items())
    print(f"  {name:16} {ratios}  exposed on the mesh {100 * steps['mesh'].exposed:.0f} %")
    print(f"  {'':16} efficiency {case.efficiency:g}: {case.sources['efficiency']}")

print("FRED-D over the mesh against the efficiency, of an H100's 989 TFLOP/s")
efficiencies = (0.3, 0.5, 0.7, 1.0, 3.0, 10.0, 30.0, 100.0)
print(f"  {'':16} " + " ".join(f"{value:6g}" for value in efficiencies))
for name in cases.names():
    found = []
    for value in efficiencies:
        slow, fast = (_end_to_end(name, fabric, efficiency=value) for fabric in ("mesh", "fred-d"))
        found.append(slow.time / fast.time)
    print(f"  {name:16} " + " ".join(f"{ratio:6.2f}" for ratio in found))

pairs = _sweep_pairs()
speed = sum(mesh.time / fred.time for _, mesh, fred in pairs) / len(pairs)
waits = sum(mesh.waiting / fred.waiting for _, mesh, fred in pairs) / len(pairs)
print(f"Transformer-17B, mean of {len(pairs)} strategies: FRED-D is {speed:.2f} times as fast (published 1.63),")
print(f"  and waits {waits:.1f} times less, for messages and other stages (published, exposed communication: 4.22)")

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for fabric in ("mesh", "fred-d"):
        name = "Transformer-1T"
        drawn = load_picture(
            _end_to_end(name, fabric), slipstick.topology(f"wafer-{fabric}"), f"{name} on wafer-{fabric}"
        )
        write_text(folder / f"load-{fabric}.svg", drawn)
    step = _end_to_end("Transformer-17B", "mesh", runs=8)
    write_text(folder / "timeline.svg", timeline(step, "A step of Transformer-17B on the mesh, one replica"))
    samples = {(s.tp, s.pp): mesh.time / (40 * s.dp) for s, mesh, _ in pairs}  # 40 samples a replica, as in the paper
    tensor, stages = (sorted({key[place] for key in samples}) for place in (0, 1))
    cells = [[samples.get((tp, pp)) for pp in stages] for tp in tensor]
    title = "Transformer-17B on the mesh: time of a sample"
    rows, columns = [f"MP {tp}" for tp in tensor], [f"PP {pp}" for pp in stages]
    write_text(folder / "strategies.svg", heatmap_svg(rows, columns, cells, title, corner="MP \\ PP"))
    print(f"wrote load-mesh.svg, load-fred-d.svg, timeline.svg and strategies.svg to {folder}")
