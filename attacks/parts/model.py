"""What an attack asks."""

from collections.abc import Callable

from torch import Tensor

Model = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) -> logits (B, K): a network or any function."""
