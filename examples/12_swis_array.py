"""SWIS's array against 8 bit serial elements: speed-up and energy ratio, beside what its abstract gives as "up to".

python examples/12_swis_array.py
"""

from slipstick import estimate
from slipstick.array.energy_sensitivity import energy_ratio, sensitivity

PUBLISHED = {"speed-up": 6.0, "energy": 1.9}  # "up to", networks and shifts not named: arXiv 2103.01308, abstract
ELEMENTS = {"swis-8x8": ("2", "3", "4"), "swis-8x8-double": ("2", "2.67", "3", "3.0", "4")}
JOINED = {"system.device.overlap": True}  # folds follow one another without a gap
SERIAL = ("stripes-8x8", "formats=int8")

print("against stripes-8x8 with int8 weights; 'joined': folds overlap, in both; 'limit': cycles of a group alone")
print("shifts with a point are scheduled: an average over filters; without one, every group has as many\n")
print("network       array            shifts  bits/weight  speed-up  joined  limit  energy  on chip")
largest = {"speed-up": 0.0, "joined": 0.0, "energy": 0.0, "on chip": 0.0}
for network in ("mobilenet-v2", "resnet-14", "resnet-18", "vgg-16"):
    slow, slow_joined = (estimate(network, *SERIAL, set=changes).detail for changes in (None, JOINED))
    for system, shifts in ((system, shifts) for system, counts in ELEMENTS.items() for shifts in counts):
        plan = f"formats=swis:{shifts}"
        fast, fast_joined = (estimate(network, system, plan, set=changes).detail for changes in (None, JOINED))
        limit = 8 * sum(layer.steps for layer in fast.layers) / sum(layer.busy for layer in fast.layers)
        stored = sum(layer.stored.nbytes for layer in fast.layers)
        bits = 8 * stored / sum(layer.product.weights for layer in fast.layers)
        found = {"speed-up": slow.time / fast.time, "joined": slow_joined.time / fast_joined.time}
        found |= {"energy": energy_ratio(slow, fast), "on chip": energy_ratio(slow, fast, dram=False)}
        largest = {name: max(value, found[name]) for name, value in largest.items()}
        print(f"{network:13} {system:16} {shifts:>6}  {bits:11.2f}  {found['speed-up']:8.2f}", end="  ")
        print(f"{found['joined']:6.2f}  {limit:5.2f}  {found['energy']:6.2f}  {found['on chip']:7.2f}")
print(f"\npublished, up to: speed-up {PUBLISHED['speed-up']}, energy {PUBLISHED['energy']}")
print("ours, largest:    " + ", ".join(f"{name} {value:.2f}" for name, value in largest.items()))

print("\narea of one element, without memories: square micrometres in 45 nm, mostly assumed (data/array/energy.yaml)")
for name in ("int8-8x8", "bitfusion-8x8", "stripes-8x8", *ELEMENTS):
    parts = estimate("vgg-16", name).group("area.parts")
    print(f"  {name:16} {1e12 * sum(part.value for part in parts.values()):6.0f}")

print("\nalexnet on swis-8x8-double at 3 shifts: speed-up by the DRAM's bandwidth")
for rate in (0.8, 3.2, 12.8, 51.2):
    changes = {"system.memory.dram.bandwidth": f"{rate} GB/s"}
    slow = estimate("alexnet", *SERIAL, set=changes).detail
    fast = estimate("alexnet", "swis-8x8-double", "formats=swis:3", set=changes).detail
    print(f"  {rate:5.1f} GB/s   {slow.time / fast.time:.2f}")

print(
    "\nmobilenet-v2 on swis-8x8 at 3 shifts: what each kind of layers gains, and its share of the serial array's time"
)
slow, fast = estimate("mobilenet-v2", *SERIAL).detail, estimate("mobilenet-v2", "swis-8x8", "formats=swis:3").detail
for kind in ("conv", "depthwise", "pointwise", "linear"):
    before, after = (sum(x.total_cycles for x in run.layers if x.product.kind == kind) for run in (slow, fast))
    print(f"  {kind:10} {before / after:.2f} x   {100 * before / slow.cycles:5.1f} %")

for dram in (True, False):
    print(f"\nthe same, energy ratio {'with' if dram else 'without'} DRAM as each coefficient is halved and doubled")
    table = sensitivity(slow, fast, dram=dram)
    print("  " + "  ".join(f"{column.name:>11}" for column in table.columns))
    for name, *ratios in table.rows:
        print(f"  {name:>11}  " + "  ".join(f"{ratio:11.3f}" for ratio in ratios))
