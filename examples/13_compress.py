"""Train a network on scikit-learn's digits, put it into several number formats, and retrain it for the narrowest.

python examples/13_compress.py

Writes out/formats.html: accuracy against bytes and against the cycles of an array that adds instead of multiplying.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from slipstick import Retraining, ShiftSchedule, adapt, measure, train

FORMATS = "int8:axis=0|int4:axis=0|truncate:3|round:3|round:2|swis:3|swis:2|swis:1"

with TemporaryDirectory() as folder:
    net = Path(folder) / "resnet-8.safetensors"
    train("resnet-8", "digits", recipe={"epochs": 8, "rate": 0.1}, out=net)

    several = adapt(net, FORMATS, "digits", system="swis-8x8")
    table = several.breakdowns["formats"]
    for number, row in enumerate(table.rows):
        cells = [table.text(number, column) for column in (1, 2, 5, 6)]
        print(f"{row[0]:12s} accuracy {cells[0]:>7s}, change {cells[1]:>7s}, {cells[2]:>9s}, {cells[3]}")
    Path("out").mkdir(exist_ok=True)
    Path("out/formats.html").write_text(several.html(), "utf-8")

    print("\nswis:1, retrained; and with 2 shifts of each filter on average, where they matter")
    retrained = adapt(net, "swis:1", "digits", retraining=Retraining(epochs=3))
    print(f"  before {retrained['accuracy.before'].text}, rounded {retrained['accuracy.rounded'].text}, ", end="")
    print(f"retrained {retrained['accuracy.after'].text}, {retrained['weights.packed'].text}")
    scheduled = adapt(net, "swis:2", "digits", schedule=ShiftSchedule(shifts=2))
    print(f"  scheduled, without training: {scheduled['accuracy.after'].text}, {scheduled['weights.packed'].text}")

    packed = Path(folder) / "resnet-8.packed"
    size = retrained.detail.write_packed(packed)
    again = measure(packed, "digits")  # a packed file is a network
    print(f"  its packed file: {size} bytes, {again['accuracy.top1'].text} of the test images right")
