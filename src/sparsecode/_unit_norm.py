"""The form of every dictionary."""

import torch
from torch import Tensor


def unit_norm(dictionary: Tensor) -> Tensor:
    """The columns of a finite (m, K) dictionary brought to unit norm, in float32 at least.

    Raises:
        ValueError: not two dimensions, not finite, or a zero column.
    """
    if dictionary.ndim != 2 or not dictionary.numel():
        raise ValueError(f"`dictionary` must have shape (m, K), both above 0, found {tuple(dictionary.shape)}.")
    dictionary = dictionary.detach().to(torch.promote_types(dictionary.dtype, torch.float32))
    norms = dictionary.norm(dim=0)
    if not torch.isfinite(norms).all() or not (norms > 0).all():
        raise ValueError(
            f"`dictionary` must be finite and have no zero column to start from, found norms in "
            f"[{norms.min():.4g}, {norms.max():.4g}]; start from signals that are not zero."
        )
    unit: Tensor = dictionary / norms
    return unit
