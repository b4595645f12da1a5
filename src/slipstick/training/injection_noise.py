"""Normal noise by counting: a hash of a seed and a place, so that it is the same on every path and after every stop.

Of 64 hashed bits the number of ones is binomial, with the mean 32 and the variance 16; 24 more bits fill the steps of 1
between whole numbers evenly, which adds a twelfth. The excess kurtosis is -0.03, the largest value 8. The hash is
``lowbias32`` of C. Wellons' hash prospector (public domain), from memory; the tests ask for moments and independence.
"""

from __future__ import annotations

import numpy as np

from slipstick.core.arrays import CodeArray, Float32Array

_STREAMS = (0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35)  # that tell three counters apart: any would do
_FACTORS, _SHIFTS = (0x7FEB352D, 0x846CA68B), (16, 15, 16)  # of lowbias32
_WORD = 0xFFFFFFFF  # 32 bits: counters wrap
_MEAN = 32.5  # of 64 bits' ones, and of a number between 0 and 1
_SCALE = np.float32(1 / np.sqrt(16 + 1 / 12))
_UNIT = np.float32(2.0**-24)


def normal_noise(seed: int, count: int) -> Float32Array:
    """Return `count` values of mean 0 and deviation 1, [count], the slow way: the reference of the fused kernels.

    Examples
    --------
    >>> noise = normal_noise(3, 100_000)
    >>> bool(abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01)
    True
    """
    places = np.arange(count, dtype=np.uint32)
    first, second, third = (_hashed(places + np.uint32(key)) for key in noise_keys(seed))
    ones = (np.bitwise_count(first) + np.bitwise_count(second)).astype(np.float32)
    between = (third >> np.uint32(8)).astype(np.float32) * _UNIT
    return np.asarray((ones + between - np.float32(_MEAN)) * _SCALE, np.float32)


def noise_keys(seed: int) -> tuple[int, int, int]:
    """Return the starts of the three counters of a seed, 32 bits each."""
    first, second, third = (_hashed_number((seed + stream) & _WORD) for stream in _STREAMS)
    return first, second, third


def _hashed_number(x: int) -> int:
    """Return the 32 bits of `_hashed`, of one whole number."""
    x = ((x ^ (x >> _SHIFTS[0])) * _FACTORS[0]) & _WORD
    x = ((x ^ (x >> _SHIFTS[1])) * _FACTORS[1]) & _WORD
    return x ^ (x >> _SHIFTS[2])


def _hashed(values: CodeArray) -> CodeArray:
    """Return 32 mixed bits of each value."""
    shifts = np.array(_SHIFTS, np.uint32)
    x = (values ^ (values >> shifts[0])) * np.uint32(_FACTORS[0])
    x = (x ^ (x >> shifts[1])) * np.uint32(_FACTORS[1])
    return np.asarray(x ^ (x >> shifts[2]), np.uint32)
