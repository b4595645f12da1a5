"""Units at the border, SI floats inside: "80 GiB", "2 TB/s", "312 TFLOP/s" parse here and are formatted back here.

B is byte and b (or bit) is bit; GB is 1e9 and GiB 2**30; a multiply-accumulate is two operations.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from slipstick.core.errors import SlipstickError

_DECIMAL = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}
_DECIMAL |= {"G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60}
_MICRO = str.maketrans({"\u00b5": "u", "\u03bc": "u"})  # the micro sign and the Greek letter

# unit symbol -> (dimension, SI value of one). Bytes are the base of information.
_SYMBOLS: dict[str, tuple[str, float]] = {
    "B": ("information", 1.0),
    "byte": ("information", 1.0),
    "b": ("information", 0.125),
    "bit": ("information", 0.125),
    "FLOP": ("operations", 1.0),
    "OP": ("operations", 1.0),
    "MAC": ("operations", 2.0),
    "s": ("time", 1.0),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "day": ("time", 86400.0),
    "days": ("time", 86400.0),
    "year": ("time", 365.25 * 86400.0),
    "years": ("time", 365.25 * 86400.0),
    "J": ("energy", 1.0),
    "Wh": ("energy", 3600.0),
    "W": ("power", 1.0),
    "Hz": ("frequency", 1.0),
    "m": ("length", 1.0),
    "m2": ("area", 1.0),
    "USD": ("money", 1.0),
    "g": ("mass", 1.0),
    "gCO2": ("mass", 1.0),
    "t": ("mass", 1e6),
    "token": ("tokens", 1.0),
    "sample": ("samples", 1.0),
    "parameter": ("parameters", 1.0),
    "device": ("devices", 1.0),
    "V": ("voltage", 1.0),
    "1": ("a plain number", 1.0),
    "fraction": ("a share", 1.0),
    "%": ("a share", 0.01),
}
_COUNTS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}  # suffixes of a number of tokens
_JOULES_A_WATT_HOUR, _READS_IN_WATT_HOURS = 3600.0, 3.6e9  # J; from a MWh on, energy is bought in multiples of Wh
_AREA_PREFIX_POWER = 2  # "mm2" is (1e-3 m)**2, not 1e-3 m2

_QUANTITY = re.compile(r"([-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\s\d,.].*)?")
_MAX_LENGTH = 100  # characters of a quantity


def _factor(symbol: str) -> tuple[str, float]:
    """Return (dimension, SI value) of one prefixed unit symbol; KeyError for an unknown one."""
    if symbol in _SYMBOLS:
        return _SYMBOLS[symbol]
    for prefixes in (_BINARY, _DECIMAL):
        for prefix, scale in prefixes.items():
            rest = symbol[len(prefix) :]
            if prefix and symbol.startswith(prefix) and rest in _SYMBOLS:
                dimension, si_value = _SYMBOLS[rest]
                return dimension, si_value * (scale**_AREA_PREFIX_POWER if dimension == "area" else scale)
    raise KeyError(symbol)


def _resolve(unit: str) -> tuple[str, float]:
    """Return (dimension, SI value) of a unit such as ``TB/s``, ``pJ/bit`` or ``W``."""
    numerator, _, denominator = unit.replace(" ", "").partition("/")
    dimension, value = _factor(numerator)
    if not denominator:
        return dimension, value
    below, si_value = _factor(denominator)
    return f"{dimension}/{below}", value / si_value


def parse(value: object, unit: str) -> float:
    """Return a quantity such as "2 TB/s" (or a number already in SI) as an SI float of the dimension of `unit`.

    Parameters
    ----------
    value : text with a unit, or a bare number, which is taken to be in SI already.
    unit : any unit of the wanted dimension: "B", "B/s", "FLOP/s", "s", "J/bit", "USD", ...

    Errors
    ------
    SlipstickError if the text is no number, names an unknown unit or has another dimension.

    Examples
    --------
    >>> parse("80 GiB", "B")
    85899345920.0
    >>> parse("400 Gb/s", "B/s")
    50000000000.0
    >>> parse("1.5 pJ/bit", "J/B")
    1.2e-11
    """
    example = f"a number, or text such as '2 {unit}'"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise SlipstickError("not a quantity", value=value, allowed=example)
    if isinstance(value, int | float):
        try:
            return _finite(float(value), value)
        except OverflowError:
            raise SlipstickError("not a finite number", value=value) from None
    match = _QUANTITY.fullmatch(value.strip()) if len(value) <= _MAX_LENGTH else None
    if match is None:
        raise SlipstickError("not a quantity", value=value, allowed=example)
    number, symbol = float(match[1].replace(",", "")), (match[2] or "").translate(_MICRO)
    if not symbol:
        return _finite(number, value)
    expected_dimension, _ = _resolve(unit)
    try:
        dimension, si_value = _resolve(symbol)
    except KeyError:
        raise SlipstickError(
            "unknown unit", value=value, allowed=f"a unit of {expected_dimension}, such as {unit}"
        ) from None
    if dimension != expected_dimension:
        raise SlipstickError(
            f"a unit of {dimension}, not of {expected_dimension}", value=value, allowed=f"such as {unit}"
        )
    return _finite(number * si_value, value)


def _parse_count(value: object) -> float:
    """Return a number of tokens such as "1T", "300B", "15.6 T" or a plain number; B is 1e9 here, not bytes.

    Errors
    ------
    SlipstickError if the text is no number, or its suffix none of k, M, B, G and T.

    Examples
    --------
    >>> _parse_count("1T"), _parse_count("300B"), _parse_count(2e12)
    (1000000000000.0, 300000000000.0, 2000000000000.0)
    """
    if not isinstance(value, str):
        return parse(value, "token")
    text = value.strip().removesuffix("tokens").removesuffix("token")
    match = _QUANTITY.fullmatch(text.strip()) if len(value) <= _MAX_LENGTH else None
    scale = _COUNTS.get(match[2] or "") if match else None
    if match is None or scale is None:
        raise SlipstickError("not a count", value=value, allowed="a number, or one with k, M, B or T, such as 1T")
    return _finite(float(match[1].replace(",", "")) * scale, value)


def _finite(number: float, value: object) -> float:
    if not math.isfinite(number):
        raise SlipstickError("not a finite number", value=value)
    return number


def format_quantity(value: float, unit: str) -> str:
    """Return an SI float as text with the most readable prefix; all quantities in texts come from here.

    Examples
    --------
    >>> format_quantity(3.35e12, "B/s")
    '3.35 TB/s'
    >>> format_quantity(85899345920, "B")
    '80 GiB'
    >>> format_quantity(0.00231, "s")
    '2.31 ms'
    >>> format_quantity(3.3e12, "J"), format_quantity(2.5e6, "g")
    ('916.7 MWh', '2.5 t')
    """
    if value != value:
        return f"- {unit}".strip()
    if unit == "" or unit == "1":
        return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e7 else f"{value:.4g}"
    if unit == "fraction":
        return f"{100 * value:.3g} %"
    if unit == "J" and abs(value) >= _READS_IN_WATT_HOURS:
        value, unit = value / _JOULES_A_WATT_HOUR, "Wh"
    if unit == "g" and abs(value) >= 1e6:
        value, unit = value / 1e6, "t"
    if unit in ("USD", "USD/Mtoken", "t") or value == 0 or not math.isfinite(value):
        return f"{_grouped(value)} {unit}"
    if unit == "B":
        return _with_prefix(value, unit, {"": 1.0, **_BINARY})
    if unit == "s" and abs(value) >= 3600:
        return f"{value / 3600:.4g} h" if abs(value) < 2 * 86400 else f"{_grouped(value / 86400)} days"
    if unit in ("token", "parameter", "device", "token/s", "sample/s", "sample"):
        return f"{_grouped(value)} {unit}"
    small = unit.startswith(("s", "J", "W", "m", "V", "g"))
    prefixes = {p: s for p, s in _DECIMAL.items() if p != "K" and (small or s >= 1)}
    if unit == "m2":
        prefixes = {p: s**_AREA_PREFIX_POWER for p, s in prefixes.items() if s <= 1}
    return _with_prefix(value, unit, prefixes)


def _grouped(value: float) -> str:
    """Return a number as text of four digits, with thousands separators rather than an exponent where readable."""
    return f"{float(f'{value:.4g}'):,.0f}" if 1e4 <= abs(value) < 1e8 else f"{value:,.4g}"


def _with_prefix(value: float, unit: str, prefixes: dict[str, float]) -> str:
    fitting = [(scale, prefix) for prefix, scale in prefixes.items() if scale <= abs(value) * (1 + 1e-12)]
    scale, prefix = max(fitting) if fitting else min((s, p) for p, s in prefixes.items())
    return f"{value / scale:.4g} {prefix}{unit}"


def stated(unit: str, *, short: str = "") -> Any:
    """Return the Annotated type of a quantity that keeps its stated unit (years, USD/kWh) instead of SI.

    Parameters
    ----------
    short : a unit that is taken for the stated one, such as USD for the rent of an hour.

    Examples
    --------
    >>> from pydantic import TypeAdapter
    >>> years, rent = TypeAdapter(Annotated[float, stated("years")]), TypeAdapter(Annotated[float, stated("USD/h")])
    >>> years.validate_python("4 years"), rent.validate_python("60 USD/day")
    (4.0, 2.5)
    """
    in_si = parse(f"1 {unit}", unit)

    def before(value: object) -> object:
        match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= _MAX_LENGTH else None
        try:
            if match and (match[2] or "") in ("", unit, short):
                return parse(match[1], unit)
            return float(f"{parse(value, unit) / in_si:.15g}") if isinstance(value, str) else value
        except SlipstickError as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(before)


def _quantity(unit: str, *, positive: bool = False) -> Any:
    def before(value: object) -> float:
        try:
            return parse(value, unit)
        except SlipstickError as error:
            raise ValueError(str(error)) from None

    bound = Field(gt=0) if positive else Field(ge=0)
    return Annotated[float, BeforeValidator(before), bound, Field(json_schema_extra={"unit": unit})]


def _of_tokens(value: object) -> float | None:
    try:
        return None if value is None else _parse_count(value)
    except SlipstickError as error:
        raise ValueError(str(error)) from None


if TYPE_CHECKING:
    Tokens: TypeAlias = float
    DollarsPerHour: TypeAlias = float
    DollarsPerKilowattHour: TypeAlias = float
    GramsPerKilowattHour: TypeAlias = float
    Years: TypeAlias = float
    Bytes: TypeAlias = float
    BytesPerSecond: TypeAlias = float
    OperationsPerSecond: TypeAlias = float
    Seconds: TypeAlias = float
    PositiveSeconds: TypeAlias = float
    PositiveWatts: TypeAlias = float
    Watts: TypeAlias = float
    Joules: TypeAlias = float
    JoulesPerByte: TypeAlias = float
    JoulesPerOperation: TypeAlias = float
    Hertz: TypeAlias = float
    SquareMetres: TypeAlias = float
    Metres: TypeAlias = float
    Dollars: TypeAlias = float
    DollarsPerJoule: TypeAlias = float
    Volts: TypeAlias = float
    Ratio: TypeAlias = float
    Share: TypeAlias = float
    Samples: TypeAlias = float
else:
    Tokens = Annotated[float, BeforeValidator(_of_tokens), Field(gt=0)]
    DollarsPerHour = Annotated[float, stated("USD/h", short="USD"), Field(ge=0, json_schema_extra={"unit": "USD/h"})]
    DollarsPerKilowattHour = Annotated[float, stated("USD/kWh"), Field(ge=0, json_schema_extra={"unit": "USD/kWh"})]
    GramsPerKilowattHour = Annotated[float, stated("g/kWh"), Field(ge=0, json_schema_extra={"unit": "g/kWh"})]
    Years = Annotated[float, stated("years"), Field(gt=0, json_schema_extra={"unit": "years"})]
    Bytes = _quantity("B")
    BytesPerSecond = _quantity("B/s", positive=True)
    OperationsPerSecond = _quantity("FLOP/s", positive=True)
    Seconds = _quantity("s")
    PositiveSeconds = _quantity("s", positive=True)
    PositiveWatts = _quantity("W", positive=True)
    Watts = _quantity("W")
    Joules = _quantity("J")
    JoulesPerByte = _quantity("J/B")
    JoulesPerOperation = _quantity("J/FLOP")
    Hertz = _quantity("Hz", positive=True)
    SquareMetres = _quantity("m2", positive=True)
    Metres = _quantity("m", positive=True)
    Dollars = _quantity("USD")
    DollarsPerJoule = _quantity("USD/J")
    Volts = _quantity("V")
    Ratio = _quantity("1", positive=True)
    Share = _quantity("fraction")
    Samples = _quantity("sample")
