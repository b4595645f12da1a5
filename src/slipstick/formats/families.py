"""Families of built-in encodings and arithmetics, with the texts that the conformance suites test."""

from __future__ import annotations

from typing import get_args

from slipstick.core.device_kinds import Element
from slipstick.formats.arithmetic.analog import Analog
from slipstick.formats.arithmetic.approximate import Approximate
from slipstick.formats.arithmetic.bit_serial import BitSerial
from slipstick.formats.arithmetic.exact import Exact
from slipstick.formats.arithmetic.stochastic import Stochastic
from slipstick.formats.binary import Binary
from slipstick.formats.floating import NAMES, Float
from slipstick.formats.integer import Int
from slipstick.formats.multipliers.find_multiplier import _is_multiplier
from slipstick.formats.pool import Pool
from slipstick.formats.registry import ARITHMETICS, ENCODINGS, FormatFamily, _flag, _number, _word, built_by, whole
from slipstick.formats.swis import Swis
from slipstick.formats.truncate import Round, Truncate

_FLOAT_ALIASES = {
    "fp32": ("float32", "float"),
    "tf32": (),
    "bf16": ("bfloat16",),
    "fp16": ("float16", "half"),
    "fp8": ("fp8_e4m3", "e4m3", "float8_e4m3fn"),
    "fp8_e5m2": ("e5m2", "float8_e5m2"),
    "fp4": ("fp4_e2m1", "e2m1"),
}


def _register_encodings() -> None:
    ENCODINGS.register(
        FormatFamily(
            "int",
            Int,
            {"bits": whole, "symmetric": _flag, "axis": whole},
            (
                "int2",
                "int3",
                "int4",
                "int8",
                "int8:axis=0",
                "int8:symmetric=false",
                "int5:symmetric=false,axis=0",
                "int16",
            ),
        )
    )
    for name in NAMES:
        ENCODINGS.register(
            FormatFamily(name, (lambda kind: lambda: Float(kind))(name), {}, (name,), _FLOAT_ALIASES.get(name, ()))
        )
    ENCODINGS.register(FormatFamily("binary", Binary, {}, ("binary",)))
    ENCODINGS.register(FormatFamily("truncate", Truncate, {"bits": whole}, ("truncate:2", "truncate:4", "truncate:7")))
    ENCODINGS.register(FormatFamily("round", Round, {"bits": whole}, ("round:1", "round:4", "round:7")))
    ENCODINGS.register(
        FormatFamily(
            "swis",
            Swis,
            {"shifts": whole, "group": whole, "consecutive": _flag, "alpha": _number, "bits": whole, "layout": _word},
            (
                "swis:3",
                "swis:shifts=2,group=4",
                "swis:4,group=16,layout=positions",
                "swis:3,consecutive=true",
                "swis:2,consecutive=true,layout=positions,bits=8",
                "swis:3,alpha=1.0",
                "swis:7,group=5",
            ),
        )
    )
    ENCODINGS.register(
        FormatFamily(
            "pool",
            Pool,
            {"size": whole, "vector": whole, "index_bits": whole, "metric": _word, "kind": _word, "label": _word},
            (
                "pool:size=64,vector=8",
                "pool:16,4",
                "pool:size=32,vector=8,index_bits=8,metric=cosine",
                "pool:size=64,vector=9,kind=xy",
                "pool:size=64,vector=8,label=a",
            ),
        )
    )


def _register_arithmetics() -> None:
    serial = [element for element in get_args(Element) if element != "parallel"]
    ARITHMETICS.register(FormatFamily("exact", Exact, {}, ("exact",)))
    ARITHMETICS.register(
        FormatFamily(
            "bit_serial",
            BitSerial,
            {"element": _word, "lanes": whole},
            (*(f"bit_serial:element={element}" for element in serial), "bit_serial", "bit_serial:lanes=4"),
        )
    )
    ARITHMETICS.register(
        FormatFamily(
            "multiplier",
            Approximate.of,
            {"operands": _word},
            ("mul7u_09Y", "mul8s_1L2H", "mul8s_1KVL", "mul8u_FTA", "mul8u_185Q"),
            opens=_is_multiplier,
        )
    )
    ARITHMETICS.register(
        FormatFamily(
            "stochastic",
            Stochastic,
            {
                "length": whole, "count": _word, "generator": _word, "seeds": _word, "binary": _word, "depth": whole,
                "unit": whole, "wait": whole,
            },
            (
                "stochastic:length=32",
                "stochastic:length=128,count=or2",
                "stochastic:length=8,count=or3,generator=xor",
                "stochastic:length=64,count=binary,generator=sobol",
                "stochastic:length=256,count=mux,generator=accurate",
                "stochastic:length=16,generator=acc,binary=yz,depth=4",
                "stochastic:length=32,generator=random,seeds=separate,unit=2,wait=2",
            ),
            synonyms={"accumulate": "count"},
        )
    )  # fmt: skip

    ARITHMETICS.register(
        FormatFamily(
            "analog",
            Analog,
            {
                "rows": whole, "adc_bits": whole, "columns": _word, "adc_range": _number, "dac_bits": whole,
                "slices": whole, "companding": _number, "read_noise": _number, "weight_noise": _number,
                "drift": _number, "age": _number, "seed": whole,
            },
            (
                "analog:rows=9,adc_bits=4,adc_range=0.3",
                "analog:adc_range=0.1",
                "analog:rows=32,columns=separate,adc_bits=1",
                "analog:rows=16,adc_bits=5,dac_bits=4,slices=3,adc_range=0.25",
                "analog:companding=15,adc_range=0.2",
            ),
        )
    )  # fmt: skip


def _register_domains() -> None:
    """Register the arithmetics of domains above `formats`, whose modules are imported when a text asks for them."""
    ARITHMETICS.register(
        FormatFamily(
            "correlator",
            built_by("slipstick.optics.correlator_arithmetic:OpticalCorrelation"),
            {
                "guard": _word, "dac_bits": whole, "adc_bits": whole, "depth": whole, "readout": _word,
                "adc_range": _number, "waveguides": whole, "taps": whole, "strides": _word, "inputs": _word,
                "field": whole, "snr": _number, "seed": whole,
            },
            (
                "correlator",
                "correlator:guard=shared,dac_bits=6,adc_bits=10,depth=4,adc_range=0.3",
                "correlator:depth=1,waveguides=16,taps=4",
                "correlator:readout=square_sqrt,adc_range=0.5",
                "correlator:readout=square_integrate,depth=8",
            ),
        )
    )  # fmt: skip


_register_encodings()
_register_arithmetics()
_register_domains()
