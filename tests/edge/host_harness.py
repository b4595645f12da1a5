"""Kernels compiled for the host, with its sanitizers where it has them."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from slipstick.edge.kernels.harness import Case, harness_files, harness_text
from slipstick.edge.kernels.kernel import SOURCES

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wundef", "-Wshadow", "-Werror"]


def host_outputs(
    folder: Path, cases: Sequence[Case], inputs: Sequence[Sequence[np.ndarray]], sizes: Sequence[int]
) -> list[bytes]:
    """Return the output bytes of each case, by the portable sources on the host under both sanitizers."""
    text = [harness_text(cases), "#include <stdio.h>", "#include <stdlib.h>"]
    text.append("static void *taken(size_t n) {\n  void *p = malloc(n ? n : 1);")
    text.append("  if (fread(p, 1, n, stdin) != n) exit(3);\n  return p;\n}")
    text.append("int main(void) {")
    for place, (case, arrays, size) in enumerate(zip(cases, inputs, sizes, strict=True)):
        names = ["a", "b"][: len(arrays)]
        reads = " ".join(f"void *{name} = taken({array.nbytes});" for name, array in zip(names, arrays, strict=True))
        scratch = case.kernel.scratch_bytes(case.layer)
        text.append(f"  {{ {reads} void *o = malloc({size}), *s = malloc({max(scratch, 1)});")
        text.append(f"    case_{place}({', '.join(names)}, o, s); fwrite(o, 1, {size}, stdout);")
        text.append(f"    {' '.join(f'free({name});' for name in [*names, 'o', 's'])} }}")
    (folder / "host.c").write_text("\n".join([*text, "  return 0;", "}", ""]))
    compiler = shutil.which("cc")
    assert compiler
    sanitizers = ["-fsanitize=undefined,address", "-fno-sanitize-recover=all"]
    command = [compiler, "-std=c99", "-O1", *WARNINGS, *sanitizers, f"-I{SOURCES}"]
    command += [str(folder / "host.c"), *map(str, harness_files(cases)), "-o", str(folder / "host")]
    subprocess.run(command, check=True, timeout=120)
    given = b"".join(array.tobytes() for arrays in inputs for array in arrays)
    ran = subprocess.run([str(folder / "host")], input=given, capture_output=True, check=True, timeout=60)
    ends = np.cumsum([0, *sizes])
    assert len(ran.stdout) == ends[-1]
    return [ran.stdout[start:end] for start, end in itertools.pairwise(ends)]
