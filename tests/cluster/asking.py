"""Questions put to the cluster model itself, without the verbs: a workload, a system and a plan give a Report."""

from __future__ import annotations

from slipstick.cluster.inference.estimate import estimate_inference
from slipstick.cluster.training.estimate import estimate_training
from slipstick.core.plan import Plan
from slipstick.core.question import Question
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload
from slipstick.report.report import Report


def estimated(workload: Workload, system: System, plan: Plan) -> Report:
    """Return the report of a decoder's training step, prefill or decode."""
    engine = estimate_training if workload.phase is Phase.TRAIN else estimate_inference
    return engine(Question(workload, system, plan))
