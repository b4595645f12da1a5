"""Bad input: one clear error, exit code 2, nothing on standard output, no traceback (issue 2, part 8)."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import ROOT, Result

Cli = Callable[..., Result]
CONFIG = ROOT / "examples" / "configs" / "Qwen--Qwen3-8B" / "config.json"
SYSTEM = "h100-sxm-80gb:64"
HYBRID = ("hybrid", "inception-v3", "dgx1-v100:2..8", "--critical-batch", "500", "--widths", "2", "--time-limit", "1")
SEARCH = ("search", "gpt3-175b", "a100-sxm-80gb:64", "--plan")
ADAPT = ("adapt", "net.safetensors", "--data", "digits", "--formats", "swis:3")


def refused(found: Result, *words: str) -> None:
    """Assert that the command said one thing, and that it says what is wrong."""
    assert found.code == 2, found
    assert found.out == ""
    assert found.err.startswith("slipstick: ")
    assert "Traceback" not in found.err
    for word in words:
        assert word in found.err, found.err


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("tp=5", ("tp",)),
        ("tp=64", ("plan.parallel.tp", "heads", "64")),
        ("tp=1,pp=64", ("plan.parallel.pp", "layers", "36")),
        ("tp=8,pp=4,dp=4", ("number of devices", "128", "64")),
        ("tp=8,dp=3", ("number of devices", "24")),
        ("tp=0", ("tp", "from 1")),
        ("tp=eight", ("tp", "eight")),
        ("pt=8", ("pt", "did you mean")),
        ("tp", ("key=value",)),
        ("tp=8,tp=4", ("twice",)),
        ("recompute=all", ("recompute", "selective")),
        ("tp=8,matmul=fp9", ("fp9",)),
        ("tp=8,tp_tier=carrier-pigeon", ("carrier-pigeon",)),
    ],
)
def test_impossible_plans(cli: Cli, plan: str, words: tuple[str, ...]) -> None:
    refused(cli("estimate", CONFIG, SYSTEM, "--plan", plan), *words)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("estimate", "gpt3-175", SYSTEM), ("did you mean 'gpt3-175b'",)),
        (("estimate", CONFIG, "h100-smx"), ("did you mean", "h100")),
        (("estimate", CONFIG, "h100-sxm-80gb:0"), ("count",)),
        (("estimate", CONFIG, "h100-sxm-80gb:many"), ("count",)),
        (("estimate", CONFIG, "a100-sxm-80gb@33nm:8"), ("no such technology", "did you mean '3nm'")),
        (("estimate", CONFIG, "a100-sxm-80gb@3nm:0"), ("count",)),
        (("estimate", "no/such/config.json", SYSTEM), ("no such file",)),
        (("estimate", CONFIG, "no/such.yaml"), ("no such file",)),
        (("estimate", CONFIG, SYSTEM, "--set", "system.memory.hbm.bandwith=8 TB/s"), ("did you mean 'bandwidth'",)),
        (("estimate", CONFIG, SYSTEM, "--set", "system.memory.hbm.bandwidth=8 TB"), ("bandwidth", "8 TB")),
        (("estimate", CONFIG, SYSTEM, "--set", "system.memory.hbm.bandwidth=8 furlong/s"), ("unknown unit",)),
        (("estimate", CONFIG, SYSTEM, "--set", "system.memory.hbm.bandwidth=-1"), ("bandwidth",)),
        (("estimate", CONFIG, SYSTEM, "--set", "system.memory.hbm.bandwidth=.nan"), ("bandwidth",)),
        (
            ("estimate", CONFIG, SYSTEM, "--set", "memory.hbm.bandwidth=8 TB/s"),
            ("did you mean system.memory.hbm.bandwidth?",),
        ),
        (
            ("estimate", CONFIG, SYSTEM, "--set", "tp=8"),
            ("did you mean plan.tp?", "allowed: plan., system., workload."),
        ),
        (("estimate", CONFIG, SYSTEM, "--set", "batch=8"), ("did you mean workload.batch?",)),
        (("estimate", CONFIG, SYSTEM, "--set", "name=x"), ("did you mean system.name?",)),
        (("estimate", CONFIG, SYSTEM, "--set", "wat=8"), ("not the path of a field; got 'wat'",)),
        (("estimate", CONFIG, SYSTEM, "--set", "system"), ("path=value",)),
        (("estimate", CONFIG, SYSTEM, "--set", "system.power={a: &x 1, b: *x}"), ("alias",)),
        (("estimate", CONFIG, SYSTEM, "--batch", "0"), ("batch",)),
        (("estimate", CONFIG, SYSTEM, "--sequence", "-4"), ("sequence",)),
        (("estimate", CONFIG, SYSTEM, "--calibration", "no.yaml"), ("no such file",)),
        (("show", "h100-smx"), ("did you mean",)),
        (("list", "sistems"), ("systems",)),
        (("validate", "lmm"), ("did you mean 'llm'",)),
        (("validate", "no/such.csv"), ("no such file",)),
        (("calibrate", "no/such.csv"), ("no such file",)),
        (("compare", CONFIG, SYSTEM), ("at least two",)),
        (("compare", CONFIG), ("nothing to compare",)),
        (("cite", CONFIG), ("config.json", "report")),
        (("estimate", CONFIG, SYSTEM, "--batch", "9" * 25), ("workload.batch", "up to")),
        (("estimate", CONFIG, SYSTEM, "--sequence", "9" * 25), ("workload.sequence", "up to")),
        (("estimate", CONFIG, SYSTEM, "--plan", f"tp=8,microbatch={'9' * 25}"), ("parallel.microbatch", "up to")),
        (("estimate", CONFIG, SYSTEM, "--set", "system.power=1 W"), ("idle_power (75 W)", "power (1 W)")),
        (("estimate", "gpt3-175b", SYSTEM, "--plan", "tp=8", "--training-tokens", "1e308"), ("finite", "absurdly")),
        (("estimate", CONFIG, "h100:8", "--plan", "tp=8", "--html", ""), ("folder",)),
        (("simulate", "transformer-17b", "wafer-mesh", "--efficiency", "nan"), ("efficiency", "above 0")),
        (("simulate", "transformer-17b", "wafer-mesh", "--efficiency", "-1"), ("efficiency", "above 0")),
        (("hybrid", "inception-v3", "dgx1-v100:2..8..1"), ("not a range", "2..8..1")),
        (("hybrid", "inception-v3", "dgx1-v100:2..99999999"), ("below 10000000",)),
        ((*HYBRID, "--least-epochs", "-3"), ("least_epochs", "above 0")),
        ((*HYBRID, "--samples", "-5"), ("samples", "above 0")),
        ((*HYBRID, "--step-speedups", "2=1.3,2=1.4"), ("step_speedups", "twice")),
        ((*HYBRID, "--plot", "/dev/null/no.svg"), ("/dev/null/no.svg",)),
        ((*SEARCH, "tp=1..8..2"), ("not a range", "1..8..2")),
        ((*SEARCH, f"tp=8,microbatch=1..{'9' * 20}"), ("microbatch", "at most")),
        ((*SEARCH, "tp=3,pp=5"), ("divides", "slipstick estimate")),
        ((*SEARCH, "tp=8", "--workers", "0"), ("workers", "from 1")),
        ((*SEARCH, "tp=1..8", "--budget", "2", "--trials", "3", "--seed", "-1"), ("seed",)),
        ((*SEARCH, "tp=8", "--out", "/dev/null/no.parquet"), ("/dev/null/no.parquet",)),
        (("train", "mlp", "--seed", "9" * 25), ("seed", "up to")),
        (("train", "mlp", "--threads", "-5"), ("threads", "1 to")),
        (("train", "mlp", "--out", "/dev/null/no.safetensors"), ("/dev/null/no.safetensors",)),
        (("epochs", "mlp", "--batches", "16..32..64"), ("not a range",)),
        (("epochs", "mlp", "--batches", "64", "--rates", "nan"), ("rates", "above 0")),
        ((*ADAPT, "--retrain", "-1"), ("retraining", "epochs")),
        ((*ADAPT, "--retrain", "1", "--rate", "nan"), ("retraining", "rate")),
        ((*ADAPT, "--retrain", "1", "--seed", "-1"), ("retraining", "seed")),
        ((*ADAPT, "--columns", "9" * 25), ("columns", "1 to")),
        ((*ADAPT, "--packed", "/dev/null/no.safetensors"), ("/dev/null/no.safetensors",)),
    ],
)
def test_unknown_names_and_wrong_values(cli: Cli, tokens: tuple[object, ...], words: tuple[str, ...]) -> None:
    refused(cli(*tokens), *words)


@pytest.mark.parametrize(
    ("tokens", "lines"),
    [
        (("estimate",), ("WORKLOAD is missing", "slipstick estimate --help says what there is")),
        (("emit", "small.tflite"), ("--board is missing", "slipstick emit --help says what there is")),
        (("show", "--wat"), ("Unknown option: --wat", "slipstick show --help says what there is")),
        (("estimat",), ('Unknown command "estimat"', "slipstick --help says what there is")),
    ],
)
def test_wrong_arguments_name_the_command_whose_help_says_more(
    cli: Cli, tokens: tuple[str, ...], lines: tuple[str, str]
) -> None:
    error = cli(*tokens)
    refused(error)
    first, last = error.err.removeprefix("slipstick: ").strip().split("\n")
    assert first.startswith(lines[0])
    assert last == lines[1]


def test_several_errors_come_at_once(cli: Cli) -> None:
    found = cli("estimate", CONFIG, SYSTEM, "--plan", "tp=64,pp=64,dp=1")
    refused(found, "plan.parallel.tp", "plan.parallel.pp", "devices")


def test_validate_without_data_replays_what_ships_and_says_what_is_missing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SLIPSTICK_DATA", raising=False)
    shipped = cli("validate", "nccl", "--rows", "0")
    assert shipped.code == 0
    assert shipped.out.startswith("nccl: 9 of 9 rows answered")
    refused(cli("validate", "nanotron"), "SLIPSTICK_DATA", "--data")
    refused(cli("validate", "--data", tmp_path), "reference/*.csv")


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"
BAD_SYSTEMS = {
    "bomb": (BOMB, "alias"),
    "duplicate": ("name: x\nname: y\n", "twice"),
    "tag": ("name: !!python/object/apply:os.system [ls]\n", "tag"),
    "list": ("- 1\n- 2\n", "mapping"),
    "empty": ("", "mapping"),
    "cut": ("name: x\ncompute: {cores: 1, clock: [", "not YAML"),
    "deep": ("[" * 500 + "]" * 500, "deep"),
    "unknown base": ("base: h100-smx\n", "did you mean"),
    "circle": ("base: ./circle.yaml\n", "circle"),
    "unknown field": ("base: h100-sxm-80gb\npowr: 700 W\n", "did you mean 'power'"),
}


@pytest.mark.parametrize("name", BAD_SYSTEMS)
def test_bad_system_files(cli: Cli, tmp_path: Path, name: str) -> None:
    text, word = BAD_SYSTEMS[name]
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    refused(cli("estimate", CONFIG, path), word)


BAD_BASES = {
    "unknown": ("base: h100-smx\n", "no such system; got 'h100-smx'; did you mean 'h100-sxm'"),
    "no text": ("base: 3\n", "not a name; got 3; allowed: the name of another file"),
    "circle": ("base: ./inner.yaml\n", "a circle of bases"),
}


@pytest.mark.parametrize("name", BAD_BASES)
def test_a_wrong_base_names_the_file_that_says_it(cli: Cli, tmp_path: Path, name: str) -> None:
    text, words = BAD_BASES[name]
    inner, outer = tmp_path / "inner.yaml", tmp_path / "outer.yaml"
    inner.write_text(text)
    outer.write_text("base: ./inner.yaml\nname: outer\n")
    refused(cli("show", outer), f"{inner}: base: {words}")


def test_missing_fields_name_their_choices(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text("name: toy\ndevice: {kind: array, clock: 1 GHz}\nmemory: {}\nnetwork: {a: {bandwidth: 1 GB/s}}\n")
    refused(
        cli("show", path),
        "device.rows: is missing\n",
        "device.element: is missing; allowed: bit-fusion, double-shift, parallel, serial, single-shift",
        "network.a.technology: is missing; allowed: a name that slipstick list collectives prints",
    )


BAD_CONFIGS = {
    "cut": ('{"model_type": "llama", "hidden_size": 40', "not JSON"),
    "duplicate": ('{"model_type": "llama", "model_type": "gpt2"}', "twice"),
    "nan": ('{"model_type": "llama", "hidden_size": NaN}', "NaN"),
    "list": ("[1, 2]", "not a JSON object"),
    "empty": ("", "not JSON"),
    "unknown": ('{"model_type": "abacus"}', "abacus"),
    "deep": ('{"a":' * 500 + "1" + "}" * 500, "deep"),
    "missing": ('{"model_type": "llama"}', "hidden_size"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_config_files(cli: Cli, tmp_path: Path, name: str) -> None:
    text, word = BAD_CONFIGS[name]
    path = tmp_path / "config.json"
    path.write_text(text)
    refused(cli("estimate", path, SYSTEM), word)


def test_binary_is_not_text(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\x80\x81\x00\xff" * 100)
    refused(cli("estimate", path, SYSTEM), "UTF-8")
    refused(cli("validate", path.rename(tmp_path / "rows.csv")), "UTF-8")


@pytest.mark.parametrize("name", ["config.json", "system.yaml", "rows.csv"])
def test_a_gigabyte_is_refused_without_reading_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(2**30)  # sparse: it takes no room
    tokens = {"config.json": ["estimate", str(path), SYSTEM], "system.yaml": ["estimate", str(CONFIG), str(path)]}
    command = [sys.executable, "-m", "slipstick", *tokens.get(name, ["validate", str(path)])]
    limit = 900 * 2**20  # of address space: less than the file
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    refused(Result(done.returncode, done.stdout, done.stderr), "too large")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "column"),
        ("a,b\n1,2\n", "no known table"),
        ("case_id,case_id\n1,2\n", "twice"),
        ("a,b\n1\n", "cells"),
        ('a,b\n"1,2\n', "CSV"),
    ],
)
def test_bad_csv(cli: Cli, tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    refused(cli("validate", path), word)


def test_a_tampered_report_is_refused(cli: Cli, tmp_path: Path) -> None:
    data = json.loads(cli("estimate", CONFIG, "h100-sxm-80gb:8", "--plan", "tp=8", "--json").out)
    data["inputs"]["workload"]["batch"] = 4096
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    refused(cli("compare", path, path), "hash")


def test_a_folder_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(cli("estimate", CONFIG, "h100-sxm-80gb:8", "--plan", "tp=8", "--html", tmp_path / "file" / "r.html"))


@pytest.mark.parametrize(
    "tokens",
    [
        ("estimate", CONFIG, SYSTEM, "--set", "system.memory.hbm.bandwidth=1e-300 B/s"),
        ("estimate", CONFIG, SYSTEM, "--set", "system.memory.hbm.energy=1e300 J/B"),
        ("estimate", CONFIG, SYSTEM, "--phase", "decode", "--set", "system.device.matrix.bf16=1e-305 FLOP/s"),
        ("search", CONFIG, SYSTEM, "--plan", "tp=8", "--set", "system.network.nvlink.bandwidth=1e-300 B/s"),
    ],
)
def test_overflows_are_one_error_and_no_warnings(cli: Cli, tokens: tuple[str, ...]) -> None:
    refused(cli(*tokens), "no finite figure", "absurdly large or small")


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("estimate", CONFIG, SYSTEM, "--plan", "ep=2"), ("plan.parallel.ep", "without experts", "1, or left out")),
        (("estimate", CONFIG, SYSTEM, "--training-tokens", "0"), ("training_tokens", "a number above 0")),
        (("search", CONFIG, SYSTEM, "--budget", "0"), ("budget", "from 1")),
        (("validate", "fabric", "--rows", "-1"), ("rows", "from 0")),
        (
            ("estimate", CONFIG, "h100-sxm-80gb:8", "--phase", "decode", "--plan", "tp=8,prefill_devices=auto"),
            ("prefill_devices", "'auto'", "one replica", "more devices"),
        ),
    ],
)
def test_what_used_to_pass_or_said_too_little(cli: Cli, tokens: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(cli(*tokens), *words)
