"""Colour traces of a face: blocks of skin over time, with the head's pose; from an NPZ or a CSV, by time stamps."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipstick.core.arrays import AnyArray, FloatArray
from slipstick.core.errors import SlipstickError
from slipstick.core.files import read_bytes
from slipstick.report.published import number, read_csv

RATE = 30.0  # samples a second after resampling: what cameras give, and above twice any pulse; ours
_MAX_BYTES = 2**28  # of a file: an hour of 23 blocks
_FIXED = 128.0  # of the shared layout: colours are whole numbers, 128 a level
_LONGEST_GAP = 1.0  # s between frames that is still bridged
_CLIP = re.compile(r"(\d+)_rgb")
_ALLOWED = (
    "arrays times [time], rgb [time, blocks, 3] and optionally pose [time, 7], or NN_rgb, NN_pose of several clips"
)


@dataclass(frozen=True, eq=False)
class FaceTraces:
    """Traces of one face at `RATE` samples a second.

    Parameters
    ----------
    colours : mean R, G, B of blocks of skin, [time, blocks, 3], above 0.
    pose : yaw, pitch, roll [degrees], scale, centre x and y, planar residual, [time, 7]; None where it is not known.
    start : time of the first sample [s].
    reference : [windows, 2], end of a window [s] and its mean heart rate [bpm]; None without a reference.
    """

    colours: FloatArray
    pose: FloatArray | None = None
    start: float = 0.0
    reference: FloatArray | None = None

    @property
    def seconds(self) -> float:
        """Length of the traces [s]."""
        return len(self.colours) / RATE


def read_traces(path: str | Path, clip: int | None = None) -> FaceTraces:
    """Return the traces of an NPZ file, or of a CSV with the columns time, r, g, b (or NAME_r, NAME_g, NAME_b a block).

    Parameters
    ----------
    clip : number of the clip, in an NPZ with several (arrays ``NN_rgb``, ``NN_pose``, ``NN_truth``).

    Errors
    ------
    SlipstickError for other files, colours that are not above 0, time stamps that do not grow, and gaps above 1 s.
    """
    where = str(path)
    if where.lower().endswith(".csv"):
        times, colours = _from_csv(path)
        return _resampled(times, colours, None, None, where)
    try:
        with np.load(io.BytesIO(read_bytes(path, limit=_MAX_BYTES)), allow_pickle=False) as file:
            return _from_npz(dict(_arrays(file, clip, where)), where)
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise SlipstickError(f"not an NPZ file of traces: {error}", path=where, allowed=_ALLOWED) from None


def _arrays(file: np.lib.npyio.NpzFile, clip: int | None, where: str) -> dict[str, AnyArray]:
    """Return the arrays of one clip: times, rgb, pose, truth, as far as they are there."""
    clips = {int(match[1]): match[1] for name in file.files if (match := _CLIP.fullmatch(name))}
    if not clips:
        return {name: file[name] for name in ("times", "rgb", "pose", "truth") if name in file.files}
    if clip is None and len(clips) > 1:
        allowed = f"one of {len(clips)}, {min(clips)} to {max(clips)}"
        raise SlipstickError("several clips in the file: say which", path="clip", allowed=allowed)
    chosen_clip = next(iter(clips)) if clip is None else clip
    if chosen_clip not in clips:
        raise SlipstickError(
            "no such clip in the file", path="clip", value=clip, allowed=f"{min(clips)} to {max(clips)}"
        )
    prefix = clips[chosen_clip]
    found_names = {name: f"{prefix}_{name}" for name in ("rgb", "pose", "truth", "times")}
    arrays = {name: file[full] for name, full in found_names.items() if full in file.files}
    if arrays["rgb"].dtype.kind in "iu":
        arrays["rgb"] = arrays["rgb"] / _FIXED
    return arrays


def _from_npz(arrays: dict[str, AnyArray], where: str) -> FaceTraces:
    if "rgb" not in arrays or arrays["rgb"].ndim != 3 or arrays["rgb"].shape[-1] != 3:
        shape = arrays["rgb"].shape if "rgb" in arrays else None
        raise SlipstickError("no colours [time, blocks, 3]", path=f"{where}: rgb", value=shape, allowed=_ALLOWED)
    colours = np.asarray(arrays["rgb"], np.float64)
    times = np.asarray(arrays.get("times", np.arange(len(colours)) / RATE), np.float64)
    pose = np.asarray(arrays["pose"], np.float64) if "pose" in arrays else None
    if times.shape != (len(colours),) or (pose is not None and pose.shape[0] != len(colours)):
        raise SlipstickError("times, rgb and pose have different lengths", path=where, value=len(colours))
    truth = np.asarray(arrays["truth"], np.float64) if "truth" in arrays and len(arrays["truth"]) else None
    return _resampled(times, colours, pose, truth, where)


def _from_csv(path: str | Path) -> tuple[FloatArray, FloatArray]:
    header, rows = read_csv(path)
    blocks = [name[:-2] for name in header if name.endswith("_r")]
    columns = [[f"{block}_{colour}" for colour in "rgb"] for block in blocks] or [["r", "g", "b"]]
    missing = [name for name in ("time", *(name for block in columns for name in block)) if name not in header]
    if missing or not rows:
        message = f"has no column {missing[0]}" if missing else "no rows below the header"
        raise SlipstickError(message, path=str(path), allowed="time, r, g, b, or NAME_r, NAME_g, NAME_b of each block")
    numbers = [
        [[number(row, name, case=f"row {place}") for name in block] for block in columns]
        for place, row in enumerate(rows, 1)
    ]
    return np.array([number(row, "time", case=f"row {place}") for place, row in enumerate(rows, 1)]), np.array(numbers)


def _resampled(
    times: FloatArray, colours: FloatArray, pose: FloatArray | None, truth: FloatArray | None, where: str
) -> FaceTraces:
    """Return the traces at `RATE` samples a second, interpolated linearly between frames."""
    if not (np.isfinite(times).all() and np.isfinite(colours).all() and (pose is None or np.isfinite(pose).all())):
        raise SlipstickError("numbers that are not finite", path=where, allowed="finite numbers")
    if len(times) < 2 or (np.diff(times) <= 0).any():
        raise SlipstickError(
            "time stamps do not grow", path=f"{where}: times", allowed="two frames or more, in seconds"
        )
    if (colours <= 0).any():
        worst = float(colours.min())
        raise SlipstickError("not a colour", path=f"{where}: rgb", value=worst, allowed="mean colours above 0")
    gap = float(np.diff(times).max())
    if gap > _LONGEST_GAP:
        allowed = f"at most {_LONGEST_GAP:g} s between frames; times in seconds; cut the recording there"
        raise SlipstickError("a gap between frames", path=f"{where}: times", value=gap, allowed=allowed)
    count = int(np.floor((times[-1] - times[0]) * RATE + 1 / 2)) + 1
    grid = times[0] + np.arange(count) / RATE

    def moved(values: FloatArray) -> FloatArray:
        flat = values.reshape(len(values), -1)
        columns = [np.interp(grid, times, column) for column in flat.T]
        return np.stack(columns, 1).reshape(count, *values.shape[1:])

    return FaceTraces(moved(colours), None if pose is None else moved(pose), float(times[0]), truth)
