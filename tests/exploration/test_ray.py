"""A real Ray cluster of two nodes on this machine; one is killed in the middle of a search."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RUN = """
import os, sys, threading, time
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
import ray
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80 * 2**20})
second = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
ray.init(address=cluster.address, log_to_driver=False)
cluster.wait_for_nodes()
assert len([n for n in ray.nodes() if n["Alive"]]) == 2

from slipstick import Space, search
from slipstick.exploration import chunks
from slipstick.exploration.ray_executor import RayExecutor

chunks.CHUNK = 24
space = Space.of(system="h100-sxm:16..64", plan="tp=1..8,pp=1..8,microbatch=1|2|4,recompute=none|full")
question = dict(batch=128, sequence=4096)
alone = search("llama-3.1-8b", space, **question).points
seen = []

def progress(done, total, label):
    seen.append(done)
    if len(seen) == 2:  # ten of the twelve chunks are still to come
        cluster.remove_node(second, allow_graceful=False)

with RayExecutor() as executor:
    from slipstick.testing import ExecutorSuite
    ExecutorSuite().test_results_come_back(executor)
    ExecutorSuite().test_errors_come_back_as_they_are(executor)
    found = search("llama-3.1-8b", space, executor=executor, progress=progress, **question).points
deadline = time.monotonic() + 60
while len([n for n in ray.nodes() if n["Alive"]]) > 1:  # the head learns of it by missed heartbeats
    assert time.monotonic() < deadline, "a node is gone"
    time.sleep(0.2)
assert seen[-1] == len(space)
assert found.equals(alone), "every point exactly once"
print("points", len(found), "chunks", len(seen))
ray.shutdown()
cluster.shutdown()
"""


def test_a_node_killed_in_the_middle_loses_and_repeats_nothing(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "points" in done.stdout
