"""ONNX files as torch modules: what onnx's own interpreter computes, any batch, and back into the file."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from slipstick.core.errors import SlipstickError
from slipstick.trained.onnx import OnnxNet, onnx_module, write_onnx
from slipstick.trained.torch import module

pytestmark = pytest.mark.trains  # by the last digits of torch's sums, if not by a training
node = helper.make_node
Array = NDArray[Any]


def values(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Array:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def model_of(
    nodes: Sequence[Any],
    constants: dict[str, Array] | None = None,
    image: Sequence[Any] = (1, 3, 7, 6),
    opset: int = 17,
    output: str = "y",
) -> Any:
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def saved(folder: Path, model: Any, name: str = "m.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def reference(model: Any, images: Array) -> Array:
    found = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: images})[0]
    assert isinstance(found, np.ndarray)
    return found


def close(found: torch.Tensor, wanted: Array, tolerance: float = 1e-4) -> None:
    got = found.detach().numpy()
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance * max(1e-3, float(np.abs(wanted).max())))


def same_as_reference(folder: Path, model: Any, batches: Sequence[int] = (1, 3)) -> OnnxNet:
    """Check a network against onnx's interpreter, image by image where the file is for one."""
    net = onnx_module(saved(folder, model))
    assert not net.training
    image = [dim.dim_value or 6 for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
    for batch in batches:
        images = values(batch, *image, seed=batch, low=-4, high=4)
        each = [reference(model, images[place : place + 1]) for place in range(batch)]
        close(net(torch.from_numpy(images)), np.concatenate(each))
    return net


W = values(4, 3, 3, 2)
CONVS: dict[str, dict[str, Any]] = {
    "plain": {},
    "asymmetric": {"pads": [2, 0, 1, 3]},
    "dilated": {"dilations": [2, 3], "pads": [1, 2, 1, 2]},
    "stride": {"strides": [2, 3], "pads": [0, 1, 1, 0], "kernel_shape": [3, 2]},
    "upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    "lower": {"auto_pad": "SAME_LOWER", "strides": [2, 1]},
    "valid": {"auto_pad": "VALID", "strides": [1, 2]},
    "same, one": {"auto_pad": "SAME_UPPER"},
}


@pytest.mark.parametrize("name", CONVS)
@pytest.mark.parametrize("bias", [False, True])
def test_convolutions(tmp_path: Path, name: str, bias: bool) -> None:
    constants = {"w": W, "b": values(4, seed=1)}
    conv = node("Conv", ["x", "w", "b"] if bias else ["x", "w"], ["y"], name="/a/a.0/Conv", **CONVS[name])
    net = same_as_reference(tmp_path, model_of([conv], constants if bias else {"w": W}))
    assert type(net.a_a_0_Conv) is nn.Conv2d
    assert (net.a_a_0_Conv.bias is not None) == bias


@pytest.mark.parametrize(("groups", "filters"), [(3, 3), (3, 6), (1, 2)])
def test_grouped_convolutions(tmp_path: Path, groups: int, filters: int) -> None:
    weights = values(filters, 3 // groups, 3, 3)
    conv = node("Conv", ["x", "w"], ["y"], name="c", group=groups, pads=[1, 1, 1, 1])
    net = same_as_reference(tmp_path, model_of([conv], {"w": weights}))
    assert isinstance(net.c, nn.Conv2d)
    assert net.c.groups == groups
    assert net.c.padding == (1, 1)  # not around the image: who looks at the layer sees it


def test_an_odd_window_of_stride_one_keeps_its_padding_in_the_layer(tmp_path: Path) -> None:
    conv = node("Conv", ["x", "w"], ["y"], name="c", auto_pad="SAME_LOWER", dilations=[2, 1])
    net = same_as_reference(tmp_path, model_of([conv], {"w": values(2, 3, 3, 3)}))
    assert isinstance(net.c, nn.Conv2d)
    assert net.c.padding == (2, 1)


FLAT = node("Flatten", ["x"], ["f"])
DENSE: dict[str, tuple[list[Any], dict[str, Array]]] = {
    "gemm": ([FLAT, node("Gemm", ["f", "w", "b"], ["y"], name="fc")], {"w": values(126, 5), "b": values(5)}),
    "turned": (
        [FLAT, node("Gemm", ["f", "w", "b"], ["y"], name="fc", transB=1)],
        {"w": values(5, 126), "b": values(5)},
    ),
    "no bias": ([FLAT, node("Gemm", ["f", "w"], ["y"], name="fc", alpha=1.0)], {"w": values(126, 5)}),
    "row bias": ([FLAT, node("Gemm", ["f", "w", "b"], ["y"], name="fc")], {"w": values(126, 5), "b": values(1, 5)}),
    "matmul": ([FLAT, node("MatMul", ["f", "w"], ["y"], name="fc")], {"w": values(126, 5)}),
    "matmul of images": ([node("MatMul", ["x", "w"], ["y"], name="fc")], {"w": values(6, 5)}),
    "matmul, add": (
        [FLAT, node("MatMul", ["f", "w"], ["m"], name="fc"), node("Add", ["b", "m"], ["y"])],
        {"w": values(126, 5), "b": values(1, 5)},
    ),
}


@pytest.mark.parametrize("name", DENSE)
def test_dense_layers(tmp_path: Path, name: str) -> None:
    nodes, constants = DENSE[name]
    net = same_as_reference(tmp_path, model_of(nodes, constants))
    assert isinstance(net.fc, nn.Linear)
    assert net.fc.weight.shape[0] == 5
    assert (net.fc.bias is not None) == ("b" in constants)


def test_a_sum_that_is_no_bias_stays_a_sum(tmp_path: Path) -> None:
    nodes = [FLAT, node("MatMul", ["f", "w"], ["m"], name="fc"), node("Add", ["m", "b"], ["s"])]
    net = same_as_reference(
        tmp_path,
        model_of(
            [*nodes, node("Mul", ["s", "m"], ["y"])], {"w": W.reshape(18, 4)[:18], "b": values(4)}, image=(1, 2, 3, 3)
        ),
    )
    assert isinstance(net.fc, nn.Linear)
    assert net.fc.bias is None


NORM = {"s": values(3, seed=1), "o": values(3, seed=2), "m": values(3, seed=3), "v": values(3, seed=4, low=0.5)}


def test_batch_norms(tmp_path: Path) -> None:
    norm = node("BatchNormalization", ["x", *NORM], ["y"], name="bn", epsilon=0.01, momentum=0.75)
    net = same_as_reference(tmp_path, model_of([norm], NORM))
    assert isinstance(net.bn, nn.BatchNorm2d)
    assert (net.bn.eps, net.bn.momentum) == pytest.approx((0.01, 0.25))
    pooled = [
        node("ReduceMean", ["x"], ["p"], axes=[2, 3], keepdims=0),
        node("BatchNormalization", ["p", *NORM], ["y"]),
    ]
    same_as_reference(tmp_path, model_of(pooled, NORM))


ONE: dict[str, tuple[int, str, list[str], dict[str, Any], dict[str, Array]]] = {
    "Relu": (17, "Relu", ["x"], {}, {}),
    "Clip": (17, "Clip", ["x", "l", "h"], {}, {"l": np.float32(-0.5), "h": np.float32(1)}),  # type: ignore[dict-item]
    "Clip low": (17, "Clip", ["x", "l"], {}, {"l": np.array(-0.5, np.float32)}),
    "Clip high": (17, "Clip", ["x", "", "h"], {}, {"h": np.array([0.5], np.float32).reshape(())}),
    "Clip 6": (17, "Clip", ["x", "l", "h"], {}, {"l": np.array(0, np.float32), "h": np.array(6, np.float32)}),
    "Clip old": (7, "Clip", ["x"], {"min": 0.0, "max": 6.0}, {}),
    "Add": (17, "Add", ["x", "c"], {}, {"c": values(3, 1, 1)}),
    "Sub": (17, "Sub", ["c", "x"], {}, {"c": values(1, 3, 1, 1)}),
    "Mul": (17, "Mul", ["x", "x"], {}, {}),
    "Div": (17, "Div", ["x", "c"], {}, {"c": np.array(3, np.float32)}),
    "Sigmoid": (17, "Sigmoid", ["x"], {}, {}),
    "HardSigmoid": (17, "HardSigmoid", ["x"], {}, {}),
    "HardSigmoid other": (17, "HardSigmoid", ["x"], {"alpha": 0.3, "beta": 0.1}, {}),
    "HardSwish": (17, "HardSwish", ["x"], {}, {}),
    "LeakyRelu": (17, "LeakyRelu", ["x"], {}, {}),
    "LeakyRelu other": (17, "LeakyRelu", ["x"], {"alpha": 0.2}, {}),
    "Softmax": (17, "Softmax", ["x"], {}, {}),
    "Softmax 1": (17, "Softmax", ["x"], {"axis": 1}, {}),
    "LogSoftmax": (17, "LogSoftmax", ["x"], {"axis": -2}, {}),
    "GlobalAveragePool": (17, "GlobalAveragePool", ["x"], {}, {}),
    "ReduceMean": (17, "ReduceMean", ["x"], {"axes": [2, -1]}, {}),
    "ReduceMean flat": (17, "ReduceMean", ["x"], {"axes": [1], "keepdims": 0}, {}),
    "ReduceMean 18": (18, "ReduceMean", ["x", "a"], {}, {"a": ints(2, 3)}),
    "ReduceMean none": (18, "ReduceMean", ["x"], {"noop_with_empty_axes": 1}, {}),
    "Flatten": (17, "Flatten", ["x"], {}, {}),
    "Flatten -3": (17, "Flatten", ["x"], {"axis": -3}, {}),
    "Reshape 1": (17, "Reshape", ["x", "s"], {}, {"s": ints(1, -1)}),
    "Reshape 0": (17, "Reshape", ["x", "s"], {}, {"s": ints(0, 0, 42)}),
    "Reshape -1": (17, "Reshape", ["x", "s"], {}, {"s": ints(-1, 3, 6, 7)}),
    "Transpose": (17, "Transpose", ["x"], {"perm": [0, 2, 3, 1]}, {}),
    "Unsqueeze": (17, "Unsqueeze", ["x", "a"], {}, {"a": ints(-1, 2)}),
    "Unsqueeze old": (11, "Unsqueeze", ["x"], {"axes": [1]}, {}),
    "Concat": (17, "Concat", ["x", "c", "x"], {"axis": 1}, {"c": values(1, 2, 7, 6)}),
    "Concat -1": (17, "Concat", ["x", "x"], {"axis": -1}, {}),
    "Identity": (17, "Identity", ["x"], {}, {}),
    "Dropout": (17, "Dropout", ["x"], {}, {}),
    "Dropout ratio": (17, "Dropout", ["x", "r", "t"], {}, {"r": np.array(0.5, np.float32), "t": np.array(False)}),
    "Pad": (17, "Pad", ["x", "p"], {}, {"p": ints(0, 0, 1, 2, 0, 1, 0, 3)}),
    "Pad value": (17, "Pad", ["x", "p", "v"], {}, {"p": ints(0, 0, 1, 2, 0, 1, 0, 3), "v": np.array(2.5, np.float32)}),
    "Pad axes": (18, "Pad", ["x", "p", "", "a"], {}, {"p": ints(1, 2, 3, 0), "a": ints(-1, 2)}),
}


@pytest.mark.parametrize("name", ONE)
def test_operators(tmp_path: Path, name: str) -> None:
    opset, operator, inputs, attributes, constants = ONE[name]
    arrays = {key: np.asarray(value) for key, value in constants.items()}
    same_as_reference(tmp_path, model_of([node(operator, inputs, ["y"], **attributes)], arrays, opset=opset))


def test_old_softmax_is_over_all_axes_from_one_on(tmp_path: Path) -> None:
    """Version 1 of the operator: the input is coerced to two dimensions."""
    images = values(2, 3, 4, 5)
    net = onnx_module(saved(tmp_path, model_of([node("Softmax", ["x"], ["y"])], image=(1, 3, 4, 5), opset=11)))
    powers = np.exp(images.reshape(2, -1).astype(np.float64))
    close(net(torch.from_numpy(images)), (powers / powers.sum(1, keepdims=True)).reshape(images.shape))


def test_squeezes(tmp_path: Path) -> None:
    pool = node("GlobalAveragePool", ["x"], ["p"])
    for axes in (ints(2, 3), ints(-1)):
        nodes = [pool, node("Squeeze", ["p", "a"], ["y"])]
        same_as_reference(tmp_path, model_of(nodes, {"a": axes}))
    same_as_reference(tmp_path, model_of([pool, node("Squeeze", ["p"], ["y"], axes=[3])], opset=11))
    path = saved(tmp_path, model_of([pool, node("Squeeze", ["p"], ["y"])]))
    assert onnx_module(path)(torch.zeros(1, 3, 7, 6)).shape == (1, 3)  # one image is still a batch


POOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "max": ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2]}),
    "max pads": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "max asymmetric": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [0, 1, 2, 0]}),
    "max ceil": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "max ceil of three": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "storage_order": 0}),
    "max dilated": ("MaxPool", {"kernel_shape": [2, 2], "dilations": [3, 2], "strides": [1, 2]}),
    "max upper": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "mean": ("AveragePool", {"kernel_shape": [2, 3], "strides": [2, 1]}),
    "mean pads": ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "mean whole": ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    "mean asymmetric": ("AveragePool", {"kernel_shape": [3, 3], "pads": [0, 2, 1, 0]}),
    "mean asymmetric whole": ("AveragePool", {"kernel_shape": [3, 3], "pads": [0, 2, 1, 0], "count_include_pad": 1}),
    "mean ceil": ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "mean ceil whole": (
        "AveragePool",
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    "mean upper": ("AveragePool", {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "mean lower": ("AveragePool", {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
}


@pytest.mark.parametrize("name", POOLS)
def test_pools(tmp_path: Path, name: str) -> None:
    operator, attributes = POOLS[name]
    same_as_reference(tmp_path, model_of([node(operator, ["x"], ["y"], **attributes)], image=(1, 2, 7, 6), opset=19))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 2, 1), (3, 3, 1), (4, 3, 2), (2, 3, 0), (5, 4, 2)])
def test_rounded_up_pools_are_torchs(tmp_path: Path, kernel: int, stride: int, pad: int, whole: bool) -> None:
    """Where pixels are missing onnx's interpreter puts half of it in front; torch and ONNX's text don't."""
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": 1}
    images = torch.from_numpy(values(2, 2, 7, 10))
    path = saved(tmp_path, model_of([node("MaxPool", ["x"], ["y"], **attributes)], image=("n", 2, 7, 10)))
    assert torch.equal(onnx_module(path)(images), nn.MaxPool2d(kernel, stride, pad, ceil_mode=True)(images))
    mean = node("AveragePool", ["x"], ["y"], count_include_pad=int(whole), **attributes)
    wanted = nn.AvgPool2d(kernel, stride, pad, ceil_mode=True, count_include_pad=whole)(images)
    close(onnx_module(saved(tmp_path, model_of([mean], image=("n", 2, 7, 10))))(images), wanted.numpy())


def test_max_pool_same_lower_pads_more_in_front(tmp_path: Path) -> None:
    pool = node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[1, 1], auto_pad="SAME_LOWER")
    images = torch.from_numpy(values(1, 1, 3, 3) - 5)
    wanted = nn.functional.max_pool2d(nn.functional.pad(images, (1, 0, 1, 0), value=-99.0), 2, 1)
    assert torch.equal(onnx_module(saved(tmp_path, model_of([pool], image=(1, 1, 3, 3))))(images), wanted)


