"""The front end of paper 001 as its published code has it: torch's own layers, one after the other."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.frontends import TopT

STEEPNESS = 4.0  # of the smooth stand-in


class Plain(nn.Module):
    """Convolution, `topk` over channels, scattered mask, signs, transposed convolutions.

    Args:
        frontend: whose dictionary, settings and decoder it takes over.
    """

    filters: Tensor
    norms: Tensor

    def __init__(self, frontend: TopT) -> None:
        super().__init__()
        self.top_t, self.stride, self.decoder = frontend.top_t, frontend.stride, frontend.decoder
        quantizer: Any = frontend.quantizer
        self.threshold = quantizer.threshold
        self.register_buffer("filters", frontend.atoms().contiguous())
        self.register_buffer("norms", frontend.dictionary.abs().sum(dim=0)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> images; the gradient is that of `smooth` with U = 2T."""
        projections = F.conv2d(images, self.filters, stride=self.stride)
        codes: Tensor = _TopSigns.apply(projections, self.norms, self.threshold, self.top_t)
        decoded: Tensor = self.decoder(codes)
        return decoded


class _TopSigns(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projections: Tensor, norms: Tensor, threshold: float, top_t: int) -> Tensor:
        survivors = projections * _mask(projections, top_t)
        ctx.save_for_backward(projections, survivors, norms)
        ctx.threshold, ctx.top_u = threshold, 2 * top_t
        limits = threshold * norms
        return norms * 0.5 * (torch.sign(survivors - limits) + torch.sign(survivors + limits))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        projections, survivors, norms = ctx.saved_tensors
        x = survivors / norms
        below, above = ((STEEPNESS * (x + limit)).tanh().square() for limit in (-ctx.threshold, ctx.threshold))
        slopes = 0.5 * STEEPNESS * (2 - below - above)
        return gradient * slopes * _mask(projections, ctx.top_u), None, None, None


def _mask(projections: Tensor, count: int) -> Tensor:
    largest = projections.abs().topk(count, dim=1).indices
    return torch.zeros_like(projections).scatter_(1, largest, 1.0)
