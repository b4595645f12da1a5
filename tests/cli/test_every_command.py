"""Every command: help names each option, `--json` is only JSON, bad input is one message and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from command_parameters import command, parameters
from commands import ROOT, Result
from own_rows import rows, write
from slipstick.cli import _COMMANDS, run
from slipstick.core.catalogue import resolve_system

Cli = Callable[..., Result]

# what each command is asked; NET is a small trained network, ROWS a file of measured rows, SERIES one of rates, REPORT
# one of a report
ASKS: dict[str, tuple[object, ...]] = {
    "estimate": ("resnet-18", "swis-8x8"),
    "compare": ("resnet-18", "swis-8x8", "stripes-8x8"),
    "simulate": ("resnet-8", "swis-8x8"),
    "place": ("resnet-8", "dgx1-v100:2", "--time-limit", 1),
    "hybrid": ("inception-v3", "dgx1-v100:2..8", "--critical-batch", 64, "--step-speedups", "2=1.3", "--widths", 2),
    "epochs": ("mlp", "--batches", "64,128", "--rates", 0.1, "--seeds", 1, "--target", 0.5),
    "adapt": ("NET", "--data", "digits", "--formats", "int4", "--images", 20),
    "measure": ("NET", "--data", "digits", "--images", 20),
    "track": ("SERIES",),
    "emit": (ROOT / "examples" / "data" / "small.tflite", "--board", "nucleo-f446"),
    "mask": ("1 0 -1; 2 0 -2; 1 0 -1",),
    "correlate": (64, 5),
    "ops": ("resnet-18",),
    "train": ("mlp", "--epochs", 1),
    "search": ("resnet-18", "swis-8x8", "--plan", "formats=int8|int4", "--minimize", "step"),
    "list": ("systems",),
    "show": ("swis-8x8",),
    "validate": ("ROWS",),
    "calibrate": ("ROWS",),
    "cite": ("REPORT",),
}
# the same with one thing wrong, and what the message names
BAD: dict[str, tuple[tuple[object, ...], str]] = {
    "estimate": (("resnet-18", "swis-8x9"), "did you mean 'swis-8x8'"),
    "compare": (("resnet-18",), "nothing to compare"),
    "simulate": (("resnet-50", "h100"), "system.topology"),
    "place": (("resnet-8", "swis-8x8"), "which `place` does not answer for"),
    "hybrid": (("inception-v3", "dgx1-v100"), "has no counts"),
    "epochs": (("mpl",), "did you mean 'mlp'"),
    "adapt": (("NET", "--data", "digits", "--formats", "int44"), "bits"),
    "measure": (("NET", "--data", "digit"), "did you mean 'digits'"),
    "track": (("series.cvs",), "no such file"),
    "emit": (("examples/data/small.tflite", "--board", "nucleo-f447"), "did you mean 'nucleo-f4"),
    "mask": (("1 2; 3",), "rows of 1, 2 taps"),
    "correlate": ((64, 65), "exchange the two"),
    "ops": (("resnet-19",), "did you mean 'resnet-18'"),
    "train": (("mpl",), "did you mean 'mlp'"),
    "search": (("resnet-18", "swis-8x8", "--minimize", "speed"), "no such figure"),
    "list": (("sistems",), "did you mean 'systems'"),
    "show": (("swis-8x9",), "did you mean 'swis-8x8'"),
    "validate": (("lmm",), "did you mean 'llm'"),
    "calibrate": (("nothing.csv",), "no such file"),
    "cite": (("nothing.json",), "no such file"),
}
RENAMED = {("adapt", "epochs"): "retrain"}  # of another name on the command line: the field of an option object
TRAINING = ("adapt", "epochs", "measure", "train")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files that commands read."""
    folder = tmp_path_factory.mktemp("asked")
    report = folder / "report.json"
    from slipstick import estimate

    series = folder / "series.csv"
    series.write_text("time,estimate\n0,70\n1,71\n2,70\n")
    report.write_text(estimate("resnet-18", "swis-8x8").json())
    return {
        "NET": folder / "net.safetensors",
        "ROWS": write(folder / "rows.csv", rows(resolve_system("h100-sxm-80gb"))),
        "REPORT": report,
        "SERIES": series,
    }


