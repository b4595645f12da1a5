"""Targets of a firmware: a board's core, its memories at their addresses, and the names of tool chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from slipstick.core.catalogue import Catalogue, Entry
from slipstick.core.errors import SlipstickError
from slipstick.core.system import System
from slipstick.edge.board import Board
from slipstick.edge.core_table import BoardCore, cores
from slipstick.edge.firmware.compiler import _tool_core

_WORD = r"^[\w./:-]*$"  # names and addresses, as they may stand in a project file


class _ToolNames(Entry):
    """Addresses of a board's memories, its names in PlatformIO, and what it boots from."""

    flash_origin: int = Field(default=0x08000000, ge=0, lt=2**32, description="Address of the flash")
    ram_origin: int = Field(default=0x20000000, ge=0, lt=2**32, description="Address of the memory of the arena")
    platform: str = Field(
        default="", pattern=_WORD, description="Platform in PlatformIO, a name or address; empty: it has none"
    )
    platform_board: str = Field(default="", pattern=_WORD, description="Board in PlatformIO")
    framework: Literal["", "stm32cube", "arduino", "espidf"] = Field(default="", description="Framework in PlatformIO")
    boot: str = Field(
        default="", description="What the chip wants before a bare image, which then does not start by itself"
    )


_tool_names: Catalogue[_ToolNames] = Catalogue(_ToolNames, "firmware/boards.yaml", noun="board", group="boards")


@dataclass(frozen=True)
class Target:
    """Board as a firmware sees it: `flash` and `ram` [B] are what code and arena may take.

    Parameters
    ----------
    ram_name : memory that the arena lies in.
    names : addresses and names of tool chains.
    """

    system: System
    core: BoardCore
    flash: int
    ram: int
    ram_name: str
    names: _ToolNames

    @property
    def board(self) -> str:
        """Name of the board."""
        return self.system.name

    @property
    def features(self) -> frozenset[str]:
        """Instructions that kernels may ask for; none where no compiler is known, so that plain C is taken."""
        tool = _tool_core(self.core)
        return frozenset() if tool is None else tool.features


def _target_of(system: System) -> Target:
    """Return the target that a system with a board is.

    Errors
    ------
    SlipstickError for a system that is no board.
    """
    board = system.device_as(Board)
    return _target_with(system, max(board.arena, key=lambda memory: system.memory[memory].capacity))


def _nearest_target(target: Target, arena: int) -> Target:
    """Return the target with its arena in the first memory that the board names for it, if that holds `arena` bytes."""
    first = _target_with(target.system, target.system.device_as(Board).arena[0])
    return first if arena <= first.ram else target


def _target_with(system: System, memory: str) -> Target:
    """Return the target that a board is with its arena in one of its memories."""
    board = system.device_as(Board)
    ram = system.memory[memory].capacity
    if memory == board.arena[0]:
        ram = min(ram, board.arena_limit or ram) - (board.reserved or 0)
    names = _tool_names.get(system.name) or _ToolNames(name=system.name)
    flash = int(system.memory["flash"].capacity)
    return Target(system, cores.entry(board.core), flash, int(ram), memory, names)


def _check_memory(target: Target, flash: int, arena: int, hint: str = "") -> None:
    """Raise a SlipstickError for a firmware whose code and weights, or whose arena, the board does not hold.

    Parameters
    ----------
    hint : what would make the arena smaller, said behind its size.
    """
    for kind, need, limit in (("flash", flash, target.flash), (target.ram_name, arena, target.ram)):
        if need > limit:
            content, more = ("code and weights need", "") if kind == "flash" else ("the arena needs", hint)
            message = f"{content} {need:,} B{more}, more than the {kind} of {target.board}"
            raise SlipstickError(
                message, path=f"system.memory.{kind}.capacity", value=limit, allowed=f"from {need:,} B"
            )
