"""A training step in closed form, over arrays of plans: compute, messages, pipeline, optimiser, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipstick.cluster.sweep.plans import Plans
from slipstick.cluster.training.exposed_messages import (
    _bytes_sent,
    _context_exchange,
    _expert_exchange,
    _exposed_tensor,
    _pipeline_message,
    _TensorMessages,
)
from slipstick.cluster.training.layer_time import _layer_times, _LayerTime
from slipstick.cluster.training.memory import _Residents
from slipstick.cluster.training.optimizer import _exposed_update, _offload_waits, _optimizer_time, _sharded_messages
from slipstick.cluster.training.pipeline_stages import _Stages
from slipstick.cluster.training.training_setting import TrainingSetting
from slipstick.core.arrays import FloatArray

_Costs = dict[str, FloatArray]

_PARTS = (
    "forward", "backward", "recompute", "tensor_parallel", "context_parallel", "expert_parallel",
    "pipeline_parallel", "data_parallel", "bubble", "offload", "optimizer", "host", "overhead",
)  # fmt: skip
_PER_MICROBATCH = (*_PARTS[:6], "data_parallel", "offload", "host")


@dataclass(frozen=True)
class _TrainingStep:
    """Training step of n plans: time by part [s], memory by stage [B] and bytes sent.

    parts : seconds by part, (n,) each, on the slowest stage; they sum to `time`.
    residents : bytes by part and stage kind, (n, K).
    messages : bytes that the average device sends, by the parallelism that sends them, (n,) each.
    layers, ends : times of each kind of layer, and of embedding and head.
    work : seconds that one microbatch takes on all stages together, (n,).
    local_work : the same without the messages of tensor parallelism, (n,).
    closing : seconds behind the last microbatch: exposed gradient messages, the optimiser and the overhead, (n,).
    """

    parts: _Costs
    residents: _Residents
    stages: _Stages
    messages: _Costs
    layers: list[_LayerTime]
    ends: tuple[_LayerTime, _LayerTime]
    work: FloatArray
    local_work: FloatArray
    closing: FloatArray

    @property
    def time(self) -> FloatArray:
        """Time of the whole training step [s]."""
        return np.asarray(sum(self.parts.values()))

    @property
    def sent(self) -> FloatArray:
        """Bytes that the average device sends per step."""
        return np.asarray(sum(self.messages.values()))

    @property
    def peak_memory(self) -> FloatArray:
        """Peak memory of a device [B], on the fullest stage."""
        return np.asarray(self.residents.total.max(axis=1))


def training_step(setting: TrainingSetting, plans: Plans) -> _TrainingStep:
    """Return the training step of each plan: time, memory and bytes sent, as arrays over plans.

    The pipeline takes m * t_max + (sum of t_i - t_max) / v: the slowest stage works all the time while the others
    fill and drain (Narayanan et al. 2104.04473, section 2.2; uneven stages by their own times).
    """
    layers, embedding, head = _layer_times(setting, plans)
    kinds = _Stages.of(setting.stack, plans)
    residents = _Residents.of(setting, plans, kinds)
    sent = _TensorMessages.of(setting, plans)
    costs = [_layer(setting, plans, index, layer, sent, residents) for index, layer in enumerate(layers)]
    ends = [_end(setting, time, sent) for time in (embedding, head)]
    stage = {part: _on_stages(kinds, [c[part] for c in costs], [e[part] for e in ends]) for part in _PER_MICROBATCH}
    work, local = _work(stage, kinds), _work({**stage, "tensor_parallel": np.zeros_like(stage["host"])}, kinds)
    stage["host"] = _host_waits(setting, stage)
    parts, closing = _step(setting, plans, kinds, stage, sent, residents)
    messages = _sent(setting, plans, kinds, residents)
    return _TrainingStep(parts, residents, kinds, messages, layers, (embedding, head), work, local, closing)


def _sent(setting: TrainingSetting, plans: Plans, kinds: _Stages, residents: _Residents) -> _Costs:
    parameters = ((residents.dense + residents.experts) * kinds.copies).sum(axis=1) / plans.pp
    return _bytes_sent(setting, plans, parameters)


def _layer(
    setting: TrainingSetting, plans: Plans, index: int, layer: _LayerTime, sent: _TensorMessages, residents: _Residents
) -> _Costs:
    """Seconds of one layer for one microbatch, forward and backward, by part."""
    block = setting.blocks[index]
    ahead, back = _exposed_tensor(setting, plans, block, layer, sent)
    again = plans.recompute == 2
    exchange = _expert_exchange(setting, plans, block)
    weights, activations = residents.layer_weights[index], residents.layer_activations[index]
    return {
        "forward": layer.forward,
        "backward": layer.backward,
        "recompute": np.choose(plans.recompute, [0.0 * layer.core, layer.core, layer.forward]),
        "tensor_parallel": ahead * (1 + again) + back,
        "context_parallel": _context_exchange(setting, plans, block, layer),
        "expert_parallel": exchange * (2 + again),
        "data_parallel": _sharded_messages(setting, plans, block, layer, weights),
        "offload": _offload_waits(setting, plans, layer, weights[0] + weights[1], activations),
        "host": layer.host_forward * (1 + again) + layer.host_backward + _host_messages(setting, plans, block.parallel),
    }


def _host_messages(setting: TrainingSetting, plans: Plans, parallel: bool) -> FloatArray:
    """Seconds of the host to start one layer's tensor parallel collectives, forward and backward."""
    split = plans.tp_pattern == 2
    count = (1 if parallel else 2) * (np.where(split, 4, 2) + np.where(split & plans.regather, 1, 0))
    starting = max((tier.constants.host for tier in setting.tiers), default=0.0)
    collective = setting.chip.steps.host_collective + plans.tp * starting
    return np.where(plans.tp > 1, count * collective, 0.0)


