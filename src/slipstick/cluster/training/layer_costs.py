"""Costs of unsharded layers of a training step on one device: times [s] by the kernel models, bytes by the formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slipstick.cluster.kernels.operation_times import op_seconds
from slipstick.cluster.kernels.precision import element_bytes
from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.layer_time import _layer_times
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.errors import SlipstickError
from slipstick.core.layer import Layer
from slipstick.core.plan import Plan
from slipstick.core.system import System
from slipstick.core.workload import Phase, Workload


def layer_costs(workload: Workload, system: System, plan: Plan, microbatch: int) -> tuple[Layer, ...]:
    """Return the costs of the unsharded layers of `workload`, in order, for one microbatch on one device of `system`.

    Of the plan, only the formats and kernels matter; its parallelism is ignored.

    Examples
    --------
    >>> from slipstick.engines.question import ask
    >>> asked = ask("gpt3-175b", "h100-sxm-80gb:8", "tp=1")
    >>> layers = layer_costs(asked.workload, asked.system, asked.plan, 1)
    >>> len(layers), layers[1].name, round(layers[1].weights / 1e9, 2)  # GB in 16 bits
    (98, 'layer 0', 3.62)
    """
    plain = Plan(formats=plan.formats, kernels=plan.kernels)
    if workload.network.kind == "graph":
        return _of_graph(workload, system, plain, microbatch)
    return _of_decoder(workload, system, plain, microbatch)


def with_efficiency(layers: Sequence[Layer], peak: float, efficiency: float) -> tuple[Layer, ...]:
    """Return the layers with times scaled so that all layers together reach `efficiency` times `peak` [FLOP/s].

    Errors
    ------
    SlipstickError unless the efficiency is positive.
    """
    if not efficiency > 0:
        raise SlipstickError("not a share of the peak rate", path="efficiency", value=efficiency, allowed="above 0")
    seconds = sum(layer.forward + layer.backward for layer in layers)
    scale = sum(layer.flops for layer in layers) / (peak * efficiency) / seconds
    return tuple(replace(layer, forward=scale * layer.forward, backward=scale * layer.backward) for layer in layers)


def _of_decoder(workload: Workload, system: System, plan: Plan, microbatch: int) -> tuple[Layer, ...]:
    setting = TrainingSetting.of(workload, system, plan)
    single = plan.filled("parallel", {"microbatch": microbatch, "dp": 1}).off()
    kinds, embedding, head = _layer_times(setting, Plans.of([single], system))
    decoder = setting.decoder
    output = float(microbatch * workload.sequence * decoder.hidden) * setting.precision.activations
    stored, accumulated = element_bytes(plan.formats.activations), element_bytes(plan.formats.gradients)
    rows = [("embedding", embedding, decoder.embedding_parameters, 1)]
    sizes = [decoder.layer_parameters(block) for block in setting.blocks]
    rows += [(f"layer {n}", kinds[k], sizes[k], 2) for n, k in enumerate(setting.stack.order.tolist())]
    rows.append(("head", head, decoder.head_parameters, 0))
    return tuple(
        Layer(
            name, time.forward.item(), time.backward.item(), stored * parameters, output, reduces,
            accumulated * parameters, time.flops.item(),
        )
        for name, time, parameters, reduces in rows
    )  # fmt: skip


def _of_graph(workload: Workload, system: System, plan: Plan, microbatch: int) -> tuple[Layer, ...]:
    from slipstick.networks.graphs.training_passes import training_graph

    ops = workload.network.ops(Phase.TRAIN, microbatch, workload.sequence, workload.sequence)
    both = training_graph(ops)
    seconds = op_seconds(both, system, plan, Phase.TRAIN)
    back, work = dict.fromkeys((op.name for op in ops), 0.0), {op.name: op.flops for op in ops}
    owner = ops[-1].name
    for op in both[len(ops) :]:
        owner = next((name for name in (op.name.rpartition(".")[0], op.colocate) if name in back), owner)
        back[owner] += seconds[op.name]
        work[owner] += op.flops
    stored, accumulated = element_bytes(plan.formats.activations), element_bytes(plan.formats.gradients)
    return tuple(
        Layer(
            op.name, seconds[op.name], back[op.name], stored * op.weights, stored * op.outputs, 0,
            accumulated * op.weights, work[op.name],
        )
        for op in ops
    )  # fmt: skip
