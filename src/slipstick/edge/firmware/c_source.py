"""C text of a network: constant arrays, the kernels' structs, and `network_run` that calls one kernel after another.

Identifiers are made of numbers; what a file's author chose appears in comments only, without special characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from slipstick.core.arrays import AnyArray
from slipstick.core.version import __version__
from slipstick.edge.firmware.arena_plan import ArenaPlan
from slipstick.edge.firmware.c_values import c_array, c_struct, comment
from slipstick.edge.firmware.kernel_choice import KernelUse
from slipstick.edge.firmware.lowering import LoweredNetwork, Quantisation

_NULL = "(void *)0"


@dataclass(frozen=True, eq=False)
class NetworkSource:
    """C text of a network and the bytes of its constants.

    Parameters
    ----------
    arrays, structs : bytes of constant arrays, equal ones counted once, and of the kernels' structs.
    """

    header: str
    source: str
    arrays: int
    structs: int


def network_source(network: LoweredNetwork, uses: Sequence[KernelUse], plan: ArenaPlan) -> NetworkSource:
    """Return network.h and network.c.

    Errors
    ------
    SlipstickError naming the operator, for sizes beyond the kernels' fields.
    """
    constants = _Constants()
    structs, calls = [], []
    for place, use in enumerate(uses):
        names = {name: constants.name_of(array) for name, array in use.arrays.items()}
        fields = use.fields(names)
        structs.append(f"static const {use.kernel.struct} layer_{place} = {c_struct(fields)};\n")
        calls.append(_call(place, use, names, plan))
    parts = [
        _banner(network),
        '#include "network.h"\n#include "nn.h"\n',
        _PRELUDE,
        *constants.texts,
        *structs,
        f"static NN_ALIGNED int8_t arena[NETWORK_ARENA_BYTES];\n\n{_ends(network, plan)}",
        _run(calls),
    ]
    return NetworkSource(
        _header(network, plan), "\n".join(parts), constants.bytes, sum(use.struct_bytes for use in uses)
    )


@dataclass
class _Constants:
    """Constant arrays by content, so that equal ones are stored once."""

    texts: list[str] = field(default_factory=list)
    bytes: int = 0
    _names: dict[bytes, str] = field(default_factory=dict)

    def name_of(self, array: AnyArray) -> str:
        """Return the C name of an array, which is defined at its first use."""
        key = hashlib.sha256(f"{array.dtype}".encode() + array.tobytes()).digest()
        if key not in self._names:
            self._names[key] = f"data_{len(self._names)}"
            self.texts.append(c_array(self._names[key], array))
            self.bytes += -(-array.nbytes // 4) * 4
        return self._names[key]


_PRELUDE = """\
#if defined(__GNUC__)
#define NN_ALIGNED __attribute__((aligned(4)))
#else
#define NN_ALIGNED
#endif
#define NN_CONST static const NN_ALIGNED
"""


def _banner(network: LoweredNetwork) -> str:
    return f"/* {comment(network.name)}: int8 inference, written by slipstick {__version__}. Not edited by hand. */\n"


def _header(network: LoweredNetwork, plan: ArenaPlan) -> str:
    sizes = {"INPUT": network.sizes[network.input], "OUTPUT": network.sizes[network.output]}
    ends = {"INPUT": (network.input_codes, network.moved[0]), "OUTPUT": (network.output_codes, network.moved[1])}
    defines = [f"#define NETWORK_{end}_BYTES {size}" for end, size in sizes.items()]
    defines.append(f"#define NETWORK_ARENA_BYTES {plan.size}")
    for end, (codes, moved) in ends.items():
        defines += _code_defines(end, codes, moved)
    return _HEADER.replace("@BANNER@", _banner(network).strip()).replace("@DEFINES@", "\n".join(defines))


def _code_defines(end: str, codes: Quantisation, moved: int) -> list[str]:
    note = " /* codes here are those of the uint8 file less 128 */" if moved else ""
    return [
        f"#define NETWORK_{end}_SCALE {codes.scale:.9g}{note}",
        f"#define NETWORK_{end}_ZERO_POINT ({codes.zero_point})",
    ]


_HEADER = """\
@BANNER@
#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A real number is SCALE * (code - ZERO_POINT). The arena holds input, output and everything between. */
@DEFINES@

/* Run the network on NETWORK_INPUT_BYTES codes, rows first, channels last; write NETWORK_OUTPUT_BYTES codes.
   Returns 0, or -1 for a null pointer. One inference at a time: the arena is static. Inputs that are written to
   network_input(), and outputs that are read from network_output(), are not copied; a run overwrites them. */
int network_run(const int8_t *input, int8_t *output);
int8_t *network_input(void);
int8_t *network_output(void);

#ifdef __cplusplus
}
#endif

#endif
"""


def _ends(network: LoweredNetwork, plan: ArenaPlan) -> str:
    offsets = {"input": plan.tensors[network.input], "output": plan.tensors[network.output]}
    return "\n".join(f"int8_t *network_{end}(void) {{ return arena + {at}; }}" for end, at in offsets.items()) + "\n"


def _call(place: int, use: KernelUse, names: Mapping[str, str], plan: ArenaPlan) -> str:
    inputs = [f"arena + {plan.tensors[tensor]}" for tensor in use.call.inputs]
    scratch = f"arena + {plan.scratch[place]}" if place in plan.scratch else _NULL
    weights = [names["weights"]] if "weights" in names else []
    arguments = [f"&layer_{place}", *weights, *inputs, f"arena + {plan.tensors[use.call.output]}", scratch]
    remark = f"{use.call.operator}: {comment(use.call.tensor_name)}"
    return f"  /* {remark} */\n  {use.kernel.symbol}({', '.join(arguments)});\n"


def _run(calls: Sequence[str]) -> str:
    return _RUN.replace("@CALLS@", "".join(calls))


_RUN = """\
static void copy(int8_t *to, const int8_t *from, uint32_t count) {
  if (to != from) {
    for (uint32_t i = 0; i < count; i++) {
      to[i] = from[i];
    }
  }
}

int network_run(const int8_t *input, int8_t *output) {
  if (!input || !output) {
    return -1;
  }
  copy(network_input(), input, NETWORK_INPUT_BYTES);
@CALLS@  copy(output, network_output(), NETWORK_OUTPUT_BYTES);
  return 0;
}
"""
