"""Colour traces of a drawn face with a known pulse: shading moves all colours alike, blood moves them apart."""

from __future__ import annotations

import numpy as np

from slipstick.vitals import FaceTraces

SECONDS, RATE, BLOCKS = 20, 30.0, 12
BLOOD = np.array([0.33, 0.77, 0.53])


def face(
    beats: float, pulse: float = 0.006, nod: float = 0.0, nod_beats: float = 50.0, seed: int = 0, drift: float = 0.0
) -> FaceTraces:
    """Return traces of a face whose heart beats at `beats` a minute, `drift` a minute faster at the end.

    Parameters
    ----------
    pulse : amplitude over the mean colour.
    nod : amplitude of the pitch [degrees] at `nod_beats` a minute: about 2 % of shading a degree, by block.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(int(SECONDS * RATE)) / RATE
    rate = beats + drift * time / SECONDS
    phase = 2 * np.pi * np.cumsum(rate) / 60 / RATE
    wave = pulse * (np.cos(phase) + 0.3 * np.cos(2 * phase))
    pitch = nod * np.sin(2 * np.pi * nod_beats / 60 * time)
    shading = 1 + 0.02 * pitch[:, None] * rng.uniform(0.5, 1.5, BLOCKS)
    colours = shading[:, :, None] * (1 - wave[:, None, None] * BLOOD) * np.array([140.0, 110.0, 90.0])
    colours += rng.normal(0, 0.12, colours.shape)
    pose = np.zeros((len(time), 7))
    pose[:, 1] = pitch + rng.normal(0, 0.05, len(time))
    ends = np.arange(10, SECONDS + 1)
    means = [rate[int((end - 10) * RATE) : int(end * RATE)].mean() for end in ends]
    return FaceTraces(colours, pose, 0.0, np.column_stack([ends, means]))
