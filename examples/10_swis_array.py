"""SWIS's array against 8 bit serial elements: speed-up and energy ratio, beside what its abstract gives as "up to".

python examples/10_swis_array.py
"""

from slipstick.array.sensitivity import energy_ratio, sensitivity
from slipstick.verbs.arrays import run_on_array

PUBLISHED = {"speed-up": 6.0, "energy": 1.9}  # "up to", networks and shifts not named: arXiv 2103.01308, abstract
NETWORKS = ("mobilenet-v2", "resnet-18", "vgg-16")
ELEMENTS = {"swis-8x8": ("2", "3", "4"), "swis-8x8-double": ("2", "2.67", "3", "3.0", "4")}
JOINED = {"system.array.overlap": True}  # folds follow one another without a gap

print("against stripes-8x8 with int8 weights; 'joined': folds overlap, in both; 'limit': cycles of a group alone")
print("shifts with a point are scheduled: an average over filters; without one, every group has as many\n")
print("network       array            shifts  bits/weight  speed-up  joined  limit  energy  on chip")
best = {"speed-up": 0.0, "energy": 0.0}
for network in NETWORKS:
    slow, slow_joined = (run_on_array(network, "stripes-8x8", "formats=int8", set=s) for s in (None, JOINED))
    for system, counts in ELEMENTS.items():
        for shifts in counts:
            plan = f"formats=swis:{shifts}"
            fast, fast_joined = (run_on_array(network, system, plan, set=s) for s in (None, JOINED))
            cycles = sum(layer.busy for layer in fast.layers) / sum(layer.steps for layer in fast.layers)
            stored, weights = (sum(size) for size in zip(*((l.held.storage, l.product.weights) for l in fast.layers)))
            faster, joined = slow.time / fast.time, slow_joined.time / fast_joined.time
            energy, on_chip = energy_ratio(slow, fast), energy_ratio(slow, fast, dram=False)
            best = {"speed-up": max(best["speed-up"], joined), "energy": max(best["energy"], energy, on_chip)}
            print(
                f"{network:13} {system:16} {shifts:>6}  {8 * stored / weights:11.2f}  {faster:8.2f}  {joined:6.2f}  {8 / cycles:5.2f}"
                f"  {energy:6.2f}  {on_chip:7.2f}"
            )
print(f"\npublished, up to: speed-up {PUBLISHED['speed-up']}, energy {PUBLISHED['energy']}")
print(f"ours, largest:    speed-up {best['speed-up']:.2f} (joined), energy {best['energy']:.2f} (on chip)")

print("\nvgg-16 on swis-8x8-double at 3 shifts: speed-up by the DRAM's bandwidth")
for rate in (1.6, 3.2, 12.8, 51.2):
    changes = {"system.memory.dram.bandwidth": f"{rate} GB/s"}
    slow = run_on_array("vgg-16", "stripes-8x8", "formats=int8", set=changes)
    fast = run_on_array("vgg-16", "swis-8x8-double", "formats=swis:3", set=changes)
    print(f"  {rate:5.1f} GB/s   {slow.time / fast.time:.2f}")

print("\nmobilenet-v2 on swis-8x8 at 3 shifts: what the layers' kinds gain, and how much of the serial array's time they are")
slow, fast = (run_on_array("mobilenet-v2", *what) for what in (("stripes-8x8", "formats=int8"), ("swis-8x8", "formats=swis:3")))
for kind in ("conv", "depthwise", "pointwise", "linear"):
    before, after = (sum(x.total_cycles for x in run.layers if x.product.kind == kind) for run in (slow, fast))
    print(f"  {kind:10} {before / after:.2f} x   {100 * before / slow.cycles:5.1f} %")

for dram in (True, False):
    print(f"\nthe same, energy ratio {'with' if dram else 'without'} DRAM as each coefficient is halved and doubled")
    table = sensitivity(slow, fast, dram=dram)
    print("  " + "  ".join(f"{column.name:>11}" for column in table.columns))
    for name, *ratios in table.rows:
        print(f"  {name:>11}  " + "  ".join(f"{ratio:11.3f}" for ratio in ratios))
