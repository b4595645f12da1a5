"""Executions per second of Calculon (Isaev et al. 2023) on one core: its own search, in a process of its own.

    python benchmarks/calculon_rate.py DIR [--parts 3] [--skip 0]

The search is that of `calculon loe gpt3-175B 4096 1536 float16 a100_80g -m`; the parts that it shares out to processes
are run one after the other, in an order shuffled with a fixed seed. Prints executions and seconds of CPU time. Calculon
is no part of this project: clone github.com/calculon-ai/calculon and give its folder, as ``--calculon DIR``.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HOW = "give a clone of it: git clone https://github.com/calculon-ai/calculon DIR; --calculon DIR"
DEVICES, MAX_BATCH = 4096, 1536
_SEED = 0  # of the order of the parts


class PeerRun(NamedTuple):
    """Executions of some parts of Calculon's search, and their seconds of CPU time: of one thread."""

    executions: int
    seconds: float


def calculon_run(folder: Path, parts: int, skip: int) -> PeerRun:
    """Return a run of `parts` parts of Calculon's search after the first `skip`, in a new process.

    Errors
    ------
    RuntimeError with the last line of what the process says, where it fails.
    """
    command = [sys.executable, __file__, str(folder), "--parts", str(parts), "--skip", str(skip)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError((process.stderr.strip().splitlines() or ["no output"])[-1])
    executions, seconds = process.stdout.split()
    return PeerRun(int(executions), float(seconds))


def _run(folder: Path, parts: int, skip: int) -> PeerRun:
    sys.modules.setdefault("psutil", _stand_in())
    sys.path.insert(0, str(folder))
    import calculon.io
    from calculon.llm.llm import Llm
    from calculon.llm.optimal_execution import OptimalExecution
    from calculon.system import System

    application = Llm.Application(calculon.io.read_json_file(str(folder / "models" / "gpt3-175B.json")))
    system = System(calculon.io.read_json_file(str(folder / "systems" / "a100_80g.json")))
    arguments = list(_parts(OptimalExecution, Llm, application, system))
    random.Random(_SEED).shuffle(arguments)  # noqa: S311  no secret
    executions, started = 0, time.process_time()
    for place in range(skip, skip + parts):
        executions += OptimalExecution.search(*arguments[place % len(arguments)])[1]
    return PeerRun(executions, time.process_time() - started)


def _stand_in() -> types.ModuleType:
    """Return what Calculon's command line asks of psutil: a default of its number of processes."""
    module = types.ModuleType("psutil")
    module.cpu_count = lambda logical=True: os.cpu_count()  # type: ignore[attr-defined]
    return module


def _parts(search: Any, llm: Any, application: Any, system: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the arguments of each call that `calculon loe ... -m` shares out: its loops, in its order."""
    for tp in llm.get_all_tensor_parallelisms(DEVICES, application.hidden, application.attn_heads):
        for pp in llm.get_all_pipeline_parallelisms(DEVICES, tp, application.num_blocks):
            dp = llm.get_data_parallelism(DEVICES, tp, pp)
            batch = search.get_batch_size(dp, MAX_BATCH)
            if batch is None:
                continue
            for interleave in llm.get_valid_pipeline_interleavings(application.num_blocks, pp):
                for recompute in ("full", "attn_only", "none"):
                    for sharding in (True, False) if dp > 1 else (False,):
                        for pattern in ("ar", "p2p_rs_ag", "rs_ag"):
                            degrees = (tp, pp, dp, interleave, batch, recompute, sharding, pattern)
                            named = (False, 1, False, DEVICES, MAX_BATCH, "float16", application, system)
                            yield (*named, *degrees, [True], True, True, True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=3)
    parser.add_argument("--skip", type=int, default=0)
    arguments = parser.parse_args()
    print(*_run(arguments.folder.resolve(), arguments.parts, arguments.skip))


if __name__ == "__main__":
    main()
