"""Time of measured instructions: mnemonics of an emulated run, their classes, and the milliseconds that a board takes.

Instructions are measured, milliseconds estimated: cycles of the core's table times the calibration of the kernels.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

from slipstick.core.system import System
from slipstick.edge.board import Board
from slipstick.edge.core_table import InstructionClass, cores
from slipstick.edge.latency.kernel_mixes import mix_for
from slipstick.report.metric import Metric

_CONDITIONS = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|geu|ltu|eqz|nez"
_CLASSES: dict[InstructionClass, str] = {  # patterns of mnemonics, the first that fits
    "multiple": r"ldm|stm|push|pop",
    "load": r"ld|lw|lh|lbu?$",
    "store": r"st|s[whb](sp)?$",
    "simd": r"sml[as]l?[dw]|smu[as]d|smla[bt][bt]|smul[bt][bt]",
    "long": r"[su]mull|[su]mlal|smm|mulh",
    "accumulate": r"ml[as]$",
    "multiply": r"mul",
    "divide": r"[su]?div|rem",
    "branch": rf"b$|bl|bx|cbn?z|j|ret|tb[bh]|b({_CONDITIONS})$",
}


def instruction_classes(mnemonics: Mapping[str, int]) -> dict[InstructionClass, int]:
    """Return the executed instructions by class of the tables of cores, Arm's (Thumb) and RISC-V's mnemonics.

    Examples
    --------
    >>> instruction_classes({"smlad": 4, "ldr.w": 2, "bne": 1, "c.lw": 1, "bic": 3, "mulh": 1, "ldm": 1, "lsls": 2})
    {'simd': 4, 'load': 3, 'branch': 1, 'alu': 5, 'long': 1, 'multiple': 1}
    """
    counts: Counter[InstructionClass] = Counter()
    for mnemonic, count in mnemonics.items():
        word = mnemonic.removeprefix("c.").partition(".")[0]
        counts[next((name for name, pattern in _CLASSES.items() if re.match(pattern, word)), "alu")] += count
    return dict(counts)


def measured_time(mnemonics: Mapping[str, int], system: System) -> Metric:
    """Return the time that a board takes for measured instructions, with the band of its kernels' calibration.

    Parameters
    ----------
    mnemonics : executed instructions of an inference, as the emulator's profile counts them.
    system : whose device is a board.
    """
    board = system.device_as(Board)
    core = cores.entry(board.core)
    mix = mix_for(board.kernels, core)
    counts = instruction_classes(mnemonics)
    cycles = math.fsum(core.cycles[name] * count for name, count in counts.items()) / core.issue
    seconds = cycles * mix.calibration / board.clock
    source = f"instructions measured, x cycles of {core.name} (data/cores), {mix.source_of('calibration')}"
    note = "band: tenth to ninetieth percentile of published rows"
    return Metric(seconds, "s", "estimated", source, note, seconds * mix.low, seconds * mix.high)
