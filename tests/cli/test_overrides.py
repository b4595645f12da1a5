"""Overrides that a command cannot read: exit code 2, one line that names the option."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commands import Result

ASKED = ("estimate", "resnet-18", "swis-8x8")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "system.device.rows"), "--set: not of the form path=value; got 'system.device.rows'"),
        (("--set", "=4"), "--set: not of the form path=value; got '=4'"),
        (("--set", "system.device.rows=4", "--set", "system.device.rows=5"), "--set: the path stands twice"),
        (("--set", "system.device.rows=[4"), "--set system.device.rows: "),
        (("--set", "system.device.row=4"), "did you mean 'rows'"),
        (
            ("--set", "sistem.device.rows=4"),
            "set: not the path of a field; got 'sistem.device.rows'; allowed: plan., system.",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(cli: Callable[..., Result], options: tuple[str, ...], words: str) -> None:
    found = cli(*ASKED, *options)
    assert (found.code, found.out) == (2, "")
    assert words in found.err
    assert found.err.count("\n") == 1


def test_overrides_change_the_answer(cli: Callable[..., Result]) -> None:
    plain, changed = (cli(*ASKED, *options).out for options in ((), ("--set", "system.device.rows=4")))
    assert plain != changed


def test_a_whole_run_with_rent_and_site_on_the_command_line(cli: Callable[..., Result]) -> None:
    changes = ("system.rent=2.5 USD/h", "system.site.carbon=30 g/kWh", "system.reliability.checkpoint_interval=auto")
    given = [word for change in changes for word in ("--set", change)]
    result = cli("estimate", "llama-3.1-70b", "dgx-h100:256", "--plan", "tp=8,pp=4", "--training-tokens", "1T", *given)
    assert (result.code, result.err) == (0, "")
    run = result.out[result.out.index("\nrun\n") :]
    assert [line.split()[0] for line in run.splitlines()[2:] if line.startswith("  ") and line[2] != " "][:6] == [
        "time", "goodput", "energy", "facility", "carbon", "cost",
    ]  # fmt: skip
    assert "MWh" in run
    assert "rent of a device, as given" in result.out
    assert "at 30 g/kWh" in run
