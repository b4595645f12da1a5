"""Torch module and example inputs of a network of the catalogue."""

from __future__ import annotations

from typing import Any

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.core.workload import Network
from slipstick.networks.graphs.big_lstm import BigLstm
from slipstick.networks.graphs.gnmt import Gnmt
from slipstick.networks.graphs.inception import InceptionV3
from slipstick.networks.graphs.mobilenet import MobileNetV2
from slipstick.networks.graphs.resnet import ResNet
from slipstick.networks.graphs.vgg import AlexNet, Vgg


def build(network: Network) -> Any:
    """Return the torch module (`torch.nn.Module`, fresh weights) of a network, where it has an implementation.

    Build it under ``torch.device("meta")`` where only its sizes matter.

    Errors
    ------
    SlipstickError if torch is not installed, or for a network that is only a list of sizes here.

    Examples
    --------
    >>> import torch
    >>> from slipstick.networks import network
    >>> with torch.device("meta"):
    ...     module = build(network("resnet-18"))
    >>> sum(p.numel() for p in module.parameters())
    11689512
    """
    require("torch", "torch")
    if isinstance(network, ResNet):
        from slipstick.trained.torch.resnet import _resnet

        return _resnet(
            network.blocks, block=network.block, stem=network.stem, width=network.width, classes=network.classes
        )
    if isinstance(network, InceptionV3):
        from slipstick.trained.torch.inception import _Inception

        return _Inception(network.classes, auxiliary=network.auxiliary)
    if isinstance(network, MobileNetV2):
        from slipstick.trained.torch import mobilenet

        return mobilenet._MobileNetV2(network.classes, width=network.width)
    if isinstance(network, Vgg):
        from slipstick.trained.torch.vgg import _vgg

        return _vgg(network.stages, network.classes)
    if isinstance(network, AlexNet):
        from slipstick.trained.torch.vgg import _alexnet

        return _alexnet(network.classes)
    if isinstance(network, Gnmt):
        from slipstick.trained.torch.gnmt import _Translator

        return _Translator(network.depth, network.hidden, network.vocabulary)
    if isinstance(network, BigLstm):
        from slipstick.trained.torch.big_lstm import _LanguageModel

        sizes = network.lstm_layers, network.hidden, network.projected
        return _LanguageModel(*sizes, vocabulary=network.vocabulary, samples=network.samples)
    raise SlipstickError("has no torch module here", path="network", value=network.name, allowed=_BUILT)


_BUILT = "a network of the families resnet, inception-v3, mobilenet-v2, vgg, alexnet, gnmt and big-lstm"


def example_inputs(network: Network, batch: int = 1) -> tuple[Any, ...]:
    """Return example inputs for `build`'s module; under ``torch.device("meta")`` without memory."""
    torch = require("torch", "torch")
    if isinstance(network, ResNet | InceptionV3 | MobileNetV2 | Vgg | AlexNet):
        return (torch.zeros(batch, 3, network.image, network.image),)
    if isinstance(network, Gnmt | BigLstm):
        tokens = torch.zeros(batch, network.length, dtype=torch.long)
        return (tokens, tokens.clone())
    raise SlipstickError("has no torch module here", path="network", value=network.name, allowed=_BUILT)
