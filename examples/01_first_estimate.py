"""A published model file on eight H100s: time, memory and what bounds them."""

from pathlib import Path

import slipstick

CONFIG = Path(__file__).parent / "configs" / "Qwen--Qwen3-8B" / "config.json"

report = slipstick.estimate(CONFIG, "h100-sxm-80gb:8", "tp=4,sp=true,zero=1", batch=8, sequence=4096)
print(report.title)
print("bottleneck:", report.bottleneck)
for path, metric in report.flat().items():
    print(f"{path:40} {metric.text:>18}  {metric.how}")
