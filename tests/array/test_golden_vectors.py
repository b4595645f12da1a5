"""Golden vectors: the emitted reference computes them again, alone, and notices every value that is changed."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from commands import Result
from slipstick.array.golden import analog_reference, stochastic_reference, table_reference
from slipstick.array.golden.golden_layer import GoldenLayer, signed_array
from slipstick.array.golden.layer_vectors import golden_layer
from slipstick.array.golden.reference_check import check
from slipstick.array.golden.vector_files import vector_files
from slipstick.core.errors import SlipstickError
from slipstick.core.window import WholeNumbers, Window
from slipstick.formats import format_of
from slipstick.formats.multipliers.multiplier import Multiplier

Cli = Callable[..., Result]
FULL = 128
WINDOWS = (
    Window(), Window((2, 1), ((1, 0), (2, 1))), Window((1, 2), ((2, 2), (0, 1)), (2, 1)), Window(groups=2),
    Window((2, 2), ((1, 1), (1, 1)), groups=4),
)  # fmt: skip
TEXTS = {
    "stochastic": [
        "length=8", "length=16,count=or2,generator=xor", "length=32,generator=acc", "length=64,generator=sobol",
        "length=16,generator=random,seeds=separate", "length=8,generator=accurate,count=or3", "length=256,count=or7",
        "length=32,count=binary,seeds=separate", "length=16,count=mux", "length=16,binary=xyz,depth=2",
        "length=128,binary=y,unit=2,wait=2", "length=32,unit=3,wait=5,generator=xor",
    ],
    "analog": [
        "rows=4,adc_bits=6", "rows=7,adc_bits=3,adc_range=0.2", "rows=5,adc_bits=4,columns=separate,adc_range=0.4",
        "rows=9,adc_bits=8,slices=2,dac_bits=5", "rows=3,adc_bits=5,columns=separate,slices=3,dac_bits=4",
        "rows=128,adc_bits=12", "rows=4,adc_bits=1,columns=separate,slices=7,adc_range=0.2",
    ],
    "approximate": ["mul7u_09Y", "mul8s_1KVL", "mul8u_FTA", "mul8u_FTA:operands=unsigned", "odd"],
}  # fmt: skip


def layers_of(family: str, *, trace: int = 5, folder: Path | None = None) -> list[GoldenLayer]:
    """Return random layers of every format of a family, with windows of every kind in turn."""
    draw = np.random.default_rng(7)
    layers = []
    for number, text in enumerate(TEXTS[family] * 2):
        if text == "odd":  # products of zero are not zero, and signs matter
            assert folder is not None
            Multiplier("odd", draw.integers(-(2**14), 2**14, (256, 256)), "signed").write(folder / "odd.npy")
            text = str(folder / "odd.npy")
        form = format_of(f"int8@{text if family == 'approximate' else f'{family}:{text}'}")
        window = WINDOWS[(number * 2 + number // len(TEXTS[family])) % len(WINDOWS)]
        low = 0 if number % 3 == 2 else -FULL  # columns without sign take one pass of inputs without sign
        x = WholeNumbers(draw.integers(low, FULL, (2, 4, 5, 6)), FULL)
        w = WholeNumbers(draw.integers(-FULL, FULL, (4, 4 // window.groups, 3, 2)), FULL)
        w.elements[0, 0, 0, 0] = -FULL
        layers.append(golden_layer(f"{number} {text}", form, (x, w, window), trace))
    return layers


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def reference(folder: Path) -> tuple[int, str]:
    """Run a folder's reference in an interpreter that is told nothing of slipstick, from elsewhere."""
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "reference.py")], cwd="/", capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("family", list(TEXTS))
def test_the_reference_computes_every_layer_again(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = layers_of(family, folder=tmp_path)
    folder = write(tmp_path / "out", vector_files(layers, family, "random layers"))
    code, text = reference(folder)
    assert code == 0, [line for line in text.splitlines() if not re.search(r": (\d+) of \1 agree", line)]
    modules = {"stochastic": stochastic_reference, "analog": analog_reference, "approximate": table_reference}
    capsys.readouterr()
    assert check(folder, modules[family].expected) == 0
    assert capsys.readouterr().out == text, "the emitted file is what its modules say"
    lines = text.splitlines()
    assert lines[-1] == "all agree"
    computed = [line for line in lines if " sums computed: " in line]
    assert len(computed) == len(layers)
    for line, layer in zip(computed, layers, strict=True):
        size = layer.arrays["sums"].values.size
        assert line.endswith(f"computed: {size} of {size} agree")
        assert np.abs(layer.arrays["sums"].values).max() > 0


@pytest.mark.parametrize("family", list(TEXTS))
def test_a_layer_without_traced_outputs(family: str, tmp_path: Path) -> None:
    layers = layers_of(family, trace=0, folder=tmp_path)[:3]
    code, text = reference(write(tmp_path / "out", vector_files(layers, family, "plain")))
    assert (code, text.splitlines()[-1]) == (0, "all agree")


def test_a_changed_value_is_found_wherever_it_stands(tmp_path: Path) -> None:
    layers = layers_of("approximate", folder=tmp_path)[1:2]
    files = vector_files(layers, "approximate", "one layer")
    folder = write(tmp_path / "out", files)
    assert reference(folder)[0] == 0

    def changed(name: str, content: bytes, expected: str) -> None:
        (folder / name).write_bytes(content)
        code, text = reference(folder)
        assert (code, text.splitlines()[-1]) == (1, expected)
        (folder / name).write_bytes(files[name])

    lines = files["layer00/sums.hex"].decode().splitlines()
    lines[3] = f"{int(lines[3], 16) ^ 1:08x}"
    changed("layer00/sums.hex", "\n".join([*lines, ""]).encode(), "1 values differ")
    rows = files["layer00/weights.csv"].decode().splitlines()
    place, _, value = rows[5].rpartition(",")
    rows[5] = f"{place},{int(value) + 1}"
    changed("layer00/weights.csv", "\n".join([*rows, ""]).encode(), "1 values differ")
    changed("layer00/sums.hex", "\n".join([*lines[:-1], ""]).encode(), f"{len(lines) - 1} values differ")
    arrays = dict(np.load(folder / "layer00" / "vectors.npz"))
    arrays["sums"][0, 0, 0, 0] += 1
    np.savez(tmp_path / "sums.npz", **arrays)
    changed("layer00/vectors.npz", (tmp_path / "sums.npz").read_bytes(), "3 values differ")  # CSV, hex, computed
    arrays["sums"][0, 0, 0, 0] -= 1
    arrays["weights"][0, 0, 1, 1] += 1
    np.savez(tmp_path / "weights.npz", **arrays)
    (folder / "layer00" / "vectors.npz").write_bytes((tmp_path / "weights.npz").read_bytes())
    assert "sums computed" in [line for line in reference(folder)[1].splitlines() if "sums" in line][2]
    assert int(reference(folder)[1].splitlines()[-1].split()[0]) > 2


def test_the_reference_needs_numpy_alone_and_is_short(tmp_path: Path) -> None:
    for family in TEXTS:
        text = vector_files(layers_of(family, folder=tmp_path)[:1], family, "one")["reference.py"].decode()
        imports = {
            name.name if isinstance(node, ast.Import) else str(node.module)
            for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }  # fmt: skip
        assert imports == {"__future__", "json", "pathlib", "sys", "collections.abc", "typing", "numpy"}
        assert len(text.splitlines()) < 220
        assert max(map(len, text.splitlines())) <= 120


def test_words_are_twos_complement_as_wide_as_they_need() -> None:
    array = signed_array(np.array([-1, 127, -128, 0, 5]), ("place",), 8)
    form = format_of("int8@stochastic:length=8")
    x, w = (WholeNumbers(np.array(values).reshape(1, 1, 1, -1), FULL) for values in ([-1, 127, -127], [1, 2, 3]))
    files = vector_files([golden_layer("x", form, (x, w, Window()), 1)], "stochastic", "x")
    assert array.bits == 8
    assert files["layer00/inputs.hex"].decode().splitlines()[1:] == ["ff", "7f", "81"]
    assert files["layer00/inputs.csv"].decode().splitlines() == [
        "image,channel,row,column,value", "0,0,0,0,-1", "0,0,0,1,127", "0,0,0,2,-127"
    ]  # fmt: skip
    assert signed_array(np.array([128]), ("place",), 8).bits == 9
    assert signed_array(np.array([-129]), ("place",), 8).bits == 9
    streams = files["layer00/input_streams.hex"].decode().splitlines()[1:]  # 127 of 128 is level 7: 7 ones of 8 cycles
    assert int(streams[1], 16).bit_count() >= 6
    assert [line.rpartition(",")[2] for line in files["layer00/input_streams.csv"].decode().splitlines()[1:]] == [
        f"{int(word, 16):08b}"[::-1] for word in streams
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int8@analog:rows=4,read_noise=0.01", "read_noise: golden vectors are whole numbers, the same each time"),
        ("int8@analog:rows=4,companding=5", "analog.companding"), ("int8@analog:rows=4,drift=0.1", "analog.drift"),
        ("int8@analog:rows=4,adc_bits=18", "up to 16 bits"), ("int8@exact", "no reference of this arithmetic"),
    ],
)  # fmt: skip
def test_what_has_no_golden_vectors_is_refused(text: str, words: str) -> None:
    x, w = (WholeNumbers(np.ones(shape, np.int64), FULL) for shape in ((1, 1, 3, 3), (1, 1, 3, 3)))
    with pytest.raises(SlipstickError, match=words):
        golden_layer("x", format_of(text), (x, w, Window()), 1)