def small_net(batch: Any = 1, first: int = 1) -> Any:
    """Return a network of many operators, whose Reshape knows the batch."""
    constants = {
        "w1": values(4, 3, 3, 3, seed=1),
        "b1": values(4, seed=2),
        **{f"n{place}": values(4, seed=place, low=0.3) for place in range(4)},
        "w2": values(4, 1, 3, 3, seed=3),
        "three": np.array(3, np.float32),
        "low": np.array(0, np.float32),
        "six": np.array(6, np.float32),
        "shape": ints(first, 4 * 4 * 3),
        "w3": values(48, 10, seed=4),
        "b3": values(10, seed=5),
    }
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], name="stem.conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["a", "n0", "n1", "n2", "n3"], ["b"], name="stem.bn"),
        node("Relu", ["b"], ["c"], name="stem.relu"),
        node("Conv", ["c", "w2"], ["d"], name="dw", group=4, auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Add", ["d", "three"], ["e"]),
        node("Clip", ["e", "low", "six"], ["f"], name="dw"),
        node("Div", ["f", "six"], ["g"]),
        node("Mul", ["d", "g"], ["h"]),
        node("Reshape", ["h", "shape"], ["i"]),
        node("MatMul", ["i", "w3"], ["j"], name="fc"),
        node("Add", ["j", "b3"], ["y"]),
    ]
    model = model_of(nodes, constants, image=(batch, 3, 7, 6))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, (batch, 10)))
    return model


