from __future__ import annotations

from typing import Any

import pytest

from slipstick.core.errors import SlipstickError, SpecErrors
from slipstick.core.plan import Plan, plan_fields, short_keys
from slipstick.core.spec import leaves, override, validate
from slipstick.core.system import System

TOY: dict[str, Any] = {
    "name": "toy",
    "power": "300 W",
    "device": {"kind": "accelerator", "cores": 80, "clock": "1.5 GHz", "matrix": {"fp16": "125 TFLOP/s"}, "vector": {}},
    "memory": {"hbm": {"capacity": "32 GiB", "bandwidth": "900 GB/s"}},
    "network": {"node": {"technology": "nvlink2", "domain": 8, "bandwidth": "150 GB/s"}},
}


def errors_of(changes: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SpecErrors) as caught:
        validate(System, {**TOY, **changes}, where="toy.yaml")
    return {error.path: str(error) for error in caught.value.errors}


def test_all_errors_at_once_one_a_field() -> None:
    found = errors_of(
        {
            "power": -3,
            "year": "x",
            "memory": {"hbm": {"capacity": "1 GB/s", "bandwith": "1 TB/s"}},
            "network": {"node": {"technology": 3, "domain": 0, "bandwidth": None}},
        }
    )
    assert list(found) == [
        *("year", "memory.hbm.capacity", "memory.hbm.bandwith", "network.node.technology"),
        *("network.node.domain", "network.node.bandwidth", "power"),
    ]
    assert "did you mean 'bandwidth'?" in found["memory.hbm.bandwith"]
    assert found["network.node.domain"].endswith("got 0; allowed: a whole number from 1, or nothing (null)")
    assert "a unit of information/time, not of information" in found["memory.hbm.capacity"]
    assert "such as '2 W'" in found["power"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tp=0", "parallel.tp: out of range; got '0'; allowed: a whole number from 1 up to 1000000000, or auto"),
        ("pp=x", "parallel.pp: does not fit; got 'x'; allowed: a whole number from 1 up to 1000000000, or auto"),
        (
            "microbatch=1.5",
            "parallel.microbatch: does not fit; got '1.5'; allowed: a whole number from 1 up to 1000000000, or auto",
        ),
        ("sp=maybe", "parallel.sp: does not fit; got 'maybe'; allowed: true or false"),
        ("zero=7", "parallel.zero: out of range; got '7'; allowed: a whole number from 0 up to 3"),
        (
            "chunk=-1",
            "serving.chunk: out of range; got '-1'; allowed: a whole number from 1 up to 1000000000, or nothing (null)",
        ),
        ("acceptance=1.5", "serving.acceptance: out of range; got '1.5'; allowed: a number from 0 up to 1"),
        ("recompute=selektive", "did you mean 'selective'?; allowed: auto, full, none, selective"),
        ("tpp=3", "no such field of a plan (slipstick list plan prints them); got 'tpp'; did you mean 'tp'?"),
        ("tp=3,tp=4", "the key is given twice"),
        ("tp", "not of the form key=value"),
    ],
)
def test_one_clear_line_for_a_wrong_plan(text: str, line: str) -> None:
    with pytest.raises(SlipstickError) as caught:
        Plan.of(text)
    message = str(caught.value)
    assert line in message
    assert "\n" not in message
    assert not any(word in message for word in ("constrained", "literal[", "Input should", "union", "pydantic"))


def test_text_and_numbers_make_the_same_plan() -> None:
    assert (
        Plan.of("tp=8,zero=1,sp=true")
        == Plan.of(tp=8, zero=1, sp=True)
        == Plan.of({"parallel": {"tp": 8}}, zero=1, sp=1)
    )


def test_short_keys_are_unambiguous() -> None:
    keys = short_keys()
    assert len(set(keys.values())) == len(keys)
    assert set(leaves(Plan())) == set(keys.values())


