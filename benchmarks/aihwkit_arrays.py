"""Analog arrays beside aihwkit's torch tile (Rasch et al., arXiv 2104.02184): same operands, noise off, one thread.

    python3.11 -m venv DIR && DIR/bin/pip install aihwkit==1.1.0 torch==2.13.0
    python benchmarks/aihwkit_arrays.py --peer DIR/bin/python [--repeats 9]

Each array is an analog layer of its own (TorchInferenceRPUConfig, the only tile of aihwkit 1.1.0 that runs with torch
2.13), with our range as its output bound and our step as its resolution; no management of noise or bounds, no noise. It
runs in the environment of the named Python, on operands of a trained network (`layer_timing`). One line a goal, ``goal:
NAME | reached VALUE | wanted BOUND | met``; ``not run`` where aihwkit is not there. The exit status is 0 either way.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = ("rows=9,adc_bits=4", "rows=64,adc_bits=4", "rows=64,adc_bits=6", "rows=128,adc_bits=6", "rows=576,adc_bits=24")
IMAGES = 4


def peer(folder: Path, repeats: int) -> None:
    """Compute the layers of a folder by aihwkit: every array's result, their sum, and the time of a forward pass."""
    import torch
    from aihwkit.nn import AnalogLinear
    from aihwkit.simulator.configs import TorchInferenceRPUConfig
    from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType

    torch.set_num_threads(1)
    for path in sorted(folder.glob("*.npz")):
        given = np.load(path)
        patches, weights = (torch.from_numpy(given[name]) for name in ("patches", "weights"))
        arrays = []
        for first in range(0, weights.shape[1], int(given["rows"])):
            part = slice(first, first + int(given["rows"]))
            config: Any = TorchInferenceRPUConfig()
            config.forward.inp_res, config.forward.inp_bound = -1, 1.0  # inputs are whole steps already
            config.forward.inp_noise = config.forward.out_noise = config.forward.w_noise = 0.0
            config.forward.out_bound, config.forward.out_res = float(given["span"]), 0.5 / float(given["top"])
            config.forward.noise_management = NoiseManagementType.NONE
            config.forward.bound_management = BoundManagementType.NONE
            config.mapping.weight_scaling_omega, config.mapping.max_input_size = 0.0, 0
            layer = AnalogLinear(weights[:, part].shape[1], len(weights), bias=False, rpu_config=config)
            layer.set_weights(weights[:, part].contiguous())
            arrays.append((layer.eval(), part))

        def run(arrays: Any = arrays, patches: Any = patches) -> Any:
            return [layer(patches[:, part]) for layer, part in arrays]

        times = []
        with torch.no_grad():
            results = run()
            for _ in range(repeats):
                start = time.thread_time()
                run()
                times.append(time.thread_time() - start)
        np.save(path.with_suffix(".npy"), np.stack([result.numpy() for result in results]))
        path.with_suffix(".seconds").write_text(str(statistics.median(times)))


def main() -> None:
    """Print a line for each goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="Python of the environment that has aihwkit")
    parser.add_argument("--repeats", type=int, default=9, help="forward passes of a median")
    parser.add_argument("--folder", type=Path, help="compute this folder's layers by aihwkit, and nothing else")
    options = parser.parse_args()
    if options.folder:
        peer(options.folder, options.repeats)
        return
    with tempfile.TemporaryDirectory() as name:
        ours = {text: prepared(Path(name), text, options.repeats) for text in TEXTS}
        command = [str(options.peer), __file__, "--folder", name, "--repeats", str(options.repeats)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        ran = options.peer and subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if not ran or ran.returncode:
            why = "give the Python of an environment that has it: --peer" if not ran else ran.stderr.strip()[-200:]
            print(f"goal: analog beside aihwkit | not run: {why}")
            return
        for text, result in ours.items():
            compare(Path(name), text, *result)


def prepared(folder: Path, text: str, repeats: int) -> tuple[Any, Any, float, float, float]:
    """Write a layer's operands for aihwkit; return our results of each array, their sum, step, and both times [s]."""
    import torch
    from layer_timing import LAYER, forward, operands, plain, seconds

    from slipstick.core.window import WholeNumbers, Window

    torch.set_num_threads(1)
    shape = (IMAGES, *LAYER[1:])
    x, w, window, analog = operands(shape, f"int8@analog:{text}")  # type: ignore[arg-type]
    rows, converter = analog.rows, analog.converter(x, w)  # type: ignore[attr-defined]
    patches = window.patches(x.elements, (3, 3)).transpose(0, 2, 3, 1, 4, 5).reshape(-1, w.elements[0].size)
    matrix, unit = w.elements.reshape(len(w.elements), -1), np.float32(1 / (x.full * w.full))
    parts = []
    for first in range(0, matrix.shape[1], rows):
        both = [WholeNumbers(part[:, first : first + rows, None, None], 128) for part in (patches, matrix)]
        parts.append(analog.layer_sums(both[0], both[1], Window())[:, :, 0, 0] * unit)
    whole = analog.layer_sums(x, w, window).transpose(0, 2, 3, 1).reshape(len(patches), -1) * unit
    fractions = {"patches": patches.astype(np.float32) / x.full, "weights": matrix.astype(np.float32) / w.full}
    span, step = converter.span * unit, float(converter.step * unit)
    np.savez(folder / f"{text}.npz", rows=rows, span=span, top=converter.top, **fractions)
    times = seconds({"plain": plain(shape), "ours": forward(shape, f"int8@analog:{text}")}, repeats)  # type: ignore[arg-type]
    return np.stack(parts), whole, step, times["ours"], times["plain"]


def compare(folder: Path, text: str, arrays: Any, whole: Any, step: float, ours: float, plain: float) -> None:
    """Print how far aihwkit's results are from ours: of single arrays, and of the layer."""
    from layer_timing import goal

    theirs = np.load(folder / f"{text}.npy")
    apart, largest = np.abs(theirs - arrays), float(np.abs(arrays).max())
    name = f"analog:{text} beside aihwkit"
    if step < 1e-6 * largest:  # next to no error: steps of a rounding of fp32
        goal(f"{name}: largest difference, 1e-6 of the largest sum", float(apart.max()) / largest * 1e6, 1.0)
    else:
        same = apart < step / 2
        goal(f"{name}: largest difference of an array, in steps of the converter", float(apart.max()) / step, 1.0001)
        goal(f"{name}: arrays with another step, of a thousand", 1e3 * float((~same).mean()), 1.0, f" of {same.size:,}")
        goal(f"{name}: largest difference of those, 1e-6 of the largest", float(apart[same].max()) / largest * 1e6, 1.0)
    total = theirs.sum(axis=0) - whole
    share = 1e3 * abs(float(total.mean())) / float(whole.std())
    goal(f"{name}: mean difference of the layer, in thousandths of its sums' deviation", share, 1.0)
    peer_ratio = float((folder / f"{text}.seconds").read_text()) / plain
    print(f"  over torch's convolution: aihwkit {peer_ratio:.2f} (of unfolded inputs), ours {ours / plain:.2f}")


if __name__ == "__main__":
    main()
