"""Profile of an emulated call: executed instructions by function and by class of instruction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

_COST = {"load": 2.0, "store": 2.0, "branch": 2.0}  # cycles; all else takes 1 [assumed: in order, no wait states]
_SLOW = {"cortex-m3": {"mla": 2.0, "mls": 2.0, "smull": 4.0, "umull": 4.0, "smlal": 5.5, "umlal": 5.5}}


@dataclass(frozen=True, eq=False)
class Profile:
    """Instructions that a call executed, and the stack that it took.

    Parameters
    ----------
    result : the register of the returned value.
    functions : executed instructions by function.
    mnemonics : executed instructions by mnemonic.
    classes : executed instructions by class: load, store, multiple, branch, multiply, other.
    moved : registers that LDM, STM, PUSH and POP moved, all together.
    stack_bytes : deepest use of the stack.
    """

    core: str
    result: int
    functions: Mapping[str, int]
    mnemonics: Mapping[str, int]
    classes: Mapping[str, int]
    moved: int
    stack_bytes: int

    @property
    def instructions(self) -> int:
        """Number of executed instructions."""
        return sum(self.mnemonics.values())

    @property
    def estimated_cycles(self) -> float:
        """Crude estimate of cycles: load, store and branch 2, LDM and its kin 1 + n; M3's long multiplications more.

        It knows no wait states of the flash, no interlocks and no branch that is not taken.
        """
        plain = sum(_COST.get(name, 1.0) * count for name, count in self.classes.items())
        slow = _SLOW.get(self.core, {})
        return plain + self.moved + sum((slow[name] - 1) * self.mnemonics.get(name, 0) for name in slow)


def instruction_class(mnemonic: str) -> str:
    """Return the class of an instruction of Arm (Thumb) or RISC-V by its mnemonic.

    Examples
    --------
    >>> [instruction_class(name) for name in ("ldrsb.w", "ldm", "bne", "bic", "smlad", "c.lw", "addi")]
    ['load', 'multiple', 'branch', 'other', 'multiply', 'load', 'other']
    """
    name = mnemonic.removeprefix("c.").partition(".")[0]
    if name.startswith(("ldm", "stm", "push", "pop", "vldm", "vstm")):
        return "multiple"
    if name.startswith("ld") or name in {"lw", "lwsp", "lh", "lhu", "lb", "lbu"}:
        return "load"
    if name.startswith("st") or name in {"sw", "swsp", "sh", "sb"}:
        return "store"
    if name in _BRANCHES or (name.startswith("b") and name[1:] in _CONDITIONS):
        return "branch"
    if name.startswith(("mul", "mla", "mls", "smul", "smla", "smmul", "smmla", "umul", "umla", "smuad", "smlsd")):
        return "multiply"
    return "other"


_CONDITIONS = frozenset("eq ne cs cc mi pl vs vc hi ls ge lt gt le hs lo".split())  # noqa: SIM905
_BRANCHES = frozenset(
    "b bl bx blx cbz cbnz tbb tbh j jal jalr jr ret beqz bnez blez bgez bltz bgtz bltu bgeu".split()  # noqa: SIM905
)


def counted_blocks(
    blocks: Mapping[tuple[int, int], int], decoded: Mapping[tuple[int, int], Counter[str]]
) -> Counter[str]:
    """Return executed instructions by mnemonic: the content of each block times its executions."""
    total: Counter[str] = Counter()
    for block, executions in blocks.items():
        for mnemonic, count in decoded[block].items():
            total[mnemonic] += count * executions
    return total
