"""LiteRT, the independent oracle of integer networks: its reference kernels, without delegates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def litert(raw: bytes, batch: Any) -> Any:
    """Return the outputs of LiteRT's reference kernels for each image of a batch; skip where it is not installed."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    kind = interpreter.OpResolverType.BUILTIN_REF
    made = interpreter.Interpreter(model_content=raw, experimental_op_resolver_type=kind, num_threads=1)
    made.allocate_tensors()
    source, sink = made.get_input_details()[0]["index"], made.get_output_details()[0]["index"]
    outputs = []
    for image in batch:
        made.set_tensor(source, image[None])
        made.invoke()
        outputs.append(made.get_tensor(sink).copy())
    return np.concatenate(outputs)


def noise(network: Any, count: int, seed: int = 0) -> Any:
    """Return random codes (or numbers in -1 to 1) for the network's input."""
    source, rng = network.tensors[network.input], np.random.default_rng(seed)
    shape = (count, *source.shape[1:])
    if source.dtype == np.float32:
        return rng.uniform(-1, 1, shape).astype(np.float32)
    info = np.iinfo(source.dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(source.dtype)
