"""Train a network on scikit-learn's digits, put it into several number formats, and retrain it for the narrowest.

python examples/13_compress.py

Writes out/formats.html: accuracy against bytes and against the cycles of an array that adds instead of multiplying.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from slipstick import train
from slipstick.core.files import write_text
from slipstick.engines.adapt_several import adapt_several
from slipstick.verbs.adapt import adapt

FORMATS = ["int8:axis=0", "int4:axis=0", "truncate:3", "round:3", "round:2", "swis:3", "swis:2", "swis:1"]

with TemporaryDirectory() as folder:
    net = Path(folder) / "resnet-8.safetensors"
    train("resnet-8", "digits", recipe={"epochs": 8, "rate": 0.1}, out=net)

    several = adapt_several(net, FORMATS, "digits", system="swis-8x8")
    table = several.report.breakdowns["formats"]
    for number, row in enumerate(table.rows):
        cells = [table.text(number, column) for column in (1, 2, 5, 6)]
        print(f"{row[0]:12s} accuracy {cells[0]:>7s}, change {cells[1]:>7s}, {cells[2]:>9s}, {cells[3]}")
    write_text("out/formats.html", several.html())

    print("\nswis:1, retrained; and with 2 shifts of each filter on average, where they matter")
    one = adapt(net, "swis:1", "digits", retrain=3)
    print(f"  before {one.report['accuracy.before'].text}, rounded {one.report['accuracy.rounded'].text}, ", end="")
    print(f"retrained {one.report['accuracy.after'].text}, {one.report['weights.packed'].text}")
    two = adapt(net, "swis:2", "digits", shifts=2)
    print(f"  scheduled, without training: {two.report['accuracy.after'].text}, {two.report['weights.packed'].text}")
