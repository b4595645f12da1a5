"""Patch-based first stages: the first operators run tile by tile, so that their wide tensors are never held whole.

Lin et al., "MCUNetV2: memory-efficient patch-based inference for tiny deep learning" (NeurIPS 2021): the price is the
halo, the pixels at the rims of tiles that are computed more than once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from slipstick.edge.arena.arena_problem import ArenaProblem, ArenaStep, Overlap
from slipstick.edge.arena.liveness import _blocks_of, _live_bytes, _overlaps_of

_TILES = (2, 3, 4)  # tiles along height and along width that are tried

Region = tuple[int, int, int, int]  # first row, row behind the last, first column, column behind the last


@dataclass(frozen=True)
class _PatchPlan:
    """Plan whose first `stage` operators run once for each of `tiles` x `tiles` tiles of their result.

    Parameters
    ----------
    problem : in which the tensors of the stage have the size of their largest tile.
    bound : most bytes that are alive at one call.
    macs : multiply-accumulates of an inference, the halo included.
    extra : multiply-accumulates of the halo: what is computed again.
    """

    stage: int
    tiles: int
    problem: ArenaProblem
    bound: int
    macs: float
    extra: float


def patch_plans(problem: ArenaProblem, *, max_extra: float = 0.25) -> list[_PatchPlan]:
    """Return the plans with a smaller arena, the smallest first; their halo is at most a share of all MACs.

    Parameters
    ----------
    max_extra : the largest halo, as a share of all multiply-accumulates.
    """
    whole, bound = sum(step.macs for step in problem.steps), _bound(problem)
    plans = []
    for stage in _stages(problem):
        height, width, _ = problem.tensors[problem.steps[stage - 1].writes].shape or (0, 0, 0)
        for tiles in (count for count in _TILES if count <= min(height, width)):
            patched, extra = _in_tiles(problem, stage, tiles)
            plans.append(_PatchPlan(stage, tiles, patched, _bound(patched), whole + extra, extra))
    smaller = [plan for plan in plans if plan.bound < bound and plan.extra <= max_extra * whole]
    return sorted(smaller, key=lambda plan: (plan.bound, plan.extra))


def _bound(problem: ArenaProblem) -> int:
    blocks = _blocks_of(problem)
    return max(_live_bytes(blocks, _overlaps_of(problem, blocks)), default=0)


def _stages(problem: ArenaProblem) -> Iterator[int]:
    """Yield the numbers of first operators that can run in tiles: windows over images, one tensor crosses behind."""
    lives = problem.lives
    for stage, step in enumerate(problem.steps, start=1):
        shapes = [problem.tensors[tensor].shape for tensor in (*step.reads, step.writes)]
        if step.window is None or None in shapes:
            return
        crossing = [place for place, (first, last) in enumerate(lives) if first < stage <= last]
        if crossing == [step.writes] and stage < len(problem.steps):
            yield stage


def _in_tiles(problem: ArenaProblem, stage: int, tiles: int) -> tuple[ArenaProblem, float]:
    """Return the problem with the tensors of a stage as large as their largest tile, and the halo's MACs."""
    result = problem.steps[stage - 1].writes
    height, width, _ = problem.tensors[result].shape or (1, 1, 1)
    inner = {step.writes for step in problem.steps[:stage]} - {result}
    largest = dict.fromkeys(inner, 0)
    macs = 0.0
    for row in range(tiles):
        for column in range(tiles):
            tile = (row * height // tiles, (row + 1) * height // tiles,
                    column * width // tiles, (column + 1) * width // tiles)  # fmt: skip
            regions = tile_regions(problem, stage, tile)
            macs += sum(step.macs * _share(problem, step, regions[step.writes]) for step in problem.steps[:stage])
            for tensor in inner:
                largest[tensor] = max(largest[tensor], _bytes(problem, tensor, regions[tensor]))
    tensors = tuple(
        replace(tensor, size=largest.get(place, tensor.size), shape=None)
        for place, tensor in enumerate(problem.tensors)
    )
    keep = ((problem.input, 0, stage - 1), (result, 0, stage - 1))
    extra = macs - sum(step.macs for step in problem.steps[:stage])
    steps = tuple(
        replace(step, overlap=_in_tile(step.overlap, largest.get(step.writes, 0) / problem.tensors[step.writes].size))
        for step in problem.steps[:stage]
    )
    return replace(problem, tensors=tensors, steps=(*steps, *problem.steps[stage:]), reservations=keep), extra


def _in_tile(overlap: Overlap, share: float) -> Overlap:
    """Return the overlap of a call on a tile that is a share of the whole: leads are rows and pixels of the output."""
    return replace(overlap, lead=round(overlap.lead * share))


def tile_regions(problem: ArenaProblem, stage: int, tile: Region) -> dict[int, Region]:
    """Return the region of every tensor of a stage that one tile of its result needs."""
    regions = {problem.steps[stage - 1].writes: tile}
    for step in reversed(problem.steps[:stage]):
        for tensor in step.reads:
            region = needed_region(problem, step, tensor, regions[step.writes])
            regions[tensor] = _union(regions[tensor], region) if tensor in regions else region
    return regions


def needed_region(problem: ArenaProblem, step: ArenaStep, tensor: int, region: Region) -> Region:
    """Return the rows and columns of an input that a region of the output is computed from."""
    height, width, _ = problem.tensors[tensor].shape or (1, 1, 1)
    window = step.window
    if window is None:
        return 0, height, 0, width
    top, bottom = _reach(region[0], region[1], window.kernel[0], window.stride[0], window.padding[0], height)
    left, right = _reach(region[2], region[3], window.kernel[1], window.stride[1], window.padding[1], width)
    return top, bottom, left, right


def _reach(first: int, behind: int, kernel: int, stride: int, padding: int, size: int) -> tuple[int, int]:
    return max(first * stride - padding, 0), min((behind - 1) * stride - padding + kernel, size)


def _union(a: Region, b: Region) -> Region:
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def _bytes(problem: ArenaProblem, tensor: int, region: Region) -> int:
    channels = (problem.tensors[tensor].shape or (1, 1, 1))[2]
    return (region[1] - region[0]) * (region[3] - region[2]) * channels


def _share(problem: ArenaProblem, step: ArenaStep, region: Region) -> float:
    height, width, _ = problem.tensors[step.writes].shape or (1, 1, 1)
    return (region[1] - region[0]) * (region[3] - region[2]) / (height * width)
