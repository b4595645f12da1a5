"""Image classifiers by name, with fresh weights, for a data set or any number of classes."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.datasets.images import Shape

if TYPE_CHECKING:
    from slipstick.datasets.images import DataSet

_SMALL = 64  # pixels: below it a network for photographs would be left with no image at its end

_CIFAR: Shape = (32, 32, 3)  # what CIFAR-10's images are
IMAGENET: Shape = (224, 224, 3)  # what networks for ImageNet usually see
_KEYWORDS: Shape = (49, 10, 1)  # MLPerf Tiny's cepstral coefficients
_WORDS = 12  # ten keywords, silence and unknown
_TEN = 10  # classes of CIFAR-10, of digits
THOUSAND = 1000  # of ImageNet's challenge


class _Net(NamedTuple):
    """Entry of the table of networks: its builder, and the classes and image size that it was published for."""

    build: Callable[[int, Shape], Any]
    classes: int
    shape: Shape


def _module(name: str) -> Any:
    return import_module(f"slipstick.trained.torch.{name}")


def _small_resnet(depth: int) -> _Net:
    return _Net(lambda k, s: _module("resnet").small_resnet(depth, classes=k, channels=s[2]), _TEN, _CIFAR)


def _resnet(blocks: tuple[int, ...], block: str) -> _Net:
    build = _only_large(lambda k, s: _module("resnet")._resnet(blocks, block=block, classes=k, channels=s[2]))
    return _Net(build, THOUSAND, IMAGENET)


def _only_large(build: Callable[[int, Shape], Any]) -> Callable[[int, Shape], Any]:
    def checked(classes: int, shape: Shape) -> Any:
        if min(shape[:2]) < _SMALL:
            raise SlipstickError("too small an image for this network", value=shape, allowed=f"from {_SMALL} pixels")
        return build(classes, shape)

    return checked


def _mobilenet(classes: int, shape: Shape) -> Any:
    return _module("mobilenet")._MobileNetV2(classes, shape[2], stride=1 if min(shape[:2]) < _SMALL else 2)


def _vgg(classes: int, shape: Shape) -> Any:
    plain = _module("vgg")
    return (plain.small_vgg if min(shape[:2]) < _SMALL else plain._vgg)(classes=classes, channels=shape[2])


def _tiny_conv(classes: int, shape: Shape) -> Any:
    if shape[0] != shape[1] or shape[0] < 8:
        raise SlipstickError("not an image for this network", value=shape, allowed="a square from 8 pixels")
    return _module("small_networks").tiny_conv(classes, shape[2], shape[0])


def _fourier_cnn(classes: int, shape: Shape) -> Any:
    if shape[0] != shape[1] or shape[0] < 8:
        raise SlipstickError("not an image for this network", value=shape, allowed="a square from 8 pixels")
    return _module("fourier_cnn").fourier_cnn(classes, shape[2], shape[0])


NETS: dict[str, _Net] = {
    "mlp": _Net(lambda k, s: _module("small_networks").mlp(k, s[0] * s[1] * s[2]), _TEN, (8, 8, 1)),
    "tiny-conv": _Net(_tiny_conv, _TEN, _CIFAR),
    "fourier-cnn": _Net(_fourier_cnn, _TEN, _CIFAR),
    "ds-cnn": _Net(lambda k, s: _module("small_networks").ds_cnn(k, s[2]), _WORDS, _KEYWORDS),
    **{f"resnet-{depth}": _small_resnet(depth) for depth in (8, 14, 20)},  # He et al. 1512.03385, section 4.2
    "resnet-18": _resnet((2, 2, 2, 2), "basic"),
    "resnet-50": _resnet((3, 4, 6, 3), "bottleneck"),
    "mobilenet-v2": _Net(_mobilenet, THOUSAND, IMAGENET),
    "vgg-16": _Net(_vgg, THOUSAND, IMAGENET),
    "alexnet": _Net(_only_large(lambda k, s: _module("vgg")._alexnet(k, s[2])), THOUSAND, IMAGENET),
    "efficientnet-lite0": _Net(
        _only_large(lambda k, s: _module("efficientnet_lite")._EfficientNetLite0(k, s[2])), THOUSAND, IMAGENET
    ),
}


def module(name: str, data: DataSet | None = None, *, classes: int | None = None, shape: Shape | None = None) -> Any:
    """Return an image classifier by name (`torch.nn.Module`; fresh weights follow ``torch.manual_seed``).

    Parameters
    ----------
    name : one of `NETS`.
    data : a data set whose classes and images it shall fit.
    classes, shape : the same without one: height, width, channels. Default: those the network was published for.

    Errors
    ------
    SlipstickError without torch, for an unknown name (with the nearest), or images too small for the network.

    Examples
    --------
    >>> sum(p.numel() for p in module("resnet-20").parameters())
    272474
    """
    require("torch", "torch")
    net = NETS.get(name.strip().casefold())
    if net is None:
        raise SlipstickError("no such network", path="net", value=name, allowed=NETS)
    image_shape = shape or (data.shape if data else net.shape)
    built = net.build(classes or (len(data.classes) if data else net.classes), image_shape)
    if data is not None:
        _module("fourier_cnn").show_range(built, data.normal)
    return built
