"""BigLSTM as an operator graph: a language model with most of its parameters in the vocabulary."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.operator_graph import OperatorGraph
from slipstick.networks.graphs.recurrent import Lstm, Size, _blocks, _product, lookup, softmax


class BigLstm(OperatorGraph):
    """BigLSTM language model: LSTM layers with projection (Jozefowicz et al. 1602.02410, table 1: LSTM-8192-1024).

    In training the softmax is sampled: one set of `samples` words for the batch. Each node of the graph is a `block`
    of time steps.

    Examples
    --------
    >>> net = BigLstm(name="big-lstm", vocabulary=793471, samples=8192)
    >>> round(net.parameters / 1e9, 1)
    1.8
    """

    graph: Literal["big-lstm"] = "big-lstm"
    lstm_layers: Annotated[int, Field(gt=0, le=100)] = Field(default=2, description="Projected LSTM layers")
    hidden: Size = Field(default=8192, description="Cells of each layer")
    projected: Size = Field(default=1024, description="Width that the cells are projected to, and of the embeddings")
    vocabulary: Size = Field(description="Words of the embedding and of the softmax")
    samples: Size = Field(description="Words that the sampled softmax of training draws for a batch")
    length: Size = Field(default=20, description="Time steps that are unrolled (the paper, section 4)")
    block: Size = Field(
        default=10, description="Time steps of one node; assumed: two blocks, so that two devices share a sequence"
    )

    @property
    def max_positions(self) -> int:
        """Number of tokens (unrolled time steps) of one sequence, `length`."""
        return self.length

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for `sequence` tokens; inference computes the logits of all words."""
        layers = [Lstm(f"lstm{i}", self.projected, self.hidden, self.projected) for i in range(self.lstm_layers)]
        words = self.samples if phase is Phase.TRAIN else self.vocabulary
        ops: list[Op] = []
        for number, steps in enumerate(_blocks(sequence, self.block)):
            ops.append(lookup(f"embedding.{number}", "embedding", self.vocabulary, self.projected, steps))
            for layer in layers:
                ops.append(layer.block(number, steps, ((ops[-1].name, ops[-1].outputs),)))
            ops += self._softmax(number, steps, words, ops[-1].name)
        return ops

    def _softmax(self, number: int, steps: int, words: int, before: str) -> list[Op]:
        """Return the logits and softmax of a block of time steps; the whole table counts as weights."""
        table = float(self.vocabulary * (self.projected + 1))
        logits = _product(f"softmax.{number}", steps, words, self.projected)
        logits = replace(logits, weights=table, after=(before,), colocate="softmax")
        return [logits, softmax(f"loss.{number}", steps, words, logits.name)]
