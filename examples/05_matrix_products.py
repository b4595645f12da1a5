"""What bounds each matrix product of a training step on one device, and how much of the time goes there."""

from collections import defaultdict

import slipstick

table = slipstick.ops("llama-3.1-8b", "h100-sxm-80gb:8", "tp=8,sp=true", batch=8).breakdowns["ops"]
names = [column.name for column in table.columns]
seconds: dict[str, float] = defaultdict(float)
for cells in table.rows:
    row = dict(zip(names, cells, strict=True))
    if row["kind"] == "matmul":
        print(
            f"{row['op']:24} {row['m']:>6} x {row['n']:>6} x {row['k']:>6}  {1e6 * row['time']:8.1f} us  {row['bound']}"
        )
    seconds[f"{row['kind']}, bound by {row['bound']}"] += row["count"] * row["time"]
for what, time in sorted(seconds.items(), key=lambda item: -item[1]):
    print(f"{what:32} {1e3 * time:8.2f} ms a microbatch")