def _end(setting: TrainingSetting, time: _LayerTime, sent: _TensorMessages) -> _Costs:
    """Seconds of the embedding or the head: one all-reduce of an activation (or its gather and scatter) each."""
    nothing = np.zeros_like(time.forward)
    return {
        **dict.fromkeys(_PER_MICROBATCH, nothing),
        "forward": time.forward,
        "backward": time.backward,
        "tensor_parallel": sent.all_reduce,
        "host": time.host_forward + time.host_backward,
    }


def _on_stages(kinds: _Stages, per_layer: Sequence[FloatArray], ends: Sequence[FloatArray]) -> FloatArray:
    """Sum the layers, embedding and head that each stage kind holds, (n, K)."""
    total = kinds.embedding * ends[0][:, None] + kinds.head * ends[1][:, None]
    for index, cost in enumerate(per_layer):
        total = total + kinds.layers[..., index] * cost[:, None]
    return np.asarray(total)


def _host_waits(setting: TrainingSetting, stage: _Costs) -> FloatArray:
    """Seconds that the device waits for the host: launches take longer than the kernels that they launch."""
    busy = sum(cost for part, cost in stage.items() if part != "host")
    return np.maximum(0.0, stage["host"] - busy)


def _work(stage: _Costs, kinds: _Stages) -> FloatArray:
    """Return the seconds of one microbatch on all stages together, however its layers are cut into stages, (n,)."""
    device = np.asarray(sum(cost for part, cost in stage.items() if part != "host"))
    total: FloatArray = np.maximum((device * kinds.copies).sum(axis=1), (stage["host"] * kinds.copies).sum(axis=1))
    return total


def _step(
    setting: TrainingSetting, plans: Plans, kinds: _Stages, stage: _Costs, sent: _TensorMessages, residents: _Residents
) -> tuple[_Costs, FloatArray]:
    """Put the stages of one microbatch together into the parts of a step, and what follows its last one, (n,) each."""
    microbatches = setting.batch // (plans.dp * plans.microbatch)
    busy = np.asarray(sum(stage.values()))
    slowest = busy.argmax(axis=1)[:, None]
    total = (busy * kinds.copies).sum(axis=1)
    worst = np.take_along_axis(busy, slowest, axis=1)[:, 0]
    parts = {part: microbatches * np.take_along_axis(cost, slowest, axis=1)[:, 0] for part, cost in stage.items()}
    message = _pipeline_message(setting, plans, sent)
    crossings = np.where(plans.pp_overlap, 0, microbatches * plans.interleave) + plans.pp - 1
    parts["pipeline_parallel"] = np.where(plans.pp > 1, 2 * crossings * message, 0.0)
    parts["bubble"] = (total - worst) / plans.interleave
    exposed = _exposed_update(setting, plans, residents, stage["backward"], stage["forward"])
    parts["data_parallel"] = parts["data_parallel"] + exposed
    parts["optimizer"] = _optimizer_time(setting, plans, residents)
    parts["overhead"] = np.full(len(plans), setting.chip.steps.step_overhead)
    return {part: parts[part] for part in _PARTS}, exposed + parts["optimizer"] + parts["overhead"]
