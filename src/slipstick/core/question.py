"""Question: a workload on a system under a plan, with every default filled in; the input of every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Workload


@dataclass(frozen=True)
class Question:
    """A workload on a system under a plan, as a verb passes it to an engine.

    `origins` names the fields that the user left open and who filled them ("default", "checkpoint"); `options` are the
    verb's own inputs beside the three nouns, such as the efficiency of `simulate`, and stand in the Report's inputs.
    """

    workload: Workload
    system: System
    plan: Plan
    origins: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_plan(self, plan: Plan) -> Question:
        """Return the same question under another plan, such as one in which an engine has resolved ``auto``."""
        return replace(self, plan=plan)

    def inputs(self) -> dict[str, Any]:
        """Return the inputs of a Report: workload, system, plan, and the verb's options."""
        return {"workload": self.workload, "system": self.system, "plan": self.plan, **self.options}
