"""Training tasks of Pal et al. (IEEE Micro 39(5), 2019; arXiv 1907.13257), from data/hybrid/tasks.yaml."""

from __future__ import annotations

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry

_DEFAULT_BATCH = 32  # samples of a worker for a network that is no task of the paper


class _HybridTask(Entry):
    """Training task of the paper: default assumptions, and the published gain of hybrid parallelism."""

    batch: int = Field(gt=0, json_schema_extra={"unit": "sample"}, description="Samples of one worker")
    samples: int = Field(gt=0, json_schema_extra={"unit": "sample"}, description="Samples of the training set")
    gain: units.Share = Field(
        description="Gain of hybrid over data parallelism alone at scale, at least, as the abstract states it"
    )


hybrid_tasks = Catalogue(_HybridTask, "hybrid/tasks.yaml", noun="training task")


def _hybrid_task(workload: object) -> _HybridTask | None:
    """Return the paper's training task for a workload of the catalogue, None where the paper has none."""
    return hybrid_tasks.entry(str(workload)) if str(workload) in hybrid_tasks.names() else None


def _worker_batch(workload: object) -> int:
    """Return the default batch per worker [samples]: that of the paper's task, else 32."""
    task = _hybrid_task(workload)
    return _DEFAULT_BATCH if task is None else task.batch
