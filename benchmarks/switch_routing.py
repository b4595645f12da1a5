"""How many sets of disjoint groups Fred_m(P) cannot route, counted over all of them; and sets a second.

    python benchmarks/switch_routing.py 8 9 10 11
    python benchmarks/switch_routing.py --chains 3 4 5 6

Ports 11 take about a minute, 12 (4,213,597 partitions) several. With --chains: multicasts of which each output listens
to any input, so that a port may receive while it sends, with either three-port piece.
"""

from __future__ import annotations

import sys
import time

from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.counting import flow_sets
from slipstick.fabric.switch.flow_routing import routable

LARGEST_STARS = 8  # 41,393 sets of multicasts; 293,608 with nine ports


def unroutable(switch: Fred, kind: str) -> int:
    return sum(not routable(switch, masks) for masks in flow_sets(kind, switch.ports))


def main(sizes: list[int]) -> None:
    print("ports  m  sets of all-reduces  unroutable  by the law  multicasts  unroutable  sets/s")
    for ports in sizes:
        sets = sum(1 for _ in flow_sets("groups", ports))
        for middles in (2, 3):
            switch, start = Fred(ports, middles), time.process_time()
            lost = unroutable(switch, "groups")
            rate = sets / (time.process_time() - start)
            law = "none" if switch.routes_all_groups else "some"
            casts, casts_lost = "-", "-"
            if ports <= LARGEST_STARS:
                casts, casts_lost = str(sum(1 for _ in flow_sets("stars", ports))), str(unroutable(switch, "stars"))
            row = f"{ports:5} {middles:2} {sets:20,} {lost:11,} {law:>11} {casts:>11} {casts_lost:>11} {rate:7.0f}"
            print(row, flush=True)


def main_chains(sizes: list[int]) -> None:
    print("ports  m  sets of multicasts  unroutable: Benes piece  demultiplexer")
    for ports in sizes:
        for middles in (2, 3):
            lost = [unroutable(Fred(ports, middles, three), "chains") for three in ("benes", "demux")]
            print(f"{ports:5} {middles:2} {(ports + 1) ** ports:19,} {lost[0]:24,} {lost[1]:14,}", flush=True)


if __name__ == "__main__" and "--chains" in sys.argv:
    main_chains([int(text) for text in sys.argv[1:] if text.isdigit()] or [3, 4, 5])
elif __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [5, 6, 7, 8])
