"""The FRED switch: what conflicts, what helps, what the wafer's strategies need, and a picture of the flows.

python examples/07_fred_switch.py [fred-switch.svg | fred-switch.html]
"""

import sys

import numpy as np

from slipstick.core.files import write_text
from slipstick.fabric.strategies import strategies
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.flow_routing import conflicts, route
from slipstick.fabric.switch.remedies import as_rings, fewest_middles, rounds
from slipstick.fabric.switch.routable_strategies import Tree, conflicting
from slipstick.fabric.switch.switch_flow import Flow
from slipstick.fabric.switch.switch_picture import switch_svg
from slipstick.fabric.switch.values import carry
from slipstick.fabric.switch.wafer_switches import switches
from slipstick.fabric.switch.worker_placement import place
from slipstick.pictures import svg

groups = [[0, 2], [1, 4], [3, 5]]
flows = [Flow.of(group, group) for group in groups]
switch = Fred(8, 2)
print(f"Fred_2(8): conflicts {conflicts(flows)}, routes: {route(switch, flows) is not None}")
print(f"  run later: {len(rounds(switch, flows))} rounds; as rings: {len(as_rings(groups))} steps of unicasts")
print(f"  middles: {fewest_middles(switch, flows).middles}; workers at the ports: {place(switch, [tuple(flows)])}")
print(f"  Fred_3(8) adds: {carry(Fred(8), flows, np.arange(8)[:, None])}")

spec = switches.resolve("fred-wafer")
largest = Fred(max(spec.lower_ports), spec.middles)
print(f"Fred_3({largest.ports}): {largest.micro_switches()}, {largest.configuration_bits} bits a phase,")
print(f"  {largest.configurations_in(spec.memory)} phases in its memory")

print("strategies (mp x dp x pp) that conflict somewhere on the two-level tree:")
for workers, io in ((20, spec.io), (12, (4,) * 3), (16, (4,) * 4), (18, spec.io), (64, (4,) * 16)):
    for middles in (2, 3):
        every = sorted(strategies(workers), key=lambda s: (s.tp, s.dp))
        lost = [s for s in every if conflicting(Tree(spec.npus, io, middles), s)]
        named = ", ".join(f"{s.tp}x{s.dp}x{s.pp}" for s in lost)
        print(f"  {workers:2} NPUs, m = {middles}: {len(lost)} of {len(every)} {named}".rstrip())

for name, metric in spec.overheads().items():
    shown = f"{metric.value * 1e6:.0f} mm2" if metric.unit == "m2" else metric.text
    print(f"{name:30} {shown:>12}  {metric.how}")

path = sys.argv[1] if len(sys.argv) > 1 else "fred-switch.svg"
title = "Fred_3(8): three groups that conflict on Fred_2(8), and a fourth"
picture = switch_svg(Fred(8), [*flows, Flow.of([6, 7], [6, 7])], title)
write_text(path, svg.page("The FRED switch", [picture]) if path.endswith(".html") else picture)
