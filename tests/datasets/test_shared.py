"""The real data sets, where they are: their published sizes, splits and first labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared_data import SHARED, present
from slipstick.datasets import data_set

pytest.importorskip("PIL", reason="Pillow is not installed (extra: data)")


def test_mnist() -> None:
    present(SHARED / "data" / "mnist")
    data = data_set("mnist", root=SHARED)
    assert (len(data.train), len(data.test)) == (60_000, 3_000)
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.normal.mean == pytest.approx((0.1307,), abs=1e-4)  # the figures that everybody uses
    assert data.normal.deviation == pytest.approx((0.3081,), abs=1e-4)


def test_fashion_mnist() -> None:
    present(Path("/usr/share/datasets/fashion-mnist"))
    data = data_set("fashion-mnist", root="/nowhere")
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.normal.mean == pytest.approx((0.2860,), abs=1e-4)
    assert data.normal.deviation == pytest.approx((0.3530,), abs=1e-4)


def test_imagenet_sample() -> None:
    present(SHARED / "data" / "imagenet_sample_1000")
    data = data_set("imagenet-sample", root=SHARED)
    assert data.test.labels.tolist() == list(range(1000))
    assert data.shape == (224, 224, 3)
    assert data.classes[:2] == ("tench", "goldfish")


def test_cifar10_jpeg_labels_without_decoding_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding takes 10 s: here every picture is blank, and the README's counts are those of the labels."""
    present(SHARED / "data" / "cifar10_jpeg")
    from slipstick.datasets import cifar

    monkeypatch.setattr(cifar, "_cached", lambda name, source, shape, make: np.zeros(shape, np.uint8))
    data = data_set("cifar10-jpeg", root=SHARED)
    assert np.bincount(data.train.labels).tolist() == [5000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
