"""How prompts and their responses lie in a forward pass, and how they attend there."""

from typing import Literal

Kernel = Literal["auto", "padded", "grouped", "flex"]
"""Way of attending of a batch; `kernels` describes each."""
