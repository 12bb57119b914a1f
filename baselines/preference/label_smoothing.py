"""How likely it is that a rejected item is in truth the better one, by an expert's scores."""

import numpy as np
from numpy.typing import NDArray

MAX_SMOOTHING = 0.5  # above it the rejected item would be preferred


def label_smoothing(values: NDArray[np.float64], logits: bool) -> float:
    """Return eps = sigmoid(s_rejected - s_chosen), at most 0.5.

    Args:
        values: [2 + n] expert scores of the chosen item, the rejected one and the n candidates.
        logits: Whether they are log-odds; otherwise they are divided by the candidates' standard
            deviation.
    """
    gap = float(values[1] - values[0])
    if not logits:
        spread = float(values[2:].std())
        gap = gap / spread if spread > 0 else 0.0
    return min(MAX_SMOOTHING, 1 / (1 + float(np.exp(min(-gap, 700.0)))))