def test_names_and_kinds_of_layers(tmp_path: Path) -> None:
    net = same_as_reference(tmp_path, small_net())
    kinds = {name: type(layer) for name, layer in net.named_modules() if name}
    assert kinds == {
        "stem_conv": nn.Conv2d,
        "stem_bn": nn.BatchNorm2d,
        "stem_relu": nn.ReLU,
        "dw": nn.Conv2d,
        "dw_1": nn.ReLU6,
        "fc": nn.Linear,
    }
    assert set(net.state_dict()) == set(nn.ModuleDict(dict(net.named_children())).state_dict())


@pytest.mark.parametrize(("batch", "first"), [(1, 1), (1, 0), (1, -1), ("n", -1), ("n", 1), (2, 2), (2, -1), (None, 0)])
def test_any_batch_whatever_the_file_was_exported_with(tmp_path: Path, batch: Any, first: int) -> None:
    net = onnx_module(saved(tmp_path, small_net(batch, first)))
    images = values(5, 3, 7, 6)
    alone = small_net(1, 1)
    wanted = np.concatenate([reference(alone, images[place : place + 1]) for place in range(5)])
    close(net(torch.from_numpy(images)), wanted)
    close(net(torch.from_numpy(images[:1])), wanted[:1])


def test_open_sizes_of_images(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node("GlobalAveragePool", ["a"], ["b"]), node("Flatten", ["b"], ["y"])]
    model = model_of(nodes, {"w": W}, image=("n", 3, "h", "w_"))
    net = onnx_module(saved(tmp_path, model))
    for side in (6, 9):
        images = values(2, 3, side, side + 1)
        close(net(torch.from_numpy(images)), reference(model, images))
    with pytest.raises(SlipstickError, match="another shape"):
        net(torch.zeros(1, 4, 6, 6))
    with pytest.raises(SlipstickError, match="Conv does not fit"):
        net(torch.zeros(1, 3, 2, 2))
    with pytest.raises(SlipstickError, match="too large for one image"):
        net(torch.zeros(1, device="meta").expand(1, 3, 2**14, 2**14))


