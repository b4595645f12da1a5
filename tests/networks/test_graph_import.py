"""The doors: torch.export and ONNX give the graphs that the catalogue lists by shape arithmetic."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from onnx import TensorProto, helper
from torch.utils.flop_counter import FlopCounterMode

from networks import onnx_writer
from slipstick.core.errors import SlipstickError
from slipstick.core.spec import validate
from slipstick.core.workload import Op, Phase
from slipstick.networks import from_onnx, from_torch, network
from slipstick.networks.graphs import OperatorGraph, chains
from slipstick.networks.importers.torch_export import from_program
from slipstick.trained.torch import build, example_inputs

IMAGES = ["resnet-14", "resnet-18", "resnet-50", "resnet-152", "inception-v3", "mobilenet-v2", "vgg-16", "alexnet"]


def modules(name: str, batch: int = 1) -> tuple[Any, tuple[Any, ...]]:
    net = network(name)
    with torch.device("meta"):
        return build(net).eval(), example_inputs(net, batch)


def likeness(ops: list[Op]) -> Counter[int]:
    """Return the graph without its names: what each operation is, and what everything before it is."""
    seen: dict[str, int] = {}
    for op in ops:
        sizes = (
            op.kind,
            tuple(sorted(op.dims.items())),
            op.flops,
            op.weights,
            op.inputs,
            op.outputs,
            op.reads,
            op.geometry,
        )
        seen[op.name] = hash((sizes, tuple(sorted(seen[name] for name in op.after))))
    return Counter(seen.values())


@pytest.mark.parametrize("name", IMAGES)
def test_torch_counts_the_same_work_and_parameters(name: str) -> None:
    module, inputs = modules(name)
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    net = network(name)
    assert counter.get_total_flops() == sum(op.flops for op in net.ops(Phase.INFER, 1, 1, 1))
    assert sum(parameter.numel() for parameter in module.parameters()) == net.parameters


def test_the_auxiliary_head_of_torch_counts_the_same() -> None:
    from slipstick.networks.graphs.inception import InceptionV3

    net = InceptionV3(name="x", auxiliary=True)
    with torch.device("meta"):
        module, inputs = build(net), example_inputs(net, 2)
    assert sum(parameter.numel() for parameter in module.parameters()) == net.parameters == 27_161_264
    traced = from_torch(module.train(), inputs)
    training = net.ops(Phase.TRAIN, 1, 1, 1)
    assert sum(op.flops for op in traced.ops(Phase.TRAIN, 1, 1, 1)) == sum(op.flops for op in training)


@pytest.mark.parametrize(("name", "calls"), [("inception-v3", 314), ("resnet-152", 515)])
def test_both_doors_and_the_catalogue_give_one_graph(name: str, calls: int, tmp_path: Path) -> None:
    module, inputs = modules(name)
    program = torch.export.export(module, inputs)
    assert sum(node.op == "call_function" for node in program.graph.nodes) == calls
    by_torch = from_program(program, name=name)
    onnx_writer.write(program, tmp_path / "net.onnx")
    by_onnx = network(tmp_path / "net.onnx")
    listed = network(name)
    for batch in (1, 32):
        graphs = [net.ops(Phase.INFER, batch, 1, 1) for net in (listed, by_torch, by_onnx)]
        assert likeness(graphs[0]) == likeness(graphs[1]) == likeness(graphs[2])
        assert likeness(chains(graphs[0])) == likeness(chains(graphs[1])) == likeness(chains(graphs[2]))
    assert listed.parameters == by_torch.parameters == by_onnx.parameters


@pytest.mark.parametrize("name", ["mobilenet-v2", "vgg-16", "alexnet"])
def test_torch_gives_the_catalogues_graph(name: str) -> None:
    traced, listed = (net.ops(Phase.INFER, 2, 1, 1) for net in (from_torch(*modules(name)), network(name)))
    assert likeness(traced) == likeness(listed)


def test_a_module_that_begins_with_a_view_of_its_input() -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    graph = from_torch(module.eval(), (torch.zeros(1, 1, 8, 8),), name="mlp")
    assert [(op.name, op.kind, op.after) for op in graph.operations] == [
        ("1", "matmul", ()), ("2", "elementwise", ("1",)), ("3", "matmul", ("2",)),
    ]  # fmt: skip


def test_the_batch_of_the_example_does_not_matter() -> None:
    graphs = [from_torch(*modules("resnet-18", batch)).ops(Phase.INFER, 8, 1, 1) for batch in (1, 4)]
    assert likeness(graphs[0]) == likeness(graphs[1])


def test_onnx_as_torch_exports_it(tmp_path: Path) -> None:
    """The exporter's own file, weights inside, norms kept: the same graph with the module's names."""
    net = network("resnet-18")
    module, path = build(net).eval(), tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own age
        keep = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
        torch.onnx.export(module, example_inputs(net), str(path), dynamo=False, **keep)
    graph = from_onnx(path)
    assert likeness(graph.ops(Phase.INFER, 2, 1, 1)) == likeness(net.ops(Phase.INFER, 2, 1, 1))
    assert graph.parameters == net.parameters
    names = {op.name for op in graph.ops(Phase.INFER, 1, 1, 1)}
    assert {"layer4.1.conv2", "layer2.0.downsample.0"} <= names


class Mixed(torch.nn.Module):
    """One of everything: attention, a recurrent layer, a weight used twice, parts of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(100, 32)
        self.block = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.lstm = torch.nn.LSTM(32, 16, 2, batch_first=True)
        self.out = torch.nn.Linear(16, 100, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.lstm(self.block(self.embed(x)))
        first, second = y.chunk(2, 1)
        return self.out(first) + self.out(second)


def test_attention_recurrence_sharing_and_parts() -> None:
    module, tokens = Mixed().eval(), torch.zeros(2, 10, dtype=torch.long)
    graph = from_torch(module, (tokens,), name="mixed")
    ops = {op.name: op for op in graph.operations}
    assert graph.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert not graph.note  # nothing was left uncounted
    core = ops["block.self_attn.scaled_dot_product_attention"]
    assert core.flops == 2 * 2 * 4 * 10 * 10 * (8 + 8)
    # each weight of the recurrent layers multiplies once for each token
    assert ops["lstm"].flops == 2 * 2 * 10 * (32 * 64 + 16 * 64 + 16 * 64 + 16 * 64)
    assert sum(part.flops * part.count for part in ops["lstm"].parts) == ops["lstm"].flops
    assert ops["out"].colocate == ops["out_2"].colocate == "out.weight"
    assert ops["out"].reads == ops["out_2"].reads == (2 * 5 * 16,)  # half of what the layer gives
    with FlopCounterMode(display=False) as counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        module.train()(tokens)  # in training torch takes no fused path, which its counter would not see
    # its counter does not see recurrent layers either
    assert counter.get_total_flops() == sum(op.flops for op in ops.values()) - ops["lstm"].flops


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (torch.nn.Conv2d(8, 16, 3, groups=4, stride=2), (2, 8, 9, 9)),
        (torch.nn.Conv1d(8, 16, 3, dilation=2), (2, 8, 20)),
        (torch.nn.Conv3d(2, 4, 3, padding=1), (1, 2, 6, 6, 6)),
        (torch.nn.ConvTranspose2d(8, 6, 3, stride=2, groups=2), (2, 8, 5, 5)),
        (torch.nn.Linear(8, 16), (3, 4, 8)),
        (torch.nn.MultiheadAttention(8, 2), (5, 3, 8)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_work_of_single_layers_is_what_torch_counts(layer: torch.nn.Module, shape: tuple[int, ...]) -> None:
    inputs = (torch.zeros(shape),) * (3 if isinstance(layer, torch.nn.MultiheadAttention) else 1)
    with FlopCounterMode(display=False) as counter:
        layer(*inputs)
    graph = from_torch(layer, inputs)
    assert not graph.note
    assert sum(op.flops for op in graph.operations) == counter.get_total_flops()
    assert graph.parameters == sum(parameter.numel() for parameter in layer.parameters())


@pytest.mark.parametrize(
    ("layer", "shape", "output"),
    [
        (torch.nn.Conv2d(4, 6, (3, 5), (1, 2), (2, 1), dilation=(2, 1)), (2, 4, 16, 17), (16, 8)),
        (torch.nn.Conv2d(4, 6, 4, padding="same"), (1, 4, 10, 9), (10, 9)),
        (torch.nn.Conv2d(4, 6, 3, padding="valid"), (1, 4, 10, 9), (8, 7)),
        (torch.nn.Conv1d(4, 6, 5, 3, 1, groups=2), (1, 4, 50), (1, 16)),
        (torch.nn.Conv3d(4, 6, 3), (1, 4, 8, 8, 8), None),
        (torch.nn.ConvTranspose2d(4, 6, 3, 2), (1, 4, 8, 8), None),
    ],
)
def test_convolutions_have_the_geometry_that_torch_computes(
    layer: torch.nn.Module, shape: tuple[int, ...], output: tuple[int, int] | None
) -> None:
    inputs = torch.zeros(shape)
    (op,) = from_torch(layer, (inputs,)).operations
    if output is None:
        assert op.geometry is None
    else:
        assert op.geometry is not None
        assert op.geometry.output == output == (1, *layer(inputs).shape[2:])[-2:]


def test_an_operation_that_is_not_known_is_named() -> None:
    class Spectrum(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x).abs()

    assert "fft_fft (1)" in from_torch(Spectrum(), (torch.zeros(2, 8),)).note


def test_an_imported_graph_survives_its_own_dump() -> None:
    graph = from_torch(*modules("resnet-18"))
    assert validate(type(graph), graph.model_dump()) == graph
    assert network(graph.model_dump()) == graph


def test_a_module_that_cannot_be_traced_is_a_clear_error() -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(SlipstickError, match="cannot trace"):
        from_torch(Branching(), (torch.zeros(2),))
    with pytest.raises(SlipstickError, match=r"not a torch\.nn\.Module"):
        from_torch(lambda x: x, (torch.zeros(2),))


def small_model(*nodes: Any, batch: int | str = 1, **more: Any) -> Any:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    w = helper.make_tensor("w", TensorProto.FLOAT, [4, 8], [0.0] * 32)
    return helper.make_model(helper.make_graph(list(nodes), "g", [x], [y], [w]), **more)


def written(tmp_path: Path, model: Any) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


PRODUCT = helper.make_node("MatMul", ["x", "w"], ["y"])


def test_open_dimensions_take_sizes(tmp_path: Path) -> None:
    path = written(tmp_path, small_model(PRODUCT, batch="N"))
    one, five = from_onnx(path), from_onnx(path, dims={"N": 5})
    assert (one.batch, five.batch) == (1, 5)
    assert [graph.ops(Phase.INFER, 10, 1, 1)[0].flops for graph in (one, five)] == [2 * 10 * 4 * 8] * 2
    with pytest.raises(SlipstickError, match="no such open dimension; got 'M'; allowed: N"):
        from_onnx(path, dims={"M": 5, "N": 1})
    with pytest.raises(SlipstickError, match="not a size"):
        from_onnx(path, dims={"N": 0})


def test_files_that_are_not_whole_are_one_clear_error(tmp_path: Path) -> None:
    whole = small_model(PRODUCT).SerializeToString()
    path = tmp_path / "m.onnx"
    for raw in (b"", b"not a model", whole[:-7], whole[:20], b"\xff" * 100, b"PK\x03\x04" + b"\0" * 50):
        path.write_bytes(raw)
        with pytest.raises(SlipstickError, match=r"m\.onnx"):
            from_onnx(path)
    with pytest.raises(SlipstickError, match="no such file"):
        from_onnx(tmp_path / "none.onnx")


def test_every_truncation_of_a_file_is_an_error_or_a_graph(tmp_path: Path) -> None:
    whole, path = small_model(PRODUCT).SerializeToString(), tmp_path / "m.onnx"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            graph = from_onnx(path)
        except SlipstickError:
            continue
        assert isinstance(graph, OperatorGraph)


def test_hostile_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = helper.make_graph([PRODUCT], "b", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)
    with pytest.raises(SlipstickError, match="control flow"):
        from_onnx(written(tmp_path, small_model(branch)))
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    inner = helper.make_function("mine", "f", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opset[:1])
    model = small_model(helper.make_node("f", ["x"], ["y"], domain="mine"), functions=[inner], opset_imports=opset)
    with pytest.raises(SlipstickError, match="local functions"):
        from_onnx(written(tmp_path, model))
    negative = small_model(PRODUCT)
    negative.graph.initializer[0].dims[0] = -4
    with pytest.raises(SlipstickError, match="negative"):
        from_onnx(written(tmp_path, negative))
    strange = small_model(helper.make_node("Mystery", ["x"], ["y"], domain="mine"), opset_imports=opset)
    with pytest.raises(SlipstickError, match="cannot be inferred"):
        from_onnx(written(tmp_path, strange))
    misfit = small_model(helper.make_node("MatMul", ["w", "x"], ["y"]))
    with pytest.raises(SlipstickError, match=r"m\.onnx"):
        from_onnx(written(tmp_path, misfit))
    circle = small_model(helper.make_node("Add", ["y", "x"], ["z"]), helper.make_node("Relu", ["z"], ["y"]))
    with pytest.raises(SlipstickError, match=r"m\.onnx"):
        from_onnx(written(tmp_path, circle))
    monkeypatch.setattr("slipstick.networks.importers.onnx_graph.MAX_ONNX_BYTES", 10)
    with pytest.raises(SlipstickError, match="at most 10 bytes"):
        from_onnx(written(tmp_path, small_model(PRODUCT)))


def test_external_data_stay_closed(tmp_path: Path) -> None:
    model = small_model(PRODUCT)
    weight = model.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    graph = from_onnx(written(tmp_path, model))
    assert graph.parameters == 32


def test_saved_programs_are_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(b"whatever")
    with pytest.raises(SlipstickError, match="may run code"):
        network(tmp_path / "net.pt2")


@pytest.mark.parametrize(("package", "extra"), [("torch", "torch"), ("onnx", "import")])
def test_without_the_extra_there_is_one_instruction(package: str, extra: str) -> None:
    door = {"torch": "from_torch(None, ())", "onnx": "from_onnx('net.onnx')"}[package]
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"from slipstick.networks import *\nfrom slipstick.core.errors import SlipstickError\n"
        f"try:\n    {door}\nexcept SlipstickError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f'{package}: not installed; run: pip install "slipstick[{extra}]"\n'


def test_the_catalogue_needs_no_torch() -> None:
    code = (
        "import sys\nfrom slipstick.networks import network\nfrom slipstick.core.workload import Phase\n"
        "assert len(network('inception-v3').ops(Phase.INFER, 1, 1, 1)) == 124\n"
        "print([name for name in ('torch', 'onnx', 'scipy', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_damage_inside_a_file_is_an_error_or_a_graph(tmp_path: Path) -> None:
    """Operators, inputs, sizes and attributes changed at random, as a broken exporter or an attacker might."""
    kinds = [
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "LSTM",
        "Einsum",
        "Attention",
        "Gather",
        "QLinearConv",
        "Concat",
    ]
    first = helper.make_node("Conv", ["x", "w"], ["h"], name="first", group=1)
    nodes = [first, helper.make_node("Relu", ["h"], ["r"]), helper.make_node("Add", ["r", "h"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3, 3, 3])
    graph = helper.make_graph(nodes, "g", [x], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [weight])
    whole, found = helper.make_model(graph), Counter[str]()
    chance = random.Random(5)  # noqa: S311  the same damage every time
    for _ in range(400):
        model = type(whole).FromString(whole.SerializeToString())
        node = chance.choice(model.graph.node)
        damage = chance.randrange(5)
        if damage == 0:
            node.op_type = chance.choice(kinds)
        elif damage == 1:
            del node.input[chance.randrange(len(node.input))]
        elif damage == 2:
            model.graph.initializer[0].dims[chance.randrange(4)] = chance.choice([0, 1, 7, 2**31, 2**62])
        elif damage == 3:
            node.input[chance.randrange(len(node.input))] = chance.choice(["", "y", "w", "nowhere"])
        else:
            node.attribute.append(helper.make_attribute("group", chance.choice([0, -1, 3, 2**40, "x", 1.5])))
        try:
            ops = from_onnx(written(tmp_path, model)).ops(Phase.INFER, 2, 1, 1)
            found["graph"] += all(op.flops >= 0 for op in ops)
        except SlipstickError:
            found["error"] += 1
    assert sum(found.values()) == 400
    assert min(found["graph"], found["error"]) > 20


@pytest.mark.parametrize("name", ["resnet-18", "inception-v3"])
def test_torch_modules_compute(name: str) -> None:
    net = network(name)
    module = build(net).eval()
    small = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = module(small)
    assert logits.shape == (1, 1000)
    assert torch.isfinite(logits).all()
