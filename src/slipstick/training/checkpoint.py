"""Checkpoint of a training after every epoch: network, momentum, recipe and history in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipstick.core.errors import SlipstickError
from slipstick.core.files import parse_json
from slipstick.training.recipe import Epoch, History, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import SGD

FILE = "checkpoint.safetensors"
_KEY = "slipstick-training"  # in the header: JSON of the recipe, the data set's name and the history
_NET, _MOMENTUM = "net.", "momentum."  # before the names of the network's tensors, and of those of the optimiser


def _save(folder: Path, net: nn.Module, optimiser: SGD, recipe: Recipe, data: str, history: History) -> None:
    """Write the checkpoint after an epoch atomically, in place of the previous one."""
    from slipstick.trained.torch.safetensors_weights import save_tensors

    tensors = {_NET + name: tensor for name, tensor in net.state_dict().items()}
    tensors |= {_MOMENTUM + name: state for name, state in _momentum(net, optimiser).items()}
    about = {"recipe": recipe.model_dump(), "data": data, "history": [asdict(epoch) for epoch in history.epochs]}
    save_tensors(folder / FILE, tensors, {_KEY: json.dumps(about)})


def _restore(folder: Path, net: nn.Module, optimiser: SGD, recipe: Recipe, data: str) -> History:
    """Load a folder's checkpoint into network and optimiser; return the history, empty without a checkpoint.

    Errors
    ------
    SlipstickError for a checkpoint of another recipe, data set or network, or a broken one.
    """
    from slipstick.trained.torch.safetensors_weights import fill, load_tensors

    path = folder / FILE
    if not path.exists():
        return History()
    tensors, header = load_tensors(path)
    history = _history(header, recipe, data, str(path))
    fill(net, _below(_NET, tensors), str(path))
    momentum, parameters = _below(_MOMENTUM, tensors), dict(net.named_parameters())
    for name, state in momentum.items():
        parameter = parameters.get(name)
        if parameter is None or parameter.shape != state.shape:
            raise SlipstickError("not of this network", path=f"{path}: {_MOMENTUM}{name}", value=tuple(state.shape))
        optimiser.state[parameter]["momentum_buffer"] = parameter.detach().clone().copy_(state)
    return history


def _momentum(net: nn.Module, optimiser: SGD) -> dict[str, Tensor]:
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    states = {names[id(parameter)]: state.get("momentum_buffer") for parameter, state in optimiser.state.items()}
    return {name: state for name, state in states.items() if state is not None}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _history(header: Mapping[str, str], recipe: Recipe, data: str, path: str) -> History:
    about: Any = parse_json(header.get(_KEY, "null"), where=path)
    try:
        stored, name = Recipe.model_validate(about["recipe"]), about["data"]
        history = History(tuple(Epoch(**{key: float(row[key]) for key in row}) for row in about["history"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        raise SlipstickError("not a checkpoint of a training", path=path) from None
    if (stored, name) != (recipe, data):
        differs = {key for key, value in recipe.model_dump().items() if getattr(stored, key) != value}
        differences = ", ".join(sorted(differs | ({"data"} if name != data else set())))
        raise SlipstickError(
            f"a training with another {differences}: name another folder, or delete this file", path=path
        )
    if len(history.epochs) > recipe.epochs:
        raise SlipstickError(f"{len(history.epochs)} epochs of {recipe.epochs}", path=path)
    return history
