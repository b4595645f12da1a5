"""Train a small network on scikit-learn's digits, keep it in a file, and compare two networks image by image.

python examples/10_train_and_evaluate.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from slipstick import data_set, measure, train

digits = data_set("digits")
print(f"{len(digits.train)} images of {digits.shape} to train on, {len(digits.test)} to test: {digits.about}")

with TemporaryDirectory() as folder:
    file = Path(folder) / "resnet-8.safetensors"
    report = train("resnet-8", digits, recipe={"epochs": 5, "rate": 0.05}, out=file)
    for number, epoch in enumerate(report.detail.history.epochs, 1):
        print(f"  epoch {number}: loss {epoch.loss:.3f}, test {epoch.accuracy:.1%}")
    again = measure(file, digits)  # the file says how to build the network and what its inputs are
    print(f"{again.title}: {file.stat().st_size} bytes")

accuracy, right = again.group("accuracy"), again.detail  # which of the test images, one by one
low, high = accuracy["low"].text, accuracy["high"].text
print(f"resnet-8: {accuracy['top1'].text} of the test images (95 % interval {low} to {high})")

other = train("mlp", digits, recipe={"epochs": 5, "rate": 0.05}).detail.right
only_one, only_other = int((right & ~other).sum()), int((other & ~right).sum())
print(f"resnet-8 alone is right on {only_one} images, mlp alone on {only_other}: what McNemar's test compares")
