"""Link budget of a correlator: losses from the laser to the last detector, and the laser power that they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_DECIBEL = 10.0  # per factor of ten in power


def loss_chain(v: Mapping[str, Any]) -> dict[str, Any]:
    """Return the losses [dB] of the light of one waveguide from laser to detector, in the order of its way.

    The light of an input is split to all correlators of other filters; each splitter stage halves it. Where the plane
    between the lenses is remodulated, its light comes from lasers of its own, and one lens is on the way.

    Parameters
    ----------
    v : values of a `Correlator` by dotted path, floats or arrays.
    """
    copies = v["correlators"] / v["parallel_inputs"]
    return {
        "coupler": v["light.coupler"],
        "splitter tree": np.ceil(np.log2(v["waveguides"] * copies)) * v["light.splitter"],
        "copies to filters": _DECIBEL * np.log10(copies),
        "waveguides": v["light.guide"],
        "modulator": v["modulator.loss"],
        "lenses": v["lens.loss"] * (2.0 - v["remodulated"]),
    }


def laser_power(sensitivity: Any, losses: Mapping[str, Any], efficiency: Any) -> Any:
    """Return the electrical laser power [W] that gives a detector its least optical power behind some losses.

    P = P_detector 10^(loss / 10) / efficiency, of one waveguide: the lenses spread the light of all waveguides over as
    many detectors.

    Parameters
    ----------
    sensitivity : least optical power at the detector [W].
    losses : losses by name [dB].
    efficiency : electrical to optical, of the laser.

    Examples
    --------
    >>> round(float(1e6 * laser_power(3.16e-6, {"coupler": 3.0, "lens": 7.0}, 0.2)), 1)
    158.0
    """
    return sensitivity * np.power(_DECIBEL, sum(losses.values()) / _DECIBEL) / efficiency


def sized_power(v: Mapping[str, Any]) -> Any:
    """Return the electrical laser power [W] of one waveguide by the loss chain and the detector's sensitivity."""
    return laser_power(v["detector.sensitivity"], loss_chain(v), v["light.efficiency"])
