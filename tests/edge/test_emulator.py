"""The emulator: programs whose instructions can be counted by hand, on every core."""

from pathlib import Path

import numpy as np
import pytest

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import MissingExtraError
from slipstick.edge.emulator import CORES, Machine, build_image

pytest.importorskip("ziglang")
pytest.importorskip("unicorn")

_COUNTED = """
    .syntax unified
    .text
    .global spin
    .type spin, %function
    .thumb_func
spin:
    push {r4, r5, r6, lr}
1:  subs r0, r0, #1
    bne 1b
    movs r0, #42
    pop {r4, r5, r6, pc}
    .size spin, . - spin
"""
_SUM = """
#include <stdint.h>
int64_t product(int64_t a, int64_t b) { return a * b; }
int32_t quotient(int32_t a, int32_t b) { return a / b; }
int32_t sum(const int8_t *x, int32_t n, int32_t c, int32_t d, int32_t e, int32_t f, int32_t g, int32_t h, int32_t i) {
  int32_t s = c + 2 * d + 3 * e + 5 * f + 7 * g + 11 * h + 13 * i;
  for (int32_t k = 0; k < n; k++) s += x[k];
  return s;
}
int32_t forever(volatile int32_t *x) { for (;;) *x += 1; }
int32_t nowhere(void) { return *(volatile int32_t *)0xE0000000; }
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "spin.S").write_text(_COUNTED)
    (folder / "sum.c").write_text(_SUM)
    return folder


def test_counts_are_the_same_behind_a_call_without_counting(sources: Path) -> None:
    machine = Machine(build_image(CORES["cortex-m4"], [sources / "spin.S"], ["spin"]))
    for count in (3, 1000):
        assert machine.call("spin", count) == 42
        assert machine.profile("spin", 1000).instructions == 2 * 1000 + 3


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7"])
def test_instructions_of_a_loop_in_assembly_are_counted_one_by_one(core: str, sources: Path) -> None:
    machine = Machine(build_image(CORES[core], [sources / "spin.S"], ["spin"]))
    profile = machine.profile("spin", 1000)
    assert profile.result == 42
    assert dict(profile.functions) == {"spin": 2 * 1000 + 3}
    assert dict(profile.mnemonics) == {"push": 1, "subs": 1000, "bne": 1000, "movs": 1, "pop": 1}
    assert profile.stack_bytes == 16
    assert profile.moved == 8
    assert profile.estimated_cycles == 1000 + 2 * 1000 + 1 + 2 * (1 + 4)


@pytest.mark.parametrize("core", CORES)
def test_arguments_reach_a_function_in_registers_and_on_the_stack(core: str, sources: Path) -> None:
    machine = Machine(build_image(CORES[core], [sources / "sum.c"], ["sum", "product", "quotient", "nowhere"]))
    x = np.arange(-50, 70, dtype=np.int8)
    expected = int(x.sum()) + 1 + 2 * 2 + 3 * 3 + 5 * 4 + 7 * 5 + 11 * 6 + 13 * 7
    assert machine.call("sum", machine.place(x), x.size, 1, 2, 3, 4, 5, 6, 7) == expected
    assert machine.profile("sum", machine.place(x), x.size, 1, 2, 3, 4, 5, 6, 7).result == expected
    a, b = 123456789, -987654321
    low, high = a & 0xFFFFFFFF, a >> 32
    assert machine.call("product", low, high, b & 0xFFFFFFFF, b >> 32) == (a * b) & 0xFFFFFFFF
    assert machine.call("quotient", -1000007, 13) == (-(1000007 // 13)) & 0xFFFFFFFF
    with pytest.raises(SlipstickError, match="stopped in nowhere"):
        machine.call("nowhere")


def test_what_goes_wrong_is_said_in_one_line(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = CORES["cortex-m4"]
    machine = Machine(build_image(core, [sources / "sum.c"], ["forever"]), ram_bytes=4096)
    with pytest.raises(SlipstickError, match="has not returned"):
        machine.call("forever", machine.reserve(4), limit=10_000)
    with pytest.raises(SlipstickError, match="no such symbol"):
        machine.address("sum")  # not reached from `forever`
    with pytest.raises(SlipstickError, match="beyond the machine's RAM"):
        machine.reserve(8192)
    (sources / "wrong.c").write_text("int wrong(void) { return nothing; }")
    with pytest.raises(SlipstickError, match="nothing"):
        build_image(core, [sources / "wrong.c"], ["wrong"])
    monkeypatch.setitem(__import__("sys").modules, "unicorn", None)
    with pytest.raises(MissingExtraError, match=r"slipstick\[edge\]"):
        Machine(machine.image)