def test_infinity_is_no_number_of_a_spec() -> None:
    with pytest.raises(SpecErrors, match="draft_cost"):
        Plan.of(draft_cost=float("inf"))


def test_overrides_name_the_whole_path() -> None:
    toy = validate(System, TOY)
    assert override(toy, {"memory.hbm.bandwidth": "8 TB/s"}).memory["hbm"].bandwidth == 8e12
    assert toy.memory["hbm"].bandwidth == 900e9
    for path, value, words in (
        ("memory.hbm.bandwidth", "8 TB", "^system.memory.hbm.bandwidth: a unit of information"),
        ("memory.hbn.bandwidth", "8 TB/s", "did you mean 'hbm'"),
        ("memory.hbm", 3, "^system.memory.hbm: does not fit"),
        ("powr", "1 W", "did you mean 'power'"),
    ):
        with pytest.raises(SlipstickError, match=words):
            override(toy, {path: value}, root="system")


def test_every_leaf_can_be_overridden_by_itself() -> None:
    toy = validate(System, TOY)
    for path, value in leaves(toy).items():
        assert override(toy, {path: value}) == toy


def test_a_system_without_memory_and_tiers_out_of_order() -> None:
    assert "at least one memory" in errors_of({"memory": {}})[""]
    tier = {"technology": "x", "bandwidth": "1 GB/s"}
    assert "innermost" in errors_of({"network": {"a": {**tier, "domain": 8}, "b": {**tier, "domain": 4}}})[""]


def test_specs_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        validate(System, TOY).power = 3.0  # type: ignore[misc]


def test_messages() -> None:
    near = SlipstickError("no such system", value="H100-SMX", allowed=["h100-sxm", "b200"])
    assert "did you mean 'h100-sxm'?" in str(near)
    assert "did you mean" not in str(SlipstickError("no such system", value="zzz", allowed=["h100-sxm"]))
    many = str(SlipstickError("no such thing", value="q", allowed=[f"name{i:02}" for i in range(40)]))
    assert "(28 more)" in many
    assert "allowed" not in str(SlipstickError("nothing here", allowed=[]))
    assert len(str(SlipstickError("long", value="x" * 10_000))) < 200


@pytest.mark.parametrize(
    ("text", "layers", "tp"),
    [
        ("formats=swis:3,group=4", "swis:3,group=4", "auto"),
        ("formats=swis:3,group=4,tp=2", "swis:3,group=4", 2),
        ("tp=2,formats=pool:16,4;depthwise=int8:axis=0,fc=int4,sp=true", "pool:16,4;depthwise=int8:axis=0,fc=int4", 2),
        ("formats.layers=swis:3;group=4@bit_serial:lanes=4,parallel.tp=2", "swis:3;group=4@bit_serial:lanes=4", 2),
    ],
)
def test_pieces_behind_formats_that_are_no_fields_belong_to_it(text: str, layers: str, tp: int | str) -> None:
    plan = Plan.of(text)
    assert (plan.formats.layers, plan.parallel.tp) == (layers, tp)
    assert Plan.of(formats=layers, tp=tp).formats == plan.formats


def test_pieces_behind_another_field_are_fields() -> None:
    with pytest.raises(SlipstickError, match=r"no such field of a plan .*got 'group'"):
        Plan.of("formats=swis:3,tp=2,group=4")


def test_every_field_of_a_plan_is_described() -> None:
    fields = {field.path: field for field in plan_fields()}
    assert set(fields) == set(leaves(Plan()))
    assert all(field.description and field.choices for field in fields.values())
    layers = fields["formats.layers"]
    assert (layers.group, layers.key, layers.default, layers.choices) == ("formats", "formats", "", "text")
    assert (fields["parallel.sp"].default, fields["parallel.sp"].choices) == ("auto", "true | false | auto")
    assert fields["parallel.dp"].choices == "whole number | auto"
    assert (fields["serving.chunk"].default, fields["serving.chunk"].choices) == ("null", "whole number | null")
    assert fields["stack"].group == ""
