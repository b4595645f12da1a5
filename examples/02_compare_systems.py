"""One training step on three generations of devices, side by side."""

import slipstick

PLAN = "tp=8,pp=8,interleave=2,sp=true"

reports = [
    slipstick.estimate("gpt3-175b", f"{device}:64", PLAN, batch=64)
    for device in ("a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb")
]
print(slipstick.compare(*reports).table(width=140))
