"""Bytes of a node for an all-reduce around a ring and in the network, and what FRED's fabrics make of it.

python examples/09_in_network.py
"""

import slipstick
from slipstick.fabric.collectives import hierarchical
from slipstick.fabric.collectives.by_name import collective_schedule
from slipstick.fabric.flows import run
from slipstick.fabric.tasks import lower

print("an all-reduce of D bytes among N nodes: what each node sends")
for count in (2, 3, 4, 5, 8, 16, 20, 32, 64):
    around, inside = (
        collective_schedule("all_reduce", "ring", count),
        collective_schedule("all_reduce", "in_network", count),
    )
    ring_bytes, network_bytes = around.sent.max() / around.chunks, inside.sent.max() / inside.chunks
    print(f"  N = {count:2d}   ring {ring_bytes:.3f} D   in the network {network_bytes:.0f} D   {ring_bytes:.2f} x")
print("'about 2x' is 1.0 x at N = 2 and 1.9 x at N = 20")

SIZE = 2.0**34  # bytes: so large that bandwidth alone matters
mesh = slipstick.topology("wafer-mesh")
on_mesh = run(lower(hierarchical.all_reduce(4, 5, both_orders=True), mesh, SIZE), mesh).time
print("\na wafer-wide all-reduce, against the mesh")
for variant in "abcd":
    fabric = slipstick.topology(f"wafer-fred-{variant}")
    schedule = (
        collective_schedule("all_reduce", "in_network", 20) if fabric.reduces.any() else hierarchical.all_reduce(4, 5)
    )
    print(f"  {fabric.name}: {on_mesh / run(lower(schedule, fabric, SIZE), fabric).time:.2f} x")