def test_a_folder_is_bounded() -> None:
    x, w = (WholeNumbers(np.ones(shape, np.int64), FULL) for shape in ((1, 1024, 1, 1), (1024, 1024, 1, 1)))
    layer = golden_layer("x", format_of("int8@mul8s_1L2H"), (x, w, Window()), 1)
    with pytest.raises(SlipstickError, match=r"too many values.*fewer --layers, --images or --trace"):
        vector_files([layer], "approximate", "wide")


def test_a_multiplier_of_several_layers_is_written_once(tmp_path: Path) -> None:
    x, w = (WholeNumbers(np.ones(shape, np.int64), FULL) for shape in ((1, 1, 3, 3), (1, 1, 3, 3)))
    layers = [golden_layer("x", format_of("int8@mul8s_1L2H"), (x, w, Window()), 1)] * 3
    files = vector_files(layers, "approximate", "same")
    assert [name for name in files if name.endswith("/products.hex")] == ["layer00/products.hex"]
    assert reference(write(tmp_path, files))[0] == 0


def test_names_of_layers_reach_no_file_name_and_no_markup(tmp_path: Path) -> None:
    hostile = "../../etc/pass|wd\n`rm -rf`<b>\x1b[31m\u202e"
    x, w = (WholeNumbers(np.ones(shape, np.int64), FULL) for shape in ((1, 1, 3, 3), (1, 1, 3, 3)))
    files = vector_files(
        [golden_layer(hostile, format_of("int8@mul8s_1L2H"), (x, w, Window()), 1)], "approximate", hostile
    )
    assert {name for name in files if not re.fullmatch(r"layer00/[a-z_]+\.(npz|hex|csv)", name)} == {
        "README.md", "layers.json", "reference.py"
    }  # fmt: skip
    for name, content in files.items():
        if not name.endswith(".npz"):
            text = content.decode("ascii")
            assert "\x1b" not in text
            assert "rm -rf`<" not in text.replace("`", "'") or name == "layers.json"
    assert "pass?wd??rm -rf??b??" in files["README.md"].decode()
    assert json.loads(files["layers.json"])["layers"][0]["name"] == hostile
    assert reference(write(tmp_path, files))[0] == 0
