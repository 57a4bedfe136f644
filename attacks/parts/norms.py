"""The Linf, L2 and L1 norms of perturbations, sample by sample."""

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["Linf", "L2", "L1"]


def perturbation_norm(delta: Tensor, norm: Norm) -> Tensor:
    """Norm of each perturbation: (B, ...) -> (B,)."""
    order = {"Linf": float("inf"), "L2": 2, "L1": 1}[norm]
    sizes: Tensor = torch.linalg.vector_norm(delta.flatten(1), ord=order, dim=1)
    return sizes


def diameter(images: Tensor, norm: Norm) -> float:
    """The distance between opposite corners of the box [0, 1]^(C x H x W)."""
    pixels = images[0].numel()
    return float({"Linf": 1.0, "L2": pixels**0.5, "L1": float(pixels)}[norm])


def radii(eps: float, images: Tensor, norm: Norm, relative: bool = False) -> Tensor:
    """Radius of each image's ball: (B, ...) -> (B,), of the images' dtype.

    Args:
        eps: in [0, 1] pixel units or, if `relative`, as a multiple of ||x||.
        images: x, (B, ...).
        norm: of the ball and of ||x||.
        relative: whether each image's own norm is the unit (papers 002 and 004: the dissimilarity ||x' - x|| / ||x||).
    """
    if not relative:
        return images.new_full((len(images),), eps)
    # Half precision cannot hold the sum of a large image.
    precision = torch.promote_types(images.dtype, torch.float32)
    return (eps * perturbation_norm(images.to(precision), norm)).to(images.dtype)


def column(eps: float | Tensor, flat: Tensor) -> Tensor:
    """A radius of all rows or one of each, to go with rows (B, D): (1, 1) or (B, 1)."""
    return torch.as_tensor(eps, dtype=flat.dtype, device=flat.device).reshape(-1, 1)


def unit_direction(flat: Tensor) -> Tensor:
    """Rows (B, D) at L2 length 1, zero rows left at zero; no square leaves the floats' range on the way."""
    largest = flat.abs().amax(dim=1, keepdim=True)
    scaled = flat / torch.where(largest > 0, largest, 1)
    inside: Tensor = scaled / scaled.norm(dim=1, keepdim=True).clamp_min(1)
    return inside
