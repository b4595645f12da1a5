"""Signal to quantisation noise of an int8 network's weights in other formats, and their bytes; weights only.

    python benchmarks/format_sqnr.py ../shared/data/mobilenet_tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite

Noise and signal are sums over all weights in real numbers, so layers with large weights (depth-wise ones) count most:
a comparison of formats, not of accuracies.
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np

from slipstick.formats import Pool, Swis, encoding_of
from slipstick.formats.kmeans import _assign, _fit
from slipstick.formats.pool_vectors import _fit_pool, _poolable
from slipstick.formats.shift_schedule import errors_by_shifts, schedule
from slipstick.trained.integer.layer_weights import layer_weights
from slipstick.trained.tflite import read_tflite

FORMATS = ("truncate:{}", "round:{}", "swis:{},consecutive=true", "swis:{}", "swis:{},alpha=1", "swis:{},group=8")
SHIFTS = (2, 3, 4, 5)


def rows(codes: np.ndarray) -> np.ndarray:
    return codes.reshape(len(codes), -1).astype(float)


def decibel(signal: float, noise: float) -> str:
    return f"{10 * math.log10(signal / noise):.1f}"


def main() -> None:
    layers = layer_weights(read_tflite(sys.argv[1]))
    signal = sum(float((rows(layer.codes) ** 2 @ np.ones(layer.codes[0].size)) @ layer.scales**2) for layer in layers)
    print(f"{len(layers)} layers, {sum(layer.codes.size for layer in layers):,} weights; dB (kB)")
    for text in FORMATS:
        found = []
        for shifts in SHIFTS:
            form = encoding_of(text.format(shifts))
            lost = [rows(form.recode(layer.codes)) - rows(layer.codes) for layer in layers]
            noise = sum(float((e**2).sum(axis=1) @ layer.scales**2) for e, layer in zip(lost, layers, strict=True))
            size = sum(form.storage_bytes(layer.codes.shape) for layer in layers)
            found.append(f"{shifts}: {decibel(signal, noise)} ({size / 1e3:.0f})")
        print(text.format("N"), *found, sep="  ")
    started = time.process_time()
    tables = [
        errors_by_shifts(
            lambda n, w=layer: Swis(n).recode(w.codes),
            lambda kept, w=layer: ((rows(kept) - rows(w.codes)) ** 2).sum(axis=1) * w.scales**2,
            7,
        )
        for layer in layers
    ]
    costs = [np.full(len(layer.codes), -(-layer.codes[0].size // 4)) for layer in layers]
    spent, found = time.process_time() - started, []
    for shifts in SHIFTS:
        chosen = schedule(tables, costs, shifts)
        noise = sum(float(t[np.arange(len(t)), n - 1].sum()) for t, n in zip(tables, chosen, strict=True))
        found.append(f"{shifts}: {decibel(signal, noise)}")
    print("swis, scheduled", *found, sep="  ")
    print(f"errors of all filters at 1 to 7 shifts: {spent:.2f} s of CPU")
    inside = [w for w in layers if w.kind == "conv" and _poolable(w.codes.shape, first=w is layers[0])]
    real = [w.codes * w.scales.astype(float).reshape(-1, *[1] * (w.codes.ndim - 1)) for w in inside]
    for metric in ("euclidean", "cosine"):
        form, pool = Pool(64, metric=metric), _fit_pool(real, 64, metric=metric)
        noise = sum(float(((form.decode(form.encode(w, {"pool": pool})) - w) ** 2).sum()) for w in real)
        print(f"pool of 64, {metric}: {decibel(sum(float((w**2).sum()) for w in real), noise)} dB in pooled layers")
    every = np.concatenate([w.reshape(-1, 8) for w in real])
    centres = _fit(every, 64)
    noise = float(((every - centres[_assign(every, centres)]) ** 2).sum())
    print(f"pool of 64 without scales of filters: {decibel(float((every**2).sum()), noise)} dB")


if __name__ == "__main__":
    main()