@pytest.fixture
def asked(files: dict[str, Path]) -> Callable[[tuple[object, ...]], list[object]]:
    """Put the files in the place of their names; the network is trained when it is first asked for."""

    def tokens(words: tuple[object, ...]) -> list[object]:
        if "NET" in words and not files["NET"].exists():
            assert run(["train", "mlp", "--epochs", "1", "--out", str(files["NET"])]) == 0
        return [files.get(str(word), word) for word in words]

    return tokens


def test_every_command_is_asked_here() -> None:
    assert ASKS.keys() == BAD.keys() == _COMMANDS.keys()


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_names_the_command_and_all_of_its_options(cli: Cli, name: str) -> None:
    printed = cli(name, "--help")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.startswith(f"Usage: slipstick {name}")
    for parameter in (RENAMED.get((name, parameter), parameter) for parameter in parameters(command(name))):
        assert f"--{parameter.replace('_', '-')}" in printed.out or parameter.upper() in printed.out, parameter


def test_the_option_of_generated_tokens_is_a_number(cli: Cli) -> None:
    """No parameter of a command takes the name of one of its verb's options: `--output` is a length of decoding."""
    words = ("estimate", "llama-3.1-8b", "h100:8", "--phase", "decode", "--output", 64, "--json")
    printed = cli(*words)
    assert printed.code == 0, printed.err
    assert json.loads(printed.out)["inputs"]["workload"]["output"] == 64


@pytest.mark.parametrize("name", [name for name in _COMMANDS if name != "cite"])
def test_json_is_json_and_nothing_else(
    cli: Cli, asked: Callable[[tuple[object, ...]], list[object]], name: str
) -> None:
    needs_torch(name)
    tokens = asked(ASKS[name])
    cli("list")  # clears what training the network printed
    printed = cli(name, *tokens, "--json")
    assert printed.code == 0, printed.err
    assert json.loads(printed.out)


@pytest.mark.parametrize("name", _COMMANDS)
def test_text_is_text(cli: Cli, asked: Callable[[tuple[object, ...]], list[object]], name: str) -> None:
    if name in TRAINING:
        pytest.skip("asked with --json, which trains as long")
    printed = cli(name, *asked(ASKS[name]))
    assert printed.code == 0, printed.err
    assert "Traceback" not in printed.err
    assert len(printed.out.splitlines()) > 3
    assert "\x1b" not in printed.out


@pytest.mark.parametrize("name", _COMMANDS)
def test_bad_input_is_one_message(cli: Cli, asked: Callable[[tuple[object, ...]], list[object]], name: str) -> None:
    needs_torch(name)
    words, said = BAD[name]
    tokens = asked(words)
    cli("list")
    printed = cli(name, *tokens)
    assert (printed.code, printed.out) == (2, "")
    assert said in printed.err
    assert printed.err.startswith("slipstick: ")
    assert printed.err.count("slipstick: ") == 1
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("name", _COMMANDS)
def test_an_unknown_option_is_one_message(cli: Cli, name: str) -> None:
    printed = cli(name, "--no-such-option", 1)
    assert (printed.code, printed.out) == (2, "")
    assert "--no-such-option" in printed.err or "no-such-option" in printed.err or "required" in printed.err.casefold()
    assert "Traceback" not in printed.err


def needs_torch(name: str) -> None:
    if name in TRAINING:
        pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
        pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: data)")


def test_examples_of_the_readme_are_commands() -> None:
    words = [line.split()[2] for line in (ROOT / "README.md").read_text("utf-8").splitlines() if "$ slipstick " in line]
    assert set(words) <= _COMMANDS.keys() | {"--help", "--version"}
    assert words
