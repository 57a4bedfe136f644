"""Patches that are nothing but rounding."""

from torch import Tensor

_NEGLIGIBLE = 1e-12  # norm, in pixel units; coders refuse what is too small to be squared


def zero_tiny_patches(patches: Tensor) -> Tensor:
    """Patches (N, m), those of negligible norm exactly zero; NaN stays, for the coder to name."""
    kept = ~(patches.detach().norm(dim=1, keepdim=True) <= _NEGLIGIBLE)
    zeroed: Tensor = patches * kept
    return zeroed
