"""Configuration of a switch: settings of its micro-switches, compiled once per phase, selected by a packet's index.

A header carries the index; index 0 means "all unicast, routed on line". Source: FRED (arXiv 2406.19580), section 5; the
encoding (two bits an output of a two-input micro-switch, a binary number of the chosen middle) is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.flow_routing import _Routed
from slipstick.fabric.switch.switch_flow import Flow


@dataclass(frozen=True)
class _Settings:
    """Settings of the micro-switches of one level, and of its middle sub-switches.

    ``taps[i][k]`` says which inputs of the i-th two-input micro-switch go to its output k: 0 none, 1 the first, 2 the
    second, 3 their sum. ``picks[i]`` are, for the two outputs of the i-th output micro-switch, 1 + the middle that each
    listens to, or 0; the same value twice is a copy. The last port's demultiplexer and multiplexer follow as one more
    pair in `ends`. An innermost RD has taps for its two outputs and no picks.
    """

    taps: tuple[tuple[int, ...], ...] = ()
    picks: tuple[tuple[int, int], ...] = ()
    ends: tuple[int, int] = (0, 0)  # of the demultiplexer and the multiplexer: 1 + middle, or 0
    inner: tuple[_Settings, ...] = ()

    @classmethod
    def of(cls, routed: _Routed) -> _Settings:
        """Return the settings that carry routed flows: a micro-switch adds or copies where one flow has both ports."""
        return _configured(routed)

    @classmethod
    def unpack(cls, switch: Fred, packed: bytes) -> _Settings:
        """Return the settings that the bytes of `pack` stand for.

        Errors
        ------
        SlipstickError if there are too few or too many bytes.
        """
        size = (switch.configuration_bits + 7) // 8
        if len(packed) != size:
            raise SlipstickError("not this switch's configuration", path="bytes", value=len(packed), allowed=f"{size}")
        return _read(switch, _Bits(int.from_bytes(packed, "little")))

    def pack(self, switch: Fred) -> bytes:
        """Return the configuration as the bytes that the switch's memory holds."""
        word, place = 0, 0
        for value, width in _fields(switch, self):
            word |= value << place
            place += width
        return word.to_bytes((place + 7) // 8, "little")


def _configured(routed: _Routed) -> _Settings:
    switch = routed.switch
    if switch.ports == 1:
        return _Settings()
    if switch.ports == 2:
        return _Settings(taps=(tuple(_heard(routed.flows, output) for output in range(2)),))
    taps = [[0] * switch.ways for _ in range(switch.pairs)]
    picks = [[0, 0] for _ in range(switch.pairs)]
    ends = [0, 0]
    for flow, way in zip(routed.flows, routed.colours, strict=True):
        for port in flow.inputs:
            if port // 2 < switch.pairs:
                taps[port // 2][way] |= 1 << port % 2
            elif switch.demux:
                ends[0] = way + 1
        for port in flow.outputs:
            if port // 2 < switch.pairs:
                picks[port // 2][port % 2] = way + 1
            elif switch.demux:
                ends[1] = way + 1
    return _Settings(
        tuple(tuple(row) for row in taps),
        tuple((upper, lower) for upper, lower in picks),
        (ends[0], ends[1]),
        tuple(_configured(inner) for inner in routed.inner),
    )


def _heard(flows: tuple[Flow, ...], output: int) -> int:
    """Return, as bits, which of an RD micro-switch's two inputs its output receives."""
    return sum(1 << port for flow in flows if output in flow.outputs for port in flow.inputs)


def _fields(switch: Fred, settings: _Settings) -> Iterator[tuple[int, int]]:
    """Yield (value, width in bits) of every setting in a fixed order."""
    if switch.ports == 1:
        return
    rows, columns, pick = _shape(switch)
    for i in range(rows):
        for k in range(columns):
            yield settings.taps[i][k], 2
    if switch.ports == 2:
        return
    for i in range(switch.pairs):
        for side in range(2):
            yield settings.picks[i][side], pick
    if switch.demux:
        for side in range(2):
            yield settings.ends[side], pick
    for way in range(switch.ways):
        yield from _fields(switch.inner(way), settings.inner[way])


def _shape(switch: Fred) -> tuple[int, int, int]:
    """Return a level's number of two-input micro-switches, the outputs of each, and the bits that choose a middle."""
    return (1, 2, 0) if switch.ports == 2 else (switch.pairs, switch.ways, switch.ways.bit_length())


class _Bits:
    """Bit string that is read from its low end."""

    def __init__(self, word: int) -> None:
        self.word = word

    def take(self, width: int) -> int:
        value = self.word & ((1 << width) - 1)
        self.word >>= width
        return value


def _read(switch: Fred, bits: _Bits) -> _Settings:
    if switch.ports == 1:
        return _Settings()
    rows, columns, pick = _shape(switch)
    taps = tuple(tuple(bits.take(2) for _ in range(columns)) for _ in range(rows))
    if switch.ports == 2:
        return _Settings(taps=taps)
    picks = tuple((bits.take(pick), bits.take(pick)) for _ in range(switch.pairs))
    ends = (bits.take(pick), bits.take(pick)) if switch.demux else (0, 0)
    inner = tuple(_read(switch.inner(way), bits) for way in range(switch.ways))
    return _Settings(taps, picks, ends, inner)
