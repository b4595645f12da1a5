"""GNMT in torch: LSTM encoder and decoder with attention between them, wired as in MLPerf's reference."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TranslatorAttention(nn.Module):
    """Normalised additive attention (Bahdanau et al. 1409.0473; Salimans & Kingma 1602.07868 for the scale)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.score = nn.Parameter(torch.empty(width).normal_(std=width**-0.5))
        self.scale = nn.Parameter(torch.full((1,), width**-0.5))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, asked: Tensor, encoded: Tensor) -> Tensor:
        """Return the attention (N, T, width) of queries (N, T, width) to keys (N, S, width)."""
        pairs = self.query(asked)[:, :, None, :] + self.key(encoded)[:, None, :, :] + self.bias
        scores = torch.tanh(pairs) @ (self.score / self.score.norm() * self.scale)
        return functional.softmax(scores, -1) @ encoded


class _Translator(nn.Module):
    """Translator with encoder and decoder of `depth` LSTM layers each (Wu et al. 1609.08144, figure 1).

    Examples
    --------
    >>> with torch.device("meta"):
    ...     net = _Translator(4, 1024, 31794)
    >>> sum(p.numel() for p in net.parameters())
    159593523
    """

    def __init__(self, depth: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.first = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.encoder = nn.ModuleList(
            nn.LSTM(width * (2 if layer == 1 else 1), width, batch_first=True) for layer in range(1, depth)
        )
        self.asking = nn.LSTM(width, width, batch_first=True)
        self.attention = TranslatorAttention(width)
        self.decoder = nn.ModuleList(nn.LSTM(2 * width, width, batch_first=True) for _ in range(1, depth))
        self.classifier = nn.Linear(width, vocabulary)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return logits (N, T, vocabulary) of source tokens (N, S) and target tokens (N, T)."""
        x, _ = self.first(self.embedding(source))
        for number, layer in enumerate(self.encoder):
            y, _ = layer(x)
            x = x + y if number else y
        z, _ = self.asking(self.embedding(target))
        context = self.attention(z, x)
        for number, layer in enumerate(self.decoder):
            y, _ = layer(torch.cat([z, context], -1))
            z = z + y if number else y
        return self.classifier(z)  # type: ignore[no-any-return]
