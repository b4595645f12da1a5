"""GNMT as an operator graph: translation by LSTM layers with attention between encoder and decoder."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.operator_graph import OperatorGraph
from slipstick.networks.graphs.recurrent import Lstm, Size, _blocks, _pointwise, _product, lookup, softmax

_Edges = tuple[tuple[str, float], ...]  # operations that are read, and the elements of each


class Gnmt(OperatorGraph):
    """GNMT: encoder and decoder of LSTM layers (Wu et al. 1609.08144, figure 1), wired as in MLPerf's reference.

    The encoder's first layer runs in both directions; from the third layer on a layer adds its input; the decoder's
    first layer queries the attention (Bahdanau et al. 1409.0473, normalised), whose context all later layers read
    with their input. Source and target share one table of embeddings. Each node of the graph is a `block` of time
    steps.

    Examples
    --------
    >>> Gnmt(name="mlperf", depth=4, vocabulary=31794).parameters
    159593523
    """

    graph: Literal["gnmt"] = "gnmt"
    depth: Annotated[int, Field(ge=2, le=100)] = Field(
        default=8, description="LSTM layers of the encoder, and of the decoder"
    )
    hidden: Size = Field(default=1024, description="Cells of each layer, and the width of the embeddings")
    vocabulary: Size = Field(description="Words of the table that source and target share")
    length: Size = Field(default=32, description="Tokens of a sentence, source and target alike; assumed")
    block: Size = Field(
        default=8, description="Time steps of one node; assumed: four blocks, so that four devices share a sentence"
    )

    @property
    def max_positions(self) -> int:
        """Number of tokens of one sentence, `length`."""
        return self.length

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for a sentence of `sequence` tokens, and a translation of equal length."""
        steps = _blocks(sequence, self.block)
        encoder = self._encoder(steps)
        encoded = [op for op in encoder if op.colocate == f"encoder.lstm{self.depth - 1}"]
        keys = self._keys(sequence, encoded)
        return [*encoder, keys, *self._decoder(steps, sequence, [keys, *encoded])]

    def _encoder(self, steps: list[int]) -> list[Op]:
        """Return the encoder, in blocks of time steps: both directions of the first layer, then the other layers."""
        width, last = self.hidden, len(steps) - 1
        ops = [self._lookup("encoder", number, count) for number, count in enumerate(steps)]
        sources: list[_Edges] = [((op.name, op.outputs),) for op in ops]
        ahead = Lstm("encoder.lstm0", width, width)
        back = Lstm("encoder.lstm0_reverse", width, width)
        first = [ahead.block(number, count, sources[number]) for number, count in enumerate(steps)]
        # the reverse direction's first block is the sentence's last
        second = [back.block(number, steps[last - number], sources[last - number]) for number in range(len(steps))]
        ops += [*first, *second]
        sources = [((op.name, op.outputs), (second[last - n].name, op.outputs)) for n, op in enumerate(first)]
        for depth in range(1, self.depth):
            layer = Lstm(f"encoder.lstm{depth}", width * (2 if depth == 1 else 1), width, residual=depth > 1)
            level = [layer.block(number, count, sources[number]) for number, count in enumerate(steps)]
            ops += level
            sources = [((op.name, op.outputs),) for op in level]
        return ops

    def _keys(self, sequence: int, encoded: list[Op]) -> Op:
        """Return the product that computes the attention keys from the encoder's last layer, once per sentence."""
        keys = _product("attention.keys", sequence, self.hidden, self.hidden)
        return replace(keys, after=tuple(op.name for op in encoded))

    def _decoder(self, steps: list[int], sequence: int, memory: list[Op]) -> list[Op]:
        """Return the decoder, in blocks of time steps: embedding, first layer, attention, later layers, classifier."""
        width = self.hidden
        layers = [Lstm(f"decoder.lstm{d}", width * (2 if d else 1), width, residual=d > 1) for d in range(self.depth)]
        ops: list[Op] = []
        for number, count in enumerate(steps):
            size = float(count * width)
            ops.append(self._lookup("decoder", number, count))
            ops.append(layers[0].block(number, count, ((ops[-1].name, size),)))
            ops.append(self._attention(number, count, sequence, memory, ops[-1].name))
            below, context = ops[-2].name, ops[-1].name
            for layer in layers[1:]:
                ops.append(layer.block(number, count, ((below, size), (context, size))))
                below = ops[-1].name
            ops += self._classifier(number, count, below)
        return ops

    def _attention(self, number: int, steps: int, sequence: int, memory: list[Op], queries: str) -> Op:
        """Return a block's attention over the whole sentence: v . tanh(query + key), softmax, weighted sum.

        `memory` is the keys and the encoder's last layer; `queries` names the layer that gives the queries.
        """
        name, width, pairs = f"attention.{number}", self.hidden, steps * sequence
        encoded = float(sequence * width)
        context = {"m": steps, "n": width, "k": sequence, "batch": 1}
        parts = (
            _product(f"{name}.query", steps, width, width),
            _pointwise(f"{name}.tanh", pairs * width + (steps + sequence) * width, 2 * pairs * width),
            _product(f"{name}.scores", pairs, 1, width),
            Op(f"{name}.softmax", "softmax", {"m": steps, "n": sequence}, 0.0, 0.0, float(pairs), float(pairs)),
            Op(
                f"{name}.context", "attention", context, 2.0 * pairs * width, 0.0, pairs + encoded, float(steps * width)
            ),
        )
        weights = float(width * width + 2 * width + 1)  # query, v and its bias, the scale of v
        flops, size = sum(part.flops for part in parts), float(steps * width)
        after = (queries, *(op.name for op in memory))
        return Op(name, "attention", {"m": steps}, flops, weights, size + 2 * encoded, size, after=after,
                  parts=parts, colocate="attention")  # fmt: skip

    def _lookup(self, side: str, number: int, steps: int) -> Op:
        return lookup(f"{side}.embedding.{number}", "embedding", self.vocabulary, self.hidden, steps)

    def _classifier(self, number: int, steps: int, before: str) -> list[Op]:
        """Return the logits and softmax of a block of time steps."""
        dense, words = _product(f"classifier.{number}", steps, self.vocabulary, self.hidden), float(self.vocabulary)
        size = steps * words
        weights = dense.weights + words
        logits = replace(dense, weights=weights, outputs=size, after=(before,), colocate="classifier")
        return [logits, softmax(f"loss.{number}", steps, self.vocabulary, logits.name)]
