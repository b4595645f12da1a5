"""BigLSTM in torch: LSTM layers with projection, and a sampled softmax in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class _LanguageModel(nn.Module):
    """LSTM language model (Jozefowicz et al. 1602.02410, table 1); BigLSTM: 2 layers, 8192 cells, projection 1024.

    Examples
    --------
    >>> with torch.device("meta"):
    ...     net = _LanguageModel(2, 64, 16, vocabulary=1000, samples=100)
    ...     tokens = torch.zeros(2, 5, dtype=torch.long)
    >>> net.train()(tokens, tokens).shape, net.eval()(tokens, tokens).shape
    (torch.Size([2, 5, 101]), torch.Size([2, 5, 1000]))
    """

    def __init__(self, layers: int, hidden: int, projected: int, *, vocabulary: int, samples: int) -> None:
        super().__init__()
        self.samples = samples
        self.embedding = nn.Embedding(vocabulary, projected)
        self.lstm = nn.LSTM(projected, hidden, layers, batch_first=True, proj_size=projected)
        self.softmax = nn.Linear(projected, vocabulary)

    def forward(self, tokens: Tensor, following: Tensor) -> Tensor:
        """Return logits of tokens (N, T) and the next tokens: of true and sampled words, or of all words.

        The same uniform sample serves the whole batch; the paper draws from a log-uniform distribution, which changes
        what is learnt and not what is computed.
        """
        x, _ = self.lstm(self.embedding(tokens))
        if not self.training:
            return self.softmax(x)  # type: ignore[no-any-return]
        weight, bias = self.softmax.weight, self.softmax.bias
        sampled_words = torch.randint(weight.shape[0], (self.samples,), device=x.device)
        true = (x * functional.embedding(following, weight)).sum(-1, keepdim=True) + bias[following][..., None]
        return torch.cat([true, functional.linear(x, weight[sampled_words], bias[sampled_words])], -1)
