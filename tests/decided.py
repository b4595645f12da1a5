"""Images whose class rounding cannot change: where two orders of the same sums must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from slipstick.datasets import Images
    from slipstick.datasets.images import Normal

LEAD = 1e-4  # of the largest output: fp32 rounds to 6e-8, and a hundred layers' roundings stay far below this
MOST = 0.02  # of the images may be undecided: a network of two equal outputs would make every comparison empty


def decided(net: Any, images: Images, normal: Normal) -> NDArray[np.bool_]:
    """Tell for each image whether its largest output leads the next by more than rounding can move.

    Another batch size, memory format or instruction set adds the same products in another order, so that equal weights
    give equal answers for these images only.
    """
    from slipstick.training import predict

    outputs = np.sort(predict(net, images, normal), axis=1)
    found = outputs[:, -1] - outputs[:, -2] > LEAD * np.abs(outputs).max()
    assert found.mean() >= 1 - MOST
    return np.asarray(found)
