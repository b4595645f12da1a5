"""Fred_m(P): the switch as a recursive Clos network of small micro-switches.

Source: FRED (arXiv 2406.19580), section 4; the three-port piece after Chang and Melhem, Arbitrary size Benes networks
(Parallel Processing Letters 7(3), 1997). Which stage holds which kind of micro-switch is our reading of the text.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError

MAX_PORTS = 256  # 4**8 innermost micro-switches with m = 4
MAX_MIDDLES = 8


@dataclass(frozen=True)
class Fred:
    """Fred_m(P) switch: `ports` (P) inputs and as many outputs, with `middles` (m) sub-switches at every level.

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
            ("ports", self.ports, 1, MAX_PORTS),
            ("middles", self.middles, 2, MAX_MIDDLES),
        ):
            if not low <= value <= most:
                raise SlipstickError("no such switch", path=f"switch.{name}", value=value, allowed=f"{low} to {most}")
        if self.three not in ("benes", "demux"):
            raise SlipstickError("no such piece", path="switch.three", value=self.three, allowed=["benes", "demux"])

    @property
    def pairs(self) -> int:
        """Number of input micro-switches (and of output micro-switches) of the outermost level."""
        return self.ports // 2

    @property
    def piece(self) -> bool:
        """Whether this is the three-port Benes switch, whose last port reaches its first middle sub-switch only."""
        return self.ports == 3 and self.three == "benes"

    @property
    def demux(self) -> bool:
        """Whether the last port has a demultiplexer and a multiplexer."""
        return self.ports > 2 and self.ports % 2 == 1 and not self.piece

    @property
    def ways(self) -> int:
        """Number of middle sub-switches of the outermost level: the colours that a flow can take."""
        if self.ports <= 2:
            return 0
        return 2 if self.piece else self.middles

    def inner(self, way: int) -> Fred:
        """Return the middle sub-switch of number `way`."""
        return _sub_switch(1 if self.piece and way else (self.ports + 1) // 2, self.middles, self.three)

    def micro_switches(self) -> dict[str, int]:
        """Return the number of micro-switches of each kind, over all levels."""
        return dict(_count(self))

    @property
    def routes_all_groups(self) -> bool:
        """Whether in-group collectives of any disjoint groups can be routed, by the law of `counting`.

        Examples
        --------
        >>> Fred(11, 3).routes_all_groups, Fred(12, 3).routes_all_groups, Fred(6, 2).routes_all_groups
        (True, False, False)
        """
        return self.ports // 2 < self.middles * (self.middles + 1) // 2

    @property
    def configuration_bits(self) -> int:
        """Bits of one configuration: two for an input of a two-input micro-switch's output, a number for a middle.

        Examples
        --------
        An RD has 4; a Fred_3(4) has two R of 6, three RD of 4 and two D of 4:

        >>> Fred(2).configuration_bits, Fred(4).configuration_bits
        (4, 32)
        """
        return _configuration_bits(self)

    def configurations_in(self, memory: float) -> int:
        """Return the number of configurations that fit `memory` [B], besides the default, which needs none."""
        return int(memory) // ((self.configuration_bits + 7) // 8)


@functools.lru_cache(maxsize=MAX_PORTS)
def _sub_switch(ports: int, middles: int, three: str) -> Fred:
    return Fred(ports, middles, three)


def _count(switch: Fred) -> Counter[str]:
    if switch.ports <= 2:
        return Counter({"RD": 1}) if switch.ports == 2 else Counter()
    counts = Counter({"R": switch.pairs})
    for way in range(switch.ways):
        counts += _count(switch.inner(way))
    counts["D"] = counts["D"] + switch.pairs
    if switch.demux:
        counts += Counter({"demux": 1, "mux": 1})
    return counts


@functools.lru_cache(maxsize=MAX_PORTS)
def _configuration_bits(switch: Fred) -> int:
    if switch.ports <= 2:
        return 4 if switch.ports == 2 else 0
    pick = switch.ways.bit_length()  # a number of a middle, or none
    own = 2 * switch.pairs * switch.ways + 2 * switch.pairs * pick + (2 * pick if switch.demux else 0)
    return own + sum(_configuration_bits(switch.inner(way)) for way in range(switch.ways))