MIXING = [
    node("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3]),
    node("Transpose", ["x"], ["y"]),
    node("Flatten", ["x"], ["y"], axis=0),
    node("Flatten", ["x"], ["y"], axis=2),
    node("Concat", ["x", "x"], ["y"], axis=0),
    node("Concat", ["x", "x"], ["y"], axis=-4),
    node("Softmax", ["x"], ["y"], axis=0),
    node("ReduceMean", ["x"], ["y"], axes=[0]),
    node("ReduceMean", ["x"], ["y"]),
    node("Reshape", ["x", "merge"], ["y"]),
    node("Reshape", ["x", "split"], ["y"]),
    node("Unsqueeze", ["x", "first"], ["y"]),
    node("Squeeze", ["x", "first"], ["y"]),
    node("Pad", ["x", "around"], ["y"]),
    node("Add", ["x", "deep"], ["y"]),
    node("Mul", ["x", "two"], ["y"]),
]


@pytest.mark.parametrize("mixing", MIXING, ids=lambda found: f"{found.op_type}")
def test_what_would_mix_images_is_refused(tmp_path: Path, mixing: Any) -> None:
    constants = {
        "merge": ints(-1, 6),
        "split": ints(3, -1),
        "first": ints(0),
        "around": ints(1, 0, 0, 0, 0, 0, 0, 0),
        "deep": values(1, 1, 1, 1, 1),
        "two": values(2, 1, 1, 1),
    }
    used = {name: value for name, value in constants.items() if name in mixing.input}
    with pytest.raises(SlipstickError):
        onnx_module(saved(tmp_path, model_of([mixing], used, image=(1, 3, 1, 6))))


def test_written_back_it_is_the_same_file(tmp_path: Path) -> None:
    model = small_net()
    net = onnx_module(saved(tmp_path, model))
    write_onnx(net, tmp_path / "again" / "n.onnx")
    again = onnx.load(tmp_path / "again" / "n.onnx")
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    after = {tensor.name: numpy_helper.to_array(tensor) for tensor in again.graph.initializer}
    assert list(before) == list(after)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert list(again.graph.node) == list(model.graph.node)
    onnx.checker.check_model(again)


def test_retrained_weights_and_statistics_arrive_in_the_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = onnx_module(saved(tmp_path, small_net()))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images, classes = torch.randn(8, 3, 7, 6), torch.arange(8)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
    net.train()
    for _ in range(2):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images), classes).backward()
        optimiser.step()
    still = {name for name, value in net.state_dict().items() if torch.equal(value, before[name])}
    assert still <= {"stem_conv.bias"}  # the norm behind it takes it out again
    net.eval()
    write_onnx(net, tmp_path / "n.onnx")
    wanted = net(images).detach().numpy()
    model = onnx.load(tmp_path / "n.onnx")
    close(torch.from_numpy(np.concatenate([reference(model, image[None].numpy()) for image in images])), wanted)
    again = onnx_module(tmp_path / "n.onnx")
    for name, value in net.state_dict().items():
        assert "num_batches" in name or torch.equal(value, again.state_dict()[name])
    write_onnx(again, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == (tmp_path / "n.onnx").read_bytes()


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE", "BFLOAT16"])
@pytest.mark.parametrize("raw", [True, False])
def test_types_of_floats_stay(tmp_path: Path, kind: str, raw: bool) -> None:
    number = getattr(TensorProto, kind)
    weights = np.array([[0.5, -1.25], [2.0, 3.0], [0.125, 8.0]], np.float32)  # exact in all of them
    model = model_of([FLAT, node("Gemm", ["f", "w"], ["y"], name="fc", transB=1)], image=(1, 2, 1, 1))
    tensor = helper.make_tensor("w", number, [3, 2], weights.reshape(-1))
    model.graph.initializer.append(tensor)
    if raw:
        tensor = model.graph.initializer[0]
        stored = numpy_helper.to_array(tensor)
        for field in ("int32_data", "double_data", "float_data"):
            tensor.ClearField(field)
        tensor.raw_data = stored.tobytes()
    net = onnx_module(saved(tmp_path, model))
    assert isinstance(net.fc, nn.Linear)
    assert torch.equal(net.fc.weight, torch.from_numpy(weights))
    with torch.no_grad():
        net.fc.weight.mul_(2)
    write_onnx(net, tmp_path / "n.onnx")
    again = onnx.load(tmp_path / "n.onnx").graph.initializer[0]
    assert again.data_type == number
    assert np.array_equal(numpy_helper.to_array(again).astype(np.float32), 2 * weights)
    if kind == "FLOAT16":
        with torch.no_grad():
            net.fc.weight.fill_(1e6)
        with pytest.raises(SlipstickError, match="beyond FLOAT16"):
            write_onnx(net, tmp_path / "n.onnx")
        assert onnx.load(tmp_path / "n.onnx").graph.initializer[0] == again


def test_weights_in_constant_nodes_and_behind_identities(tmp_path: Path) -> None:
    """torch's exporter stores equal vectors once; each layer still has its own, before and after writing."""
    held = node("Constant", [], ["w"], value=numpy_helper.from_array(values(3, 3, 1, 1)))
    nodes = [
        held,
        node("Identity", ["b"], ["b2"]),
        node("Identity", ["b2"], ["b3"]),
        node("Identity", ["v"], ["v2"]),
        node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0]),
        node("Conv", ["x", "w", "b2"], ["p"], name="one"),
        node("Conv", ["p", "v2", "b3"], ["q"], name="two"),
        node("Conv", ["q", "v", "c"], ["y"], name="three"),
    ]
    model = model_of(nodes, {"b": values(3), "v": values(3, 3, 1, 1, seed=1)})
    net = same_as_reference(tmp_path, model)
    one, two, three = (net.get_submodule(name) for name in ("one", "two", "three"))
    assert two.weight is three.weight  # a matrix that two nodes read is shared
    assert one.bias is not two.bias
    with torch.no_grad():
        for number, value in enumerate((one.weight, one.bias, two.weight, two.bias, three.bias)):
            assert isinstance(value, torch.Tensor)
            value += 0.1 * (number + 1)
    write_onnx(net, tmp_path / "n.onnx")
    images = values(1, 3, 7, 6)
    close(net(torch.from_numpy(images)), reference(onnx.load(tmp_path / "n.onnx"), images))
    three.weight = nn.Parameter(2 * three.weight.detach())
    with pytest.raises(SlipstickError, match="share it in the file"):
        write_onnx(net, tmp_path / "n.onnx")


