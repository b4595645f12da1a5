"""Facts of multipliers: published power, area, delay and errors, from data/multipliers or a user's own YAML file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slipstick.core import units
from slipstick.core.catalogue import Catalogue, Entry


class MultiplierFacts(Entry):
    """Circuit of a multiplier: bits, operands, published figures, and where its table of products is found.

    `mae`, `wce` and `mse` are in units of the product; `mre` and `wcre` leave out pairs whose exact product is zero.

    Examples
    --------
    >>> round(multiplier_facts.entry("mul7u_09Y").power * 1e6, 6)
    65.0
    """

    bits: int = Field(ge=2, le=8, description="Bits of each operand")
    operands: Literal["signed", "sign-magnitude", "unsigned"] = Field(
        default="sign-magnitude", description="Two's complement, magnitudes with signs beside them, or offset binary"
    )
    table: str = Field(default="", description="Table of products: array of tables.npz, or a CSV or NPY file")
    cleared: tuple[int, int] | None = Field(
        default=None, description="Low bits of each operand that the circuit takes for 0, where it is exact otherwise"
    )
    power: units.Watts | None = Field(default=None, description="Power")
    area: units.SquareMetres | None = Field(default=None, description="Area")
    delay: units.Seconds | None = Field(default=None, description="Delay of the critical path")
    mae: float | None = Field(default=None, ge=0, description="Mean absolute error")
    wce: float | None = Field(default=None, ge=0, description="Worst absolute error")
    mse: float | None = Field(default=None, ge=0, description="Mean squared error")
    wrong: units.Share | None = Field(default=None, description="Share of wrong products (EP)")
    mre: units.Share | None = Field(default=None, description="Mean relative error")
    wcre: units.Share | None = Field(default=None, description="Worst relative error")


multiplier_facts: Catalogue[MultiplierFacts] = Catalogue(
    MultiplierFacts, "multipliers", noun="multiplier", group="multipliers", field="multiplier"
)
