"""FLOPs and parameters against torch's own counter on a small network of plain torch modules, without memory."""

from __future__ import annotations

from typing import Any

import pytest

from slipstick.core.workload import Phase
from slipstick.networks.decoder.huggingface import from_config
from slipstick.networks.decoder.operations import backward

torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

B, S, H, HEADS, KV, D, F, V, LAYERS = 2, 32, 64, 8, 2, 16, 96, 200, 3
CONFIG = {
    "model_type": "llama",
    "hidden_size": H,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV,
    "head_dim": D,
    "intermediate_size": F,
    "vocab_size": V,
}


def _network() -> Any:
    nn = torch.nn

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList([nn.RMSNorm(H), nn.RMSNorm(H)])
            self.q, self.k, self.v = (nn.Linear(H, n * D, bias=False) for n in (HEADS, KV, KV))
            self.out = nn.Linear(HEADS * D, H, bias=False)
            self.gate, self.up = nn.Linear(H, F, bias=False), nn.Linear(H, F, bias=False)
            self.down = nn.Linear(F, H, bias=False)

        def forward(self, x: Any) -> Any:
            y = self.norms[0](x)
            q, k, v = (p(y).view(B, S, -1, D).transpose(1, 2) for p in (self.q, self.k, self.v))
            k, v = (t.repeat_interleave(HEADS // KV, dim=1) for t in (k, v))
            seen = torch.softmax(q @ k.transpose(2, 3), dim=-1) @ v
            x = x + self.out(seen.transpose(1, 2).reshape(B, S, HEADS * D))
            y = self.norms[1](x)
            return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))

    return nn.Sequential(
        nn.Embedding(V, H), *(Layer() for _ in range(LAYERS)), nn.RMSNorm(H), nn.Linear(H, V, bias=False)
    )


def test_forward_and_backward() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model, tokens = _network(), torch.zeros((B, S), dtype=torch.long)
    ours = from_config(CONFIG)
    assert ours.parameters == sum(p.numel() for p in model.parameters())
    ops = [op for op in ours.ops(Phase.TRAIN, B, S, S) if op.kind in ("matmul", "attention")]
    with FlopCounterMode(display=False) as forward:
        result = model(tokens)
    assert sum(op.flops * op.count for op in ops) == forward.get_total_flops()
    with FlopCounterMode(display=False) as gradients:
        result.sum().backward()
    assert sum(g.flops * g.count for op in ops for g in backward(op)) == gradients.get_total_flops()