def test_a_constant_of_two_roles_is_refused(tmp_path: Path) -> None:
    two = node("Mul", ["p", "k"], ["y"])
    same = node("BatchNormalization", ["x", "s", "o", "o", "s"], ["y"])
    with pytest.raises(SlipstickError, match="both a weight and a running_mean"):
        onnx_module(saved(tmp_path, model_of([same], {"s": NORM["s"] + 2, "o": NORM["o"]})))
    shared = {"w": values(1, 3, 1, 1), "k": values(1)}
    with pytest.raises(SlipstickError, match="both a weight and a operand"):
        onnx_module(saved(tmp_path, model_of([node("Conv", ["x", "w", "k"], ["p"]), two], shared)))
    bound = node("Clip", ["p", "k"], ["y"])
    with pytest.raises(SlipstickError, match="also an operator's bound"):
        onnx_module(saved(tmp_path, model_of([node("Conv", ["x", "w", "k"], ["p"]), bound], shared)))


def test_replaced_layers_are_not_written(tmp_path: Path) -> None:
    net = onnx_module(saved(tmp_path, small_net()))
    net.stem_bn = nn.Identity()
    net(torch.zeros(2, 3, 7, 6))
    with pytest.raises(SlipstickError, match="not the layer that the file has there"):
        write_onnx(net, tmp_path / "n.onnx")
    assert not (tmp_path / "n.onnx").exists()


def test_copies_are_apart(tmp_path: Path) -> None:
    net = onnx_module(saved(tmp_path, small_net()))
    other = copy.deepcopy(net)
    with torch.no_grad():
        next(other.parameters()).zero_()
    images = torch.randn(2, 3, 7, 6)
    assert not torch.equal(net(images), other(images))
    write_onnx(other, tmp_path / "n.onnx")
    assert torch.equal(onnx_module(tmp_path / "n.onnx")(images), other(images))


