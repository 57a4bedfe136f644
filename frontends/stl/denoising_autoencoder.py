"""A denoising auto-encoder with batch normalisation, learned by several processes as by one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sparsefront.frontends.parts.descent import convolution

Reduce = Callable[[Tensor], Tensor]

SIDE = 32  # pixels of the images that it reads
WIDTH = 32  # filters of every stage
N_FEATURES = WIDTH * (SIDE // 8) ** 2
_MOMENTUM = 0.1  # of the running statistics
_EPS = 1e-5


class DenoisingAutoencoder(nn.Module):
    """Images -> features (B, 512), learned by taking Gaussian noise off images of 32×32 (paper 002, section 3.4).

    Three stages of a 3×3 convolution with 32 filters, batch normalisation, ReLU and 2×2 max pooling; back by three
    stages of upsampling to the nearest, convolution, batch normalisation and ReLU, and a last convolution with a
    sigmoid. Weights require no gradient outside learning. Batch normalisation uses the statistics of the batch in
    `losses` alone, and there those of all processes' images together; everywhere else it uses running ones, whatever
    the module's mode.

    Args:
        channels: of the images.
        seed: of the first weights.
    """

    def __init__(self, channels: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.down = nn.ModuleList(_Stage(inputs, generator) for inputs in (channels, WIDTH, WIDTH))
        self.up = nn.ModuleList(_Stage(WIDTH, generator) for _ in range(3))
        self.last = convolution(WIDTH, channels, generator)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 512) of (B, C, H, W) images in [0, 1] of any size."""
        return self._encode(to_side(images), None).flatten(1)

    def losses(self, images: Tensor, noise: Tensor, reduce: Reduce) -> Tensor:
        """Mean squared errors (B,) of the reconstructions of images, half of each from itself and half from it noisy.

        The paper trains "on both natural images and their noise-perturbed versions". Running statistics move along.

        Args:
            images: (B, C, 32, 32) in [0, 1].
            noise: to add, of the same shape; the sum is clipped to [0, 1].
            reduce: sums a tensor over processes, which must all call this together.
        """
        inputs = torch.cat([images, (images + noise).clamp(0, 1)])
        maps = self._encode(inputs.contiguous(memory_format=torch.channels_last), reduce)
        for stage in self.up:
            maps = stage(F.interpolate(maps, scale_factor=2), reduce)
        back = torch.sigmoid(_convolve(maps, self.last))
        losses: Tensor = (back.unflatten(0, (2, -1)) - images).square().mean(dim=(0, 2, 3, 4))
        return losses

    def _encode(self, maps: Tensor, reduce: Reduce | None) -> Tensor:
        for stage in self.down:
            maps = F.max_pool2d(stage(maps, reduce), 2)
        return maps


def to_side(images: Tensor) -> Tensor:
    """(B, C, H, W) images resized to 32×32, bilinearly and without aliasing."""
    if tuple(images.shape[2:]) == (SIDE, SIDE):
        return images
    return F.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)


class _Stage(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    mean: Tensor
    variance: Tensor

    def __init__(self, inputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.convolution = convolution(inputs, WIDTH, generator)
        self.convolution.bias = None  # which the normalisation would take off again
        self.scale, self.shift = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.zeros(WIDTH))
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("variance", torch.ones(WIDTH))

    def forward(self, maps: Tensor, reduce: Reduce | None) -> Tensor:
        maps = _convolve(maps, self.convolution)
        scale, shift = self.scale.to(maps.dtype), self.shift.to(maps.dtype)
        if reduce is not None:
            maps, mean, variance, count = _Normalised.apply(maps, scale, shift, reduce)
            self.mean.lerp_(mean.to(self.mean), _MOMENTUM)
            self.variance.lerp_((variance * count / (count - 1).clamp_min(1)).to(self.variance), _MOMENTUM)
        else:
            mean, variance = self.mean.to(maps.dtype), self.variance.to(maps.dtype)
            maps = F.batch_norm(maps, mean, variance, scale, shift, eps=_EPS)
        return F.relu(maps)


class _Normalised(torch.autograd.Function):
    """Batch normalisation by the mean and variance of all processes' maps, which depend on every one of them.

    Backward, each process has the gradient of the sum of all processes' losses with respect to its maps.
    """

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, scale: Tensor, shift: Tensor, reduce: Reduce
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n_local = maps.new_tensor([maps[:, 0].numel()])
        sums = reduce(torch.cat([maps.sum(dim=(0, 2, 3)), n_local]))
        count = sums[-1]
        mean = sums[:-1] / count
        variance = reduce((maps - mean[:, None, None]).square_().sum(dim=(0, 2, 3))) / count
        ctx.save_for_backward(maps, scale, mean, (variance + _EPS).rsqrt(), count)
        ctx.reduce = reduce
        ctx.mark_non_differentiable(mean, variance, count)
        return F.batch_norm(maps, mean, variance, scale, shift, eps=_EPS), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        maps, scale, mean, inverse, count = ctx.saved_tensors
        by_shift = grad.sum(dim=(0, 2, 3))
        by_scale = ((grad * maps).sum(dim=(0, 2, 3)) - mean * by_shift) * inverse
        means = ctx.reduce(torch.cat([by_shift, by_scale])) / count
        # scale / deviation (grad - its mean - normalised maps * the mean of their product), as grad * a + maps * b + c
        a = scale * inverse
        b = -a * means[len(a) :] * inverse
        c = -a * means[: len(a)] - b * mean
        by_maps = torch.addcmul(c[:, None, None], grad, a[:, None, None]).addcmul_(maps, b[:, None, None])
        return by_maps, by_scale, by_shift, None


def _convolve(maps: Tensor, layer: nn.Conv2d) -> Tensor:
    """The layer in the precision of its input."""
    bias = None if layer.bias is None else layer.bias.to(maps.dtype)
    return F.conv2d(maps, layer.weight.to(maps.dtype), bias, padding=1)
