"""A network of your own as an operator graph, from a torch module or an ONNX file: its work, its branches, its time."""

import torch
from torch import nn

import slipstick
from slipstick.networks.graphs import chains, training_graph, transfers


class TwoBranches(nn.Module):
    """A small convolutional network with two branches that could run side by side."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.wide, self.narrow = nn.Conv2d(64, 64, 5, padding=2), nn.Conv2d(64, 64, 3, padding=1)
        self.head = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) -> logits (N, 10)."""
        x = self.stem(x)
        both = torch.cat([self.wide(x).relu(), self.narrow(x).relu()], 1)
        return self.head(both.mean((2, 3)))


with torch.device("meta"):  # sizes are enough: no weight is made
    graph = slipstick.from_torch(TwoBranches().eval(), (torch.zeros(1, 3, 32, 32),), name="two branches")

print(f"{graph.name}: {graph.parameters:,} parameters")
kernels = graph.ops(slipstick.Phase.TRAIN, 64, 1, 1)  # for a batch of 64; activations run inside the convolutions
for op in kernels:
    print(f"  {op.name:10} {op.kind:10} {op.flops / 1e9:8.3f} GFLOP, {op.outputs:10,.0f} elements, after {op.after}")

nodes = chains(kernels)  # what has only one way through it is one node: placement decides about these
print(f"{len(nodes)} nodes, {sum(len(node.after) for node in nodes)} edges")
both_passes = training_graph(nodes)
edges = transfers(both_passes)
print(f"with the backward pass {len(both_passes)} nodes; the largest transfer has {max(edges.values()):,.0f} elements")

report = slipstick.estimate(graph, "a100-sxm-80gb:8", batch=8 * 64)
print(report.title, "-", report["time.step"].text, "a step;", report.bottleneck)