def exported(net: nn.Module, path: Path, image: tuple[int, ...], **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of the exporter, about its own age
        warnings.filterwarnings("ignore", category=UserWarning)  # of norms that it keeps, about its training mode
        torch.onnx.export(net, (torch.zeros(1, *image),), str(path), dynamo=False, **options)


def stirred(net: nn.Module) -> nn.Module:
    """Give norms statistics that matter."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values_, low in (
                (layer.running_mean, -0.2),
                (layer.running_var, 0.5),
                (layer.weight, 0.7),
                (layer.bias, -0.1),
            ):
                assert values_ is not None
                nn.init.uniform_(values_, low, low + 0.6)
    return net.eval()


@pytest.mark.parametrize("name", ["resnet-8", "mobilenet-v2"])
@pytest.mark.parametrize("kept", [False, True])
def test_torchs_own_files(tmp_path: Path, name: str, kept: bool) -> None:
    torch.manual_seed(1)
    original = stirred(module(name, classes=10, shape=(32, 32, 3)))
    path = tmp_path / "m.onnx"
    keep = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False} if kept else {}
    exported(original, path, (3, 32, 32), **keep)
    net = onnx_module(path)
    images = torch.randn(4, 3, 32, 32)
    close(net(images), original(images).detach().numpy())
    counts = [sum(isinstance(layer, kind) for layer in original.modules()) for kind in (nn.Conv2d, nn.Linear)]
    assert [sum(isinstance(layer, kind) for layer in net.modules()) for kind in (nn.Conv2d, nn.Linear)] == counts
    norms = sum(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())
    assert norms == (sum(isinstance(layer, nn.BatchNorm2d) for layer in original.modules()) if kept else 0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    write_onnx(net, tmp_path / "n.onnx")
    close(net(images[:1]), reference(onnx.load(tmp_path / "n.onnx"), images[:1].numpy()), 1e-3)


class Viewed(nn.Module):
    """A network that asks for the batch, in words that an exporter keeps."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self.conv, self.fc, self.view = nn.Conv2d(3, 4, 3, stride=2), nn.Linear(4 * 3 * 2, 5), view

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(self.view(self.conv(x)))


VIEWS = {
    "view": lambda x: x.view(x.size(0), -1),
    "sizes": lambda x: x.reshape(x.shape[0], 4, 6).reshape(x.size(0), 24),
    "front of the shape": lambda x: x.reshape(*x.shape[:1], 24),
    "of an earlier value": lambda x: x.relu().view(x.size(0), -1),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("opset", [11, 17])
def test_shapes_computed_from_an_open_batch(tmp_path: Path, view: str, opset: int) -> None:
    torch.manual_seed(2)
    original = Viewed(VIEWS[view]).eval()
    path = tmp_path / "m.onnx"
    names = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    exported(original, path, (3, 7, 6), opset_version=opset, **names)
    assert {"Shape"} <= {one.op_type for one in onnx.load(path).graph.node}, "the exporter left nothing to compute"
    net = onnx_module(path)
    for batch in (1, 3):
        images = torch.randn(batch, 3, 7, 6)
        close(net(images), original(images).detach().numpy())
    write_onnx(net, tmp_path / "n.onnx")
    images = torch.randn(2, 3, 7, 6)
    close(net(images), reference(onnx.load(tmp_path / "n.onnx"), images.numpy()))


FRONT = [node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"], axis=0)]
SIZES = {"zero": np.array(0), "zeros": ints(0), "one": np.array(1), "rest": ints(126), "many": ints(*range(40))}
COMPUTED: dict[str, tuple[list[Any], str]] = {
    "another size": ([*FRONT, node("Gather", ["s", "one"], ["y"], axis=0)], "not supported; got 'Gather'"),
    "many sizes": ([*FRONT, node("Gather", ["s", "many"], ["y"], axis=0)], "not supported; got 'Gather'"),
    "of a constant": ([node("Shape", ["rest"], ["y"])], "not supported; got 'Shape'"),
    "of a shape": ([*FRONT, node("Shape", ["s"], ["y"])], "not supported; got 'Shape'"),
    "of a size": ([*FRONT, node("Shape", ["n"], ["y"])], "not supported; got 'Shape'"),
    "a part": ([node("Shape", ["x"], ["y"], start=1)], "not supported; got 'Shape'"),
    "product": ([*FRONT, node("Mul", ["n", "rest"], ["y"])], "first result"),
    "as a value": ([*FRONT, node("Relu", ["n"], ["y"])], "first result"),
    "the output": ([node("Shape", ["x"], ["y"])], "the output is not"),
    "behind": (
        [
            *FRONT,
            node("Unsqueeze", ["n", "zeros"], ["batch"]),
            node("Concat", ["rest", "batch"], ["target"], axis=0),
            node("Reshape", ["x", "target"], ["y"]),
        ],
        "Reshape: the batch is not the first",
    ),
    "as pads": (
        [*FRONT, node("Unsqueeze", ["n", "zeros"], ["batch"]), node("Pad", ["x", "batch"], ["y"])],
        "is computed, and must be a constant",
    ),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_other_computed_sizes_are_refused(tmp_path: Path, name: str) -> None:
    nodes, message = COMPUTED[name]
    with pytest.raises(SlipstickError, match=message) as caught:
        onnx_module(saved(tmp_path, model_of(nodes, SIZES)))
    assert "\n" not in str(caught.value)


def test_a_damaged_constant_among_sizes_is_named(tmp_path: Path) -> None:
    model = model_of([*FRONT, node("Unsqueeze", ["n", "zeros"], ["y"], name="odd")], SIZES)
    next(one for one in model.graph.initializer if one.name == "zeros").raw_data = b"abc"
    with pytest.raises(SlipstickError, match=r"m\.onnx: odd: Unsqueeze: zeros of the shape .* needs 8 bytes"):
        onnx_module(saved(tmp_path, model))


BN = node("BatchNormalization", ["x", *NORM], ["y"])
REFUSED: dict[str, tuple[Any, dict[str, Array], str]] = {
    "unknown": (
        node("Mystery", ["x"], ["y"], name="odd"),
        {},
        r"odd: an operator .* got 'Mystery'; allowed: Add, .*Unsq",
    ),
    "domain": (node("Relu", ["x"], ["y"], domain="mine"), {}, r"got 'mine\.Relu'"),
    "quantised": (node("QuantizeLinear", ["x", "s"], ["y"]), {"s": values(1)}, "QuantizeLinear"),
    "attribute": (node("Relu", ["x"], ["y"], slope=2), {}, "attribute that is not supported; got 'slope'"),
    "type": (node("Flatten", ["x"], ["y"], axis=1.0), {}, "axis is of a wrong type"),
    "alpha": (node("Gemm", ["x", "w"], ["y"], alpha=2.0), {"w": values(2, 2)}, "alpha"),
    "transA": (node("Gemm", ["x", "w"], ["y"], transA=1), {"w": values(2, 2)}, "transA"),
    "weightless": (node("Conv", ["x", "w"], ["y"]), {}, "reads what nothing before it makes"),
    "computed": (node("MatMul", ["x", "x"], ["y"]), {}, "must be a constant"),
    "constant first": (node("MatMul", ["w", "x"], ["y"]), {"w": values(2, 2)}, "MatMul"),
    "deep product": (node("MatMul", ["x", "w"], ["y"]), {"w": values(2, 6, 2)}, "2 dimensions"),
    "conv of lines": (node("Conv", ["x", "w"], ["y"]), {"w": values(2, 3, 3)}, "4 dimensions"),
    "whole weights": (node("Conv", ["x", "w"], ["y"]), {"w": np.ones((2, 3, 1, 1), np.int64)}, "INT64"),
    "channels": (node("Conv", ["x", "w"], ["y"]), {"w": values(2, 5, 1, 1)}, "does not fit"),
    "groups": (node("Conv", ["x", "w"], ["y"], group=2), {"w": values(3, 3, 1, 1)}, "groups"),
    "no groups": (node("Conv", ["x", "w"], ["y"], group=0), {"w": values(3, 3, 1, 1)}, "groups"),
    "bias": (node("Conv", ["x", "w", "b"], ["y"]), {"w": values(2, 3, 1, 1), "b": values(3)}, "2 numbers"),
    "kernel": (node("Conv", ["x", "w"], ["y"], kernel_shape=[5, 5]), {"w": W}, "kernel"),
    "stride": (node("Conv", ["x", "w"], ["y"], strides=[0, 1]), {"w": W}, "from 1"),
    "strides": (node("Conv", ["x", "w"], ["y"], strides=[1, 1, 1]), {"w": W}, "height and width"),
    "negative pads": (node("Conv", ["x", "w"], ["y"], pads=[-1, 0, 0, 0]), {"w": W}, "pads from 0"),
    "huge pads": (node("Conv", ["x", "w"], ["y"], pads=[2**40] * 4), {"w": W}, "beyond"),
    "large pads": (node("Conv", ["x", "w"], ["y"], pads=[2**19] * 4), {"w": W}, "too large for one image"),
    "odd large pads": (node("Conv", ["x", "w"], ["y"], pads=[2**19, 0, 0, 2**19]), {"w": W}, "pads that make"),
    "large pad": (node("Pad", ["x", "p"], ["y"]), {"p": ints(0, 0, 2**20, 2**20, 0, 0, 0, 0)}, "pads that make"),
    "odd pad": (node("Pad", ["x", "p"], ["y"]), {"p": ints(0, 0, 2**62, 0, 0, 0, 0, 0)}, "Pad"),
    "reflect": (node("Pad", ["x", "p"], ["y"], mode="reflect"), {"p": ints(*[0] * 8)}, "reflect"),
    "auto_pad": (node("Conv", ["x", "w"], ["y"], auto_pad="SAME"), {"w": W}, "auto_pad"),
    "window": (node("MaxPool", ["x"], ["y"], kernel_shape=[9, 9]), {}, "window over 9"),
    "sideless": (node("MaxPool", ["x"], ["y"]), {}, "without sides"),
    "wide pads": (node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], pads=[2, 0, 0, 0]), {}, "as wide as"),
    "shape": (node("Reshape", ["x", "s"], ["y"]), {"s": ints(1, 5, 5)}, "does not fit"),
    "two open": (node("Reshape", ["x", "s"], ["y"]), {"s": ints(-1, -1)}, "shape"),
    "large shape": (node("Reshape", ["x", "s"], ["y"]), {"s": ints(1, 2**62, 2**62)}, "Reshape"),
    "float shape": (node("Reshape", ["x", "s"], ["y"]), {"s": values(2)}, "FLOAT"),
    "perm": (node("Transpose", ["x"], ["y"], perm=[0, 1, 1, 2]), {}, "perm"),
    "training": (node("BatchNormalization", ["x", *NORM], ["y"], training_mode=1), NORM, "inference"),
    "norm": (BN, {**NORM, "v": values(4)}, "3 numbers each"),
    "inputs": (node("Relu", ["x", "x"], ["y"]), {}, "2 inputs"),
    "axis": (node("Softmax", ["x"], ["y"], axis=4), {}, "axis 4"),
    "no axis": (node("Concat", ["x", "x"], ["y"]), {}, "no axis"),
    "constants only": (node("Add", ["c", "c"], ["y"]), {"c": values(1)}, "an image decides"),
    "whole operand": (node("Add", ["x", "c"], ["y"]), {"c": ints(1)}, "INT64"),
    "squeezed": (node("Squeeze", ["x", "a"], ["y"]), {"a": ints(1)}, "not of size 1"),
    "second result": (node("MaxPool", ["x"], ["z", "y"], kernel_shape=[1, 1]), {}, "first result"),
    "output": (node("Relu", ["x"], ["z"]), {}, "nothing makes the output"),
    "NaN": (node("LeakyRelu", ["x"], ["y"], alpha=float("nan")), {}, "not a number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_clear_error(tmp_path: Path, name: str) -> None:
    refused, constants, message = REFUSED[name]
    with pytest.raises(SlipstickError, match=message) as caught:
        onnx_module(saved(tmp_path, model_of([refused], constants)))
    assert "m.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_growth_is_bounded(tmp_path: Path) -> None:
    """A few hundred bytes that ask for more memory or time than there is."""
    doubled = [node("Concat", [f"x{n}" if n else "x"] * 2, [f"x{n + 1}"], axis=1) for n in range(60)]
    with pytest.raises(SlipstickError, match="too large for one image"):
        onnx_module(saved(tmp_path, model_of(doubled, output="x60")))
    spread = [node("Add", ["x", "c"], ["y"])]
    wide = {"c": values(2**13, 1)}
    with pytest.raises(SlipstickError, match="too large for one image"):
        onnx_module(saved(tmp_path, model_of(spread, wide, image=(1, 2**8, 1, 2**9))))
    slow = [node("AveragePool", ["x"], ["y"], kernel_shape=[2**12] * 2)]
    with pytest.raises(SlipstickError, match="too large for one image"):
        onnx_module(saved(tmp_path, model_of(slow, image=(1, 1, 2**12 + 300, 2**12 + 300))))
    with pytest.raises(SlipstickError, match="images are"):
        onnx_module(saved(tmp_path, model_of([node("Relu", ["x"], ["y"])], image=(1, 3, 2**40, 2**40))))
    with pytest.raises(SlipstickError, match="too many nodes"):
        onnx_module(saved(tmp_path, model_of([node("Relu", ["x"], ["y"])] * 20000)))


def test_sizes_of_weights_are_checked_first(tmp_path: Path) -> None:
    model = small_net()
    for dims in ([4, 3, 3, 4], [2**40, 3, 3, 3], [2**31, 2**31, 2**31, 2**31], [4, 3, 3, 3, *[1] * 20], [0, 3, 3, 3]):
        wrong = copy.deepcopy(model)
        del wrong.graph.initializer[0].dims[:]
        wrong.graph.initializer[0].dims.extend(dims)
        with pytest.raises(SlipstickError, match=r"m\.onnx"):
            onnx_module(saved(tmp_path, wrong))
    fields = copy.deepcopy(model)
    fields.graph.initializer[0].ClearField("raw_data")
    fields.graph.initializer[0].float_data.extend([1.0] * 107)
    with pytest.raises(SlipstickError, match="needs 108 numbers; the file has 107"):
        onnx_module(saved(tmp_path, fields))


def test_weights_in_other_files_stay_closed(tmp_path: Path) -> None:
    model = small_net()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(SlipstickError, match="weights in another file are not read"):
        onnx_module(saved(tmp_path, model))


def test_graphs_that_are_not_read(tmp_path: Path) -> None:
    for version in (6, 1000):
        model = small_net()
        model.opset_import[0].version = version
        with pytest.raises(SlipstickError, match="version of ONNX's operators"):
            onnx_module(saved(tmp_path, model))
    two = small_net()
    two.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    with pytest.raises(SlipstickError, match="one input"):
        onnx_module(saved(tmp_path, two))
    whole = small_net()
    whole.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    with pytest.raises(SlipstickError, match="images are floats"):
        onnx_module(saved(tmp_path, whole))
    circle = model_of([node("Add", ["y", "x"], ["z"]), node("Relu", ["z"], ["y"])])
    with pytest.raises(SlipstickError, match="nothing before it makes"):
        onnx_module(saved(tmp_path, circle))
    twice = model_of([node("Relu", ["x"], ["y"]), node("Sigmoid", ["x"], ["y"])])
    with pytest.raises(SlipstickError, match="there already"):
        onnx_module(saved(tmp_path, twice))
    with pytest.raises(SlipstickError, match="no such file"):
        onnx_module(tmp_path / "none.onnx")


def test_names_that_torch_forbids(tmp_path: Path) -> None:
    names = ["forward", "training", "_modules", "plan", "a.b", "a/b", "", "é weight", "x" * 500]
    nodes = [node("Relu", [f"r{n}" if n else "x"], [f"r{n + 1}"], name=name) for n, name in enumerate(names)]
    net = same_as_reference(tmp_path, model_of(nodes, output=f"r{len(names)}"))
    found = [name for name, _ in net.named_children()]
    assert len(found) == len(names)
    assert found[4:6] == ["a_b", "a_b_1"]
    assert max(map(len, found)) < 120


def test_what_the_output_does_not_need_is_left_alone(tmp_path: Path) -> None:
    model = small_net()
    model.graph.node.append(node("Mystery", ["c"], ["aside"]))
    model.graph.output.append(helper.make_tensor_value_info("aside", TensorProto.FLOAT, None))
    net = onnx_module(saved(tmp_path, model))
    write_onnx(net, tmp_path / "n.onnx")
    assert onnx.load(tmp_path / "n.onnx").graph.node[-1].op_type == "Mystery"


def damaged(raw: bytes) -> Iterator[bytes]:
    chance = random.Random(7)  # noqa: S311  damage, no secrets
    for _ in range(150):
        yield raw[: chance.randrange(len(raw))]
    head = len(small_net_frame())
    for _ in range(450):
        copied = bytearray(raw)
        for _ in range(chance.choice((1, 1, 2, 5))):
            # most in the frame of names and sizes that stands before the weights
            place = chance.randrange(head if chance.random() < 0.7 else len(raw))
            copied[place] ^= 1 << chance.randrange(8)
        yield bytes(copied)


def small_net_frame() -> bytes:
    model = small_net()
    del model.graph.initializer[:]
    found: bytes = model.SerializeToString()
    return found


def test_damaged_files_give_one_error_or_run(tmp_path: Path) -> None:
    refused = ran = 0
    path = tmp_path / "m.onnx"
    for raw in damaged(small_net().SerializeToString()):
        path.write_bytes(raw)
        try:
            net = onnx_module(path)
            image = [size or 8 for size in net.plan.image]
            made = net(torch.zeros(2, *image))
            write_onnx(net, tmp_path / "n.onnx")
        except SlipstickError:
            refused += 1
        else:
            assert made.shape[0] == 2
            ran += 1
    assert refused > 250
    assert ran > 30
