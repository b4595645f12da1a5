"""Emulated microcontroller: calls C functions of an image on buffers, and counts what they execute.

Counts are exact: executions of each basic block times the instructions that it holds. Traps: the return address has to
lie in executable low memory (M-profile reads 0xFFFFFFxx as returns from exceptions), and the disassembler needs
CS_MODE_MCLASS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipstick.core.errors import SlipstickError
from slipstick.core.extras import require
from slipstick.edge.emulator.image import Image
from slipstick.edge.emulator.profile import Profile, counted_blocks, instruction_class
from slipstick.edge.emulator.toolchain import CODE_BASE, CORES, RAM_BASE

_PAGE, _PAINT = 0x1000, 0xA5  # the stack is painted with this byte, to see how deep it went
_STOP = CODE_BASE - _PAGE  # where calls return to
_MODELS = {"cortex-m0plus": "M0", "cortex-m3": "M3", "cortex-m4": "M4", "cortex-m7": "M7",
           "cortex-m33": "M33"}  # fmt: skip


class Machine:
    """Core with flash and RAM that holds an image; buffers are placed behind the image's variables.

    Parameters
    ----------
    image : linked program.
    ram_bytes : of buffers, stack not counted.
    stack_bytes : of the stack, which lies below all else in RAM's address space.

    Examples
    --------
    machine = Machine(build_image(CORES["cortex-m4"], [Path("sum.c")], ["sum"]))
    total = machine.call("sum", machine.place(np.arange(4, dtype=np.int32)), 4).result
    """

    def __init__(self, image: Image, ram_bytes: int = 4 << 20, stack_bytes: int = 64 << 10) -> None:
        self.image, self.core = image, CORES[image.core]
        self._unicorn = require("unicorn", "edge")
        self._emulator = self._made()
        self._stack, self._stack_bytes = RAM_BASE - (1 << 24), _pages(stack_bytes)
        self._map(_STOP, _PAGE)
        self._map(self._stack, self._stack_bytes)
        variables = max((s.address + s.size for s in image.segments if s.address >= RAM_BASE), default=RAM_BASE)
        self._map(RAM_BASE, _pages(variables - RAM_BASE + ram_bytes))
        self._end = RAM_BASE + _pages(variables - RAM_BASE + ram_bytes)
        code = [s for s in image.segments if s.address < RAM_BASE]
        if code:
            self._map(CODE_BASE, _pages(max(s.address + s.size for s in code) - CODE_BASE))
        for segment in image.segments:
            self._emulator.mem_write(segment.address, segment.content)
        self._first = self._next = -(-variables // 16) * 16
        self._decoded: dict[tuple[int, int], tuple[Counter[str], int]] = {}

    def _made(self) -> Any:
        unicorn = self._unicorn
        if "rv32" in self.core.features:
            return unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        emulator = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        emulator.ctl_set_cpu_model(getattr(unicorn.arm_const, f"UC_CPU_ARM_CORTEX_{_MODELS[self.core.name]}"))
        return emulator

    def _map(self, address: int, size: int) -> None:
        self._emulator.mem_map(address, size)

    def reserve(self, size: int, *, align: int = 16) -> int:
        """Return the address of `size` fresh bytes of RAM, which hold whatever was there."""
        start = -(-self._next // align) * align
        if start + size > self._end:
            raise SlipstickError("buffers beyond the machine's RAM", path="ram_bytes", value=start + size - RAM_BASE)
        self._next = start + size
        return start

    def place(self, values: NDArray[Any] | bytes) -> int:
        """Copy an array or bytes into fresh RAM and return their address."""
        content = values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
        address = self.reserve(len(content))
        self.write(address, content)
        return address

    def release(self) -> None:
        """Give all buffers back; the image's variables stay as they are."""
        self._next = self._first

    def write(self, address: int, content: bytes) -> None:
        """Write bytes at an address."""
        self._emulator.mem_write(address, content)

    def read(self, address: int, size: int) -> bytes:
        """Return bytes at an address."""
        return bytes(self._emulator.mem_read(address, size))

    def address(self, symbol: str) -> int:
        """Return the address of a function or a variable with external linkage."""
        if symbol not in self.image.symbols:
            raise SlipstickError("no such symbol", path="image", value=symbol, allowed=sorted(self.image.functions))
        return self.image.symbols[symbol][0]

    def call(self, function: str, *arguments: int, limit: int = 0) -> int:
        """Call a C function with 32-bit arguments and return its result, without counting (about 500 M instructions/s).

        Errors
        ------
        SlipstickError for a function that leaves its memory, or that has not returned after `limit` instructions.
        """
        self._start(function, arguments, limit)
        return self._register("R0", "A0")

    def profile(self, function: str, *arguments: int) -> Profile:
        """Call a C function and return what it executed: about 10 M instructions/s."""
        blocks: Counter[tuple[int, int]] = Counter()

        def count(_emulator: Any, address: int, size: int, _data: Any) -> None:
            blocks[address, size] += 1

        self._hooked(count, function, arguments)
        blocks = Counter({block: number for block, number in blocks.items() if block[0] != _STOP})
        return self._profiled(blocks)

    def profile_calls(self, function: str, *arguments: int) -> tuple[Profile, list[tuple[str, int]]]:
        """Call a C function and return its profile, and the instructions of each call that it makes itself, in order.

        A call's instructions count all that it calls in turn; what the function executes itself is the rest.
        """
        segments: list[tuple[int, Counter[tuple[int, int]]]] = [(0, Counter())]
        start, size = self.image.symbols[function]
        entries = set(self.image.functions.values())
        inside = True  # whether the last block was the function's own

        def count(_emulator: Any, address: int, length: int, _data: Any) -> None:
            nonlocal inside
            own = start <= address < start + size
            if own:
                segments[0][1][address, length] += 1
            else:
                if inside and address in entries:
                    segments.append((address, Counter()))
                segments[-1][1][address, length] += 1
            inside = own

        self._hooked(count, function, arguments)
        total: Counter[tuple[int, int]] = Counter()
        for _, blocks in segments:
            total.update({block: number for block, number in blocks.items() if block[0] != _STOP})
        calls = [(self.image.function_at(address), self._executed(blocks)) for address, blocks in segments[1:]]
        return self._profiled(total), calls

    def _executed(self, blocks: Counter[tuple[int, int]]) -> int:
        return sum(self._block(block)[0].total() * number for block, number in blocks.items() if block[0] != _STOP)

    def _hooked(self, hook: Any, function: str, arguments: Sequence[int]) -> None:
        """Call a C function with a hook at each basic block, over a painted stack."""
        self.write(self._stack, bytes([_PAINT]) * self._stack_bytes)
        self._emulator.ctl_flush_tb()  # blocks that an earlier call translated have no hook in them
        handle = self._emulator.hook_add(self._unicorn.UC_HOOK_BLOCK, hook)
        try:
            self._start(function, arguments, 0)
        finally:
            self._emulator.hook_del(handle)

    def _profiled(self, blocks: Counter[tuple[int, int]]) -> Profile:
        functions: Counter[str] = Counter()
        moved = 0
        for block, executions in blocks.items():
            mnemonics, registers = self._block(block)
            functions[self.image.function_at(block[0])] += mnemonics.total() * executions
            moved += registers * executions
        total = counted_blocks(blocks, {block: self._block(block)[0] for block in blocks})
        classes: Counter[str] = Counter()
        for mnemonic, count in total.items():
            classes[instruction_class(mnemonic)] += count
        result = self._register("R0", "A0")
        return Profile(self.core.name, result, functions, total, classes, moved, self._depth())

    def _block(self, block: tuple[int, int]) -> tuple[Counter[str], int]:
        """Return a basic block's mnemonics, and the number of registers that its LDM and their kin move."""
        if block not in self._decoded:
            mnemonics: Counter[str] = Counter()
            registers = covered = 0
            for _, size, mnemonic, operands in self._disassembler().disasm_lite(self.read(*block), block[0]):
                mnemonics[mnemonic.removesuffix(".w")] += 1
                covered += size
                if instruction_class(mnemonic) == "multiple":
                    registers += operands[operands.index("{") :].count(",") + 1
            if covered != block[1]:
                raise SlipstickError("instructions that are not known", path="emulator", value=hex(block[0] + covered))
            self._decoded[block] = mnemonics, registers
        return self._decoded[block]

    def _disassembler(self) -> Any:
        capstone = require("capstone", "edge")
        if "rv32" in self.core.features:
            return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
        return capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)

    def _depth(self) -> int:
        painted = np.frombuffer(self.read(self._stack, self._stack_bytes), np.uint8)
        return self._stack_bytes - int(np.argmax(painted != _PAINT)) if (painted != _PAINT).any() else 0

    def _start(self, function: str, arguments: Sequence[int], limit: int) -> None:
        entry, thumb = self.address(function), 0 if "rv32" in self.core.features else 1
        registers = 8 if "rv32" in self.core.features else 4
        top = self._stack + self._stack_bytes - 8 * max(0, -(-(len(arguments) - registers) // 2))
        for place, value in enumerate(arguments):
            if place < registers:
                self._set(f"R{place}", f"A{place}", value & (2**32 - 1))
            else:
                self.write(top + 4 * (place - registers), (value & (2**32 - 1)).to_bytes(4, "little"))
        self._set("SP", "SP", top)
        self._set("LR", "RA", _STOP | thumb)
        try:
            self._emulator.emu_start(entry | thumb, _STOP, count=limit)
        except self._unicorn.UcError as error:
            where = self.image.function_at(self._register("PC", "PC"))
            raise SlipstickError(f"{function} stopped in {where}", path="emulator", value=str(error)) from None
        if self._register("PC", "PC") & ~1 != _STOP:
            raise SlipstickError("has not returned", path=function, value=limit)

    def _name(self, arm: str, riscv: str) -> int:
        if "rv32" in self.core.features:
            return int(getattr(self._unicorn.riscv_const, f"UC_RISCV_REG_{riscv}"))
        return int(getattr(self._unicorn.arm_const, f"UC_ARM_REG_{arm}"))

    def _set(self, arm: str, riscv: str, value: int) -> None:
        self._emulator.reg_write(self._name(arm, riscv), value)

    def _register(self, arm: str, riscv: str) -> int:
        return int(self._emulator.reg_read(self._name(arm, riscv)))


def _pages(size: int) -> int:
    return max(1, -(-size // _PAGE)) * _PAGE
