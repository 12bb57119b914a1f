"""Types of arrays that all statistics share."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Statistic = Callable[[Floats], Floats]
"""[m, cells] counts -> [m] values, NaN where undefined."""
