"""BigLSTM: the language model whose vocabulary is most of its parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstick.core.workload import Op, Phase
from slipstick.networks.graphs.operator_graph import OperatorGraph
from slipstick.networks.graphs.recurrent import Lstm, blocks, lookup, product

Size = Annotated[int, Field(gt=0, le=10**7)]


class BigLstm(OperatorGraph):
    """Projected LSTM layers between two vocabularies (Jozefowicz et al. 1602.02410, table 1: 2-layer LSTM-8192-1024).

    In training the softmax is sampled: one set of `samples` words for the batch. `length` is the steps that are
    unrolled where nobody says, `block` the steps of a node.

    Examples
    --------
    >>> net = BigLstm(name="big-lstm", vocabulary=793471, samples=8192)
    >>> round(net.parameters / 1e9, 1)
    1.8
    """

    graph: Literal["big-lstm"] = "big-lstm"
    lstm_layers: Annotated[int, Field(gt=0, le=100)] = 2
    hidden: Size = 8192
    projected: Size = 1024
    vocabulary: Size
    samples: Size
    length: Size = 20  # the paper's unrolled steps, section 4
    block: Size = 10  # assumed: two blocks, so that two devices can share a sequence

    @property
    def max_positions(self) -> int:
        """The steps that are unrolled."""
        return self.length

    def sample_ops(self, phase: Phase, sequence: int) -> list[Op]:
        """Return the operations for `sequence` tokens; inference computes every word's logit."""
        layers = [Lstm(f"lstm{i}", self.projected, self.hidden, self.projected) for i in range(self.lstm_layers)]
        words = self.samples if phase is Phase.TRAIN else self.vocabulary
        found: list[Op] = []
        for number, steps in enumerate(blocks(sequence, self.block)):
            found.append(lookup(f"embedding.{number}", "embedding", self.vocabulary, self.projected, steps))
            for layer in layers:
                found.append(layer.block(number, steps, ((found[-1].name, found[-1].outputs),)))
            found += self._softmax(number, steps, words, found[-1].name)
        return found

    def _softmax(self, number: int, steps: int, words: int, before: str) -> list[Op]:
        logits = product(f"softmax.{number}", steps, words, self.projected)
        held = float(self.vocabulary * (self.projected + 1))  # the whole table is held, whatever part of it is read
        size = float(steps * words)
        loss = Op(f"loss.{number}", "softmax", {"m": steps, "n": words}, 0.0, 0.0, size, size, after=(logits.name,))
        whole = Op(logits.name, logits.kind, logits.dims, logits.flops, held, logits.inputs, size, after=(before,),
                   colocate="softmax")  # fmt: skip
        return [whole, loss]
