"""Numbers carried through the micro-switches of a switch, by their settings alone."""

from __future__ import annotations

from collections.abc import Sequence

from slipstick.core.arrays import IntArray
from slipstick.core.errors import SlipstickError
from slipstick.fabric.switch.clos_network import Fred
from slipstick.fabric.switch.configuration import _Settings
from slipstick.fabric.switch.flow_routing import _must_route
from slipstick.fabric.switch.switch_flow import Flow

_Wires = list[IntArray | None]  # value of each port; None is silence


def _through(switch: Fred, settings: _Settings, ports: _Wires) -> _Wires:
    """Return the value at each output port for the values at the input ports.

    Errors
    ------
    SlipstickError if a reducing micro-switch would copy, or a micro-switch adds a silent input.
    """
    if switch.ports == 1:
        return ports
    if switch.ports == 2:
        return [_tapped(ports, mask) for mask in settings.taps[0]]
    middles: list[_Wires] = [[] for _ in range(switch.ways)]
    for pair, taps in enumerate(settings.taps):
        if any(taps[i] & taps[k] for k in range(len(taps)) for i in range(k)):
            raise SlipstickError("an R micro-switch cannot copy", path=f"taps.{pair}", value=taps)
        for way, mask in enumerate(taps):
            middles[way].append(_tapped(ports[2 * pair : 2 * pair + 2], mask))
    if switch.demux:
        for way, middle in enumerate(middles):
            middle.append(ports[-1] if settings.ends[0] == way + 1 else None)
    elif switch.piece:
        middles[0].append(ports[-1])  # a wire to the RD, none to the other middle
    left = [_through(switch.inner(way), settings.inner[way], middle) for way, middle in enumerate(middles)]
    outputs = [left[pick - 1][pair] if pick else None for pair, picks in enumerate(settings.picks) for pick in picks]
    if switch.demux:
        outputs.append(left[settings.ends[1] - 1][-1] if settings.ends[1] else None)
    elif switch.piece:
        outputs.append(left[0][-1])
    return outputs


def carry(switch: Fred, flows: Sequence[Flow], values: IntArray) -> dict[int, IntArray]:
    """Return the value at each output port of concurrent flows, through a switch configured from packed bytes.

    Parameters
    ----------
    values : integers of shape (ports, n).

    Errors
    ------
    SlipstickError if the flows conflict.

    Examples
    --------
    >>> import numpy as np
    >>> carry(Fred(4), [Flow.of([0, 3], [0, 3]), Flow.of([1], [2])], np.array([[1], [2], [4], [8]]))
    {0: array([9]), 2: array([2]), 3: array([9])}
    """
    packed = _Settings.of(_must_route(switch, flows)).pack(switch)
    sending = {port for flow in flows for port in flow.inputs}
    ports: _Wires = [values[port] if port in sending else None for port in range(switch.ports)]
    left = _through(switch, _Settings.unpack(switch, packed), ports)
    return {port: wire for port, wire in enumerate(left) if wire is not None}


def _tapped(inputs: _Wires, mask: int) -> IntArray | None:
    """Return the first input, the second, or the sum of both, as the mask selects."""
    selected_wires = [wire for place, wire in enumerate(inputs) if mask >> place & 1]
    if not selected_wires:
        return None
    heard = [wire for wire in selected_wires if wire is not None]
    if len(heard) != len(selected_wires):
        raise SlipstickError("a micro-switch listens to a silent input", path="taps", value=mask)
    return heard[0] if len(heard) == 1 else heard[0] + heard[1]
