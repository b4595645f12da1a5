"""How good the automatic plan is, and how fast it is found: against an exhaustive search of the whole space.

Sixty questions over five orders of size (1 to 16,384 devices; dense networks, mixtures of experts, long sequences;
training, prefill, decode). Each is answered by `slipstick.estimate` without a plan, and by evaluating every plan of the
same space. Then the published plan of Llama-3.1 405B, 8-bit products, and partial plans.

    python benchmarks/planner_auto.py [--quick] [--most 20]    # --most: million plans that are tried one by one
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  after the thread limits

import slipstick  # noqa: E402
from slipstick.cluster.inference.question_plan import _inference_model  # noqa: E402
from slipstick.cluster.sweep.best_plan import _PlanModel  # noqa: E402
from slipstick.cluster.sweep.plan_space import _PlanSpace  # noqa: E402
from slipstick.cluster.training.automatic_plan import _training_model  # noqa: E402
from slipstick.core.question import Question  # noqa: E402
from slipstick.core.workload import Phase  # noqa: E402
from slipstick.engines.question import ask  # noqa: E402

CHUNK = 64  # divisions whose plans are evaluated at a time
WITHIN = 0.01
SECONDS = 1.0
H100 = "dgx-h100"
TRAINING = [
    ("qwen3-0.6b", "h100-sxm-80gb:1", 8, 2048), ("gpt-1.7b", "a100-sxm-80gb:1", 16, 2048),
    ("qwen3-0.6b", "rtx-4090:1", 4, 2048), ("qwen3-8b", "h200-sxm-141gb:1", 4, 4096),
    ("llama-3.1-8b", "h100-sxm-80gb:8", 64, 8192), ("llama-3.1-8b", "h100-sxm-80gb:8", 8, 131072),
    ("gpt-22b", "a100-sxm-80gb:8", 32, 2048), ("mixtral-8x7b", "h200-sxm-141gb:8", 32, 4096),
    ("phi-mini-moe", "h100-sxm-80gb:8", 64, 4096), ("gpt-7.5b", "a100-sxm-40gb:16", 64, 2048),
    ("llama-2-13b", f"{H100}:32", 256, 4096), ("llama-3.1-70b", f"{H100}:64", 256, 8192),
    ("gpt-39.1b", "selene:64", 512, 2048), ("mixtral-8x7b", f"{H100}:64", 256, 4096),
    ("qwen3-30b-a3b", f"{H100}:64", 512, 4096), ("llama-3.1-8b", f"{H100}:128", 64, 131072),
    ("llama-3.1-70b", f"{H100}:256", 1024, 8192), ("llama-3.1-70b", "dgx-b200:256", 1024, 8192),
    ("mixtral-8x22b", f"{H100}:256", 1024, 4096), ("gpt3-175b", "selene:512", 512, 2048),
    ("qwen3-235b-a22b", f"{H100}:512", 2048, 4096), ("nemotron-340b", f"{H100}:1024", 2048, 4096),
    ("gpt3-175b", "selene:1536", 1536, 2048), ("deepseek-v3", f"{H100}:2048", 15360, 4096),
    ("mt-nlg-530b", "selene:2240", 1920, 2048), ("gpt-1t", "selene:3072", 3072, 2048),
    ("kimi-k2", f"{H100}:4096", 16384, 4096), ("llama-3.1-405b", f"{H100}:8192", 2048, 8192),
    ("llama-3.1-405b", f"{H100}:16384", 2048, 8192), ("llama-3.1-405b", f"{H100}:16384", 128, 131072),
    ("deepseek-v3", f"{H100}:16384", 16384, 4096), ("gpt-1t", "dgx-b200:16384", 16384, 2048),
]  # fmt: skip
INFERENCE = [
    ("qwen3-0.6b", "rtx-4090:1", 1, 1024), ("llama-3.1-8b", "l40s:1", 16, 1024),
    ("llama-3.1-8b", "h100-sxm-80gb:1", 64, 2048),
    ("llama-3.1-70b", "h100-sxm-80gb:4", 16, 2048), ("llama-3.1-70b", "h100-sxm-80gb:8", 64, 8192),
    ("llama-3.1-405b", "h200-sxm-141gb:8", 8, 4096), ("mixtral-8x7b", "h100-sxm-80gb:8", 64, 2048),
    ("gpt-oss-120b", "h100-sxm-80gb:8", 32, 4096), ("deepseek-v3", "h200-sxm-141gb:16", 128, 2048),
    ("qwen3-235b-a22b", "h200-sxm-141gb:8", 32, 4096), ("llama-3.1-8b", "h100-sxm-80gb:8", 8, 131072),
    ("deepseek-v3", f"{H100}:64", 512, 4096), ("llama-3.1-70b", f"{H100}:64", 512, 4096),
    ("kimi-k2", f"{H100}:256", 1024, 4096),
]  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """One question: time of the automatic plan and of the best one [s], seconds to find them, and the plans tried."""

    name: str
    automatic: float
    best: float
    seconds: float
    exhaustive: float
    plans: int


def questions() -> Iterator[Question]:
    for name, system, batch, sequence in TRAINING:
        yield ask(name, system, phase="train", batch=batch, sequence=sequence)
    for phase in ("prefill", "decode"):
        for name, system, batch, sequence in INFERENCE:
            yield ask(name, system, phase=phase, batch=batch, sequence=sequence)


def model_of(question: Question) -> tuple[_PlanModel, float]:
    model = _training_model if question.workload.phase is Phase.TRAIN else _inference_model
    return model(question.workload, question.system, question.plan)


def exhaustive(question: Question, most: int) -> tuple[float, int]:
    """Return the time of the fastest plan that fits (infinite for none), and the number of plans tried."""
    model, capacity = model_of(question)
    space = _PlanSpace.of(question.plan, question.workload, question.system)
    divisions = space.divisions()
    best, count = np.inf, 0
    for first in range(0, len(divisions), CHUNK):
        plans, _ = space.expanded(divisions.take(slice(first, first + CHUNK)))
        time_, memory = model.figures(plans)
        fits = memory <= capacity
        best, count = min(best, float(np.where(fits, time_, np.inf).min())), count + len(plans)
        if count > most:
            return np.nan, count
    return best, count


def tried(question: Question, most: int) -> Tried:
    options: dict[str, Any] = {"phase": question.workload.phase, "batch": question.workload.batch}
    options["sequence"] = question.workload.sequence
    model, _ = model_of(question)
    slipstick.estimate(
        question.workload.network, question.system, "others=off", **options | {"batch": question.system.devices}
    )
    started = time.perf_counter()
    report = slipstick.estimate(question.workload.network, question.system, **options)
    seconds = time.perf_counter() - started
    space = _PlanSpace.of(slipstick.Plan.of(report.inputs["plan"]), question.workload, question.system)
    automatic = model.figures(space.expanded(space.divisions())[0])[0].item()
    started = time.perf_counter()
    best, count = exhaustive(question, most)
    name = f"{question.workload.name} {question.workload.phase} on {question.system.devices} x {question.system.name}"
    return Tried(name, automatic, best, seconds, time.perf_counter() - started, count)


def goal(name: str, reached: str, wanted: str, met: bool) -> None:
    print(f"goal: {name} | reached {reached} | wanted {wanted} | {'met' if met else 'missed'}", flush=True)


def all_questions(rows: list[Question], most: int) -> None:
    answers = []
    for question in rows:
        answer = tried(question, most)
        answers.append(answer)
        worse = "too many to try all" if np.isnan(answer.best) else "none fits" if np.isinf(answer.best) else (
            f"{answer.automatic / answer.best - 1:+.3%} of the best"
        )  # fmt: skip
        print(
            f"  {answer.name}: {answer.automatic:.4g} s, {worse}; found in {answer.seconds:.2f} s, "
            f"{answer.plans:,} plans in {answer.exhaustive:.1f} s", flush=True,
        )  # fmt: skip
    known = [answer for answer in answers if np.isfinite(answer.best)]
    worst = max(answer.automatic / answer.best - 1 for answer in known)
    goal(
        f"automatic plan over the best, worst of {len(known)} of {len(answers)} questions",
        f"{worst:.3%}",
        f"{WITHIN:.0%}",
        worst <= WITHIN,
    )
    slowest = max(answer.seconds for answer in answers)
    goal("slowest automatic plan", f"{slowest:.2f} s", f"{SECONDS:g} s", slowest <= SECONDS)
    print(f"  median {statistics.median(answer.seconds for answer in answers):.2f} s")


def single_questions() -> None:
    report = slipstick.estimate("llama-3.1-405b", f"{H100}:16384", batch=2048, sequence=8192)
    tp, mfu = report.inputs["plan"]["parallel"]["tp"], report.value("efficiency.mfu")
    goal("405B on 16,384 H100: tensor parallelism", str(tp), "inside the node of 8", tp <= 8)
    goal("405B on 16,384 H100: MFU", f"{mfu:.1%}", "33 to 48 % (published 38 to 43)", 0.33 <= mfu <= 0.48)
    wide, narrow = (
        slipstick.estimate("llama-3.1-70b", f"{H100}:256", f"matmul={name}", batch=1024, sequence=8192).value(
            "time.step"
        )
        for name in ("bf16", "fp8")
    )
    goal("70B on 256 H100: fp8 over bf16", f"{narrow / wide:.3f}", "below 1", narrow < wide)


def partial_plans(rows: list[Question]) -> None:
    """A given field never makes the rest worse than what an exhaustive search leaves open allows."""
    worst = 0.0
    for question in rows:
        plan = slipstick.Plan.of("tp=1" if question.system.devices == 1 else "tp=2,zero=1")
        part = Question(question.workload, question.system, plan)
        model, _ = model_of(part)
        best, _ = exhaustive(part, 10**7)
        if not np.isfinite(best):
            continue
        from slipstick.engines.closed_form import train_decoder

        own = slipstick.Plan.of(train_decoder(part).inputs["plan"])
        space = _PlanSpace.of(own, part.workload, part.system)
        worst = max(worst, model.figures(space.expanded(space.divisions())[0])[0].item() / best - 1)
    goal("partial plans over the best of what they leave open", f"{worst:.3%}", f"{WITHIN:.0%}", worst <= WITHIN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="every sixth question")
    parser.add_argument("--most", type=float, default=20.0, help="million plans that are tried one by one, at most")
    arguments = parser.parse_args()
    rows = list(questions())[:: 6 if arguments.quick else 1]
    print(f"{len(rows)} questions, one thread")
    all_questions(rows, int(arguments.most * 1e6))
    partial_plans(
        [question for question in rows if question.workload.phase is Phase.TRAIN][:: 1 if arguments.quick else 4]
    )
    single_questions()


if __name__ == "__main__":
    main()
