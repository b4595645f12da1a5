"""Fred_m(P): the switch as a recursive Clos network of small micro-switches.

Source: FRED (arXiv 2406.19580), section 4; the three-port piece after Chang and Melhem, Arbitrary size Benes networks
(Parallel Processing Letters 7(3), 1997). Which stage holds which kind of micro-switch is our reading of the text.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError

MOST_PORTS = 256  # 4**8 innermost micro-switches with m = 4
MOST_MIDDLES = 8


@dataclass(frozen=True)
class Fred:
    """A switch of `ports` inputs and as many outputs, with `middles` sub-switches (m) at every level.

    * Even P = 2r: r input micro-switches R (2 inputs, m outputs; may add its inputs), m middle Fred_m(r), r output
      micro-switches D (m inputs, 2 outputs; may copy one input to both outputs).
    * Odd P = 2r + 1: so too, with middles of r + 1 ports; the last port has a demultiplexer to, and a multiplexer
      from, every middle.
    * P = 2: one RD (2x2; adds and copies). P = 1: a wire.
    * P = 3: the arbitrary-size Benes piece: one R, one RD, one wire, one D, and the last port goes to the RD alone.
      With ``three="demux"`` it is built by the rule for odd P instead, which carries more sets of multicasts.

    Examples
    --------
    >>> Fred(8).inner(0).ports, Fred(7).inner(0).ports, Fred(3).ways
    (4, 4, 2)
    >>> Fred(4, 2).micro_switches()
    {'R': 2, 'RD': 2, 'D': 2}
    """

    ports: int
    middles: int = 3
    three: str = "benes"

    def __post_init__(self) -> None:
        for name, value, low, most in (
            ("ports", self.ports, 1, MOST_PORTS),
            ("middles", self.middles, 2, MOST_MIDDLES),
        ):
            if not low <= value <= most:
                raise SlipstickError("no such switch", path=f"switch.{name}", value=value, allowed=f"{low} to {most}")
        if self.three not in ("benes", "demux"):
            raise SlipstickError("no such piece", path="switch.three", value=self.three, allowed=["benes", "demux"])

    @property
    def pairs(self) -> int:
        """Input micro-switches of the outermost level, and as many output ones."""
        return self.ports // 2

    @property
    def piece(self) -> bool:
        """Whether this is the three-port Benes piece, whose last port reaches its first middle only."""
        return self.ports == 3 and self.three == "benes"

    @property
    def demux(self) -> bool:
        """Whether the last port has a demultiplexer and a multiplexer."""
        return self.ports > 2 and self.ports % 2 == 1 and not self.piece

    @property
    def ways(self) -> int:
        """Middles of the outermost level: what a flow can be coloured with."""
        if self.ports <= 2:
            return 0
        return 2 if self.piece else self.middles

    def inner(self, way: int) -> Fred:
        """Return the middle sub-switch number `way`."""
        return _sub_switch(1 if self.piece and way else (self.ports + 1) // 2, self.middles, self.three)

    def micro_switches(self) -> dict[str, int]:
        """Return how many micro-switches of each kind there are, in all levels."""
        return dict(_count(self))


@functools.lru_cache(maxsize=MOST_PORTS)
def _sub_switch(ports: int, middles: int, three: str) -> Fred:
    return Fred(ports, middles, three)


def _count(switch: Fred) -> Counter[str]:
    if switch.ports <= 2:
        return Counter({"RD": 1}) if switch.ports == 2 else Counter()
    found = Counter({"R": switch.pairs})
    for way in range(switch.ways):
        found += _count(switch.inner(way))
    found["D"] = found["D"] + switch.pairs
    if switch.demux:
        found += Counter({"demux": 1, "mux": 1})
    return found
