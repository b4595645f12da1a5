"""C text of a network: constant arrays, the kernels' structs, and `network_run` that calls one kernel after another.

Identifiers are made of numbers; what a file's author chose appears in comments only, without special characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from slipstick.core.arrays import AnyArray
from slipstick.core.version import __version__
from slipstick.edge.firmware.arena_plan import ArenaPlan, _state_bytes
from slipstick.edge.firmware.c_values import _c_array, c_struct, comment
from slipstick.edge.firmware.kernel_choice import KernelUse
from slipstick.edge.firmware.lowering import CodeScale, LoweredNetwork

_NULL = "0"
_STEP_BYTES = 28  # of a call in the table of steps: six pointers and the kernel's number


@dataclass(frozen=True, eq=False)
class NetworkSource:
    """C text of a network and the bytes of its constants.

    Parameters
    ----------
    arrays : bytes of constant arrays, equal ones counted once.
    structs : bytes of the kernels' structs and of the table of steps.
    """

    header: str
    source: str
    arrays: int
    structs: int


def _network_source(network: LoweredNetwork, uses: Sequence[KernelUse], plan: ArenaPlan) -> NetworkSource:
    """Return network.h and network.c.

    Errors
    ------
    SlipstickError naming the operator, for sizes beyond the kernels' fields.
    """
    constants = _Constants()
    steps = []
    offsets = plan.layout.scratch
    for place, use in enumerate(uses):
        names = {name: constants.name_of(array) for name, array in use.arrays.items()}
        struct = constants.struct_of(use.kernel.struct, c_struct(use.fields(names)), use.struct_bytes)
        scratch = f"arena + {offsets[place]}" if place in offsets else _NULL
        steps.append(_step(use, scratch, struct, names, plan))
    parts = [
        _banner(network),
        "".join(
            f'#include "{name}"\n' for name in ["network.h", *sorted({"nn.h", *(use.kernel.header for use in uses)})]
        ),
        _PRELUDE,
        *constants.texts,
        *constants.structs,
        "static NN_ALIGNED int8_t arena[NETWORK_ARENA_BYTES];\n" + _STATE * bool(network.states),
        _ends(network, plan),
        _run(uses, steps),
    ]
    return NetworkSource(
        _header(network, plan), "\n".join(parts), constants.size, constants.struct_size + _STEP_BYTES * len(uses)
    )


@dataclass
class _Constants:
    """Constant arrays and structs by content, so that equal ones are stored once."""

    texts: list[str] = field(default_factory=list)
    size: int = 0  # bytes, each array filled up to words
    structs: list[str] = field(default_factory=list)
    struct_size: int = 0
    _names: dict[bytes, str] = field(default_factory=dict)
    _struct_names: dict[str, str] = field(default_factory=dict)

    def struct_of(self, kind: str, text: str, size: int) -> str:
        """Return the C name of a struct of a kernel, which is defined at its first use."""
        key = f"{kind} {text}"
        if key not in self._struct_names:
            name = self._struct_names[key] = f"layer_{len(self._struct_names)}"
            self.structs.append(f"static const {kind} {name} = {text};\n")
            self.struct_size += size
        return self._struct_names[key]

    def name_of(self, array: AnyArray) -> str:
        """Return the C name of an array, which is defined at its first use."""
        key = hashlib.sha256(f"{array.dtype}".encode() + array.tobytes()).digest()
        if key not in self._names:
            self._names[key] = f"data_{len(self._names)}"
            self.texts.append(_c_array(self._names[key], array))
            self.size += -(-array.nbytes // 4) * 4
        return self._names[key]


_STATE = "static NN_ALIGNED int8_t state[NETWORK_STATE_BYTES];\n"
_PRELUDE = """\
#if defined(__GNUC__)
#define NN_ALIGNED __attribute__((aligned(4)))
#define NN_APART __attribute__((noinline))
#else
#define NN_ALIGNED
#define NN_APART
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
    if network.states:
        defines.append(f"#define NETWORK_STATE_BYTES {_state_bytes(network)}")
    defines.append(f"#define NETWORK_FRAMES {network.frames}{_STREAM_NOTE * (network.frames > 1)}")
    for end, (codes, moved) in ends.items():
        defines += _code_defines(end, codes, moved)
    return _HEADER.replace("@BANNER@", _banner(network).strip()).replace("@DEFINES@", "\n".join(defines))


_STREAM_NOTE = " /* a stream: each call takes one of so many; outputs count once the last so many were given */"


def _code_defines(end: str, codes: CodeScale, moved: int) -> list[str]:
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
    offsets = {"input": plan.offset(network.input), "output": plan.offset(network.output)}
    return "\n".join(f"int8_t *network_{end}(void) {{ return arena + {at}; }}" for end, at in offsets.items()) + "\n"


def _step(use: KernelUse, scratch: str, struct: str, names: Mapping[str, str], plan: ArenaPlan) -> str:
    """Return one row of the table of steps."""
    first, *second = [plan.address(tensor) for tensor in use.call.inputs]
    fields = [f"&{struct}", names.get("weights", _NULL), first, *(second or [_NULL])]
    fields += [plan.address(use.call.output), scratch, f"RUN_{use.kernel.symbol.upper()}"]
    remark = f"{use.call.operator}: {comment(use.call.tensor_name)}"
    return f"    {{{', '.join(fields)}}}, /* {remark} */\n"


def _run(uses: Sequence[KernelUse], steps: Sequence[str]) -> str:
    """Return the table of steps and `network_run`, which calls the kernel of each."""
    kernels = {use.kernel.symbol: len(use.call.inputs) for use in uses}
    with_weights = {use.kernel.symbol for use in uses if "weights" in use.arrays}
    cases = "".join(_case(symbol, count, symbol in with_weights) for symbol, count in kernels.items())
    names = ", ".join(f"RUN_{symbol.upper()}" for symbol in kernels)
    return _RUN.replace("@KERNELS@", names).replace("@STEPS@", "".join(steps)).replace("@CASES@", cases)


def _case(symbol: str, inputs: int, weights: bool) -> str:
    """Return the case of a kernel in `network_run`."""
    arguments = [
        "s->layer",
        *["s->weights"] * weights,
        "s->input",
        *["s->second"] * (inputs - 1),
        "s->output",
        "s->scratch",
    ]
    return f"      case RUN_{symbol.upper()}: {symbol}({', '.join(arguments)}); break;\n"


_RUN = """\
enum { @KERNELS@ };

/* Calls of kernels in their order; the remark is the operator's place and its output's name in the network's file. */
typedef struct {
  const void *layer, *weights;
  const int8_t *input, *second;
  int8_t *output;
  void *scratch;
  uint8_t kernel;
} step;

static const step steps[] = {
@STEPS@};

NN_APART static void copy(int8_t *to, const int8_t *from, uint32_t count) {
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
  for (const step *s = steps; s < steps + sizeof(steps) / sizeof(steps[0]); s++) {
    switch (s->kernel) {
@CASES@      default: return -1;
    }
  }
  copy(output, network_output(), NETWORK_OUTPUT_BYTES);
  return 0;
}
"""
