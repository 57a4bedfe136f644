"""How near an image comes to another one."""

from typing import cast

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

LARGEST_PSNR = 100.0  # dB, where images are equal and the ratio has no bound
SMALLEST_SIDE = 11  # pixels, of SSIM's Gaussian window (Wang et al. 2004)


@torch.no_grad()
def quality(seen: Tensor, images: Tensor) -> dict[str, Tensor]:
    """Peak signal-to-noise ratio in dB, at most 100, and structural similarity of each image.

    Args:
        seen: (B * N, C, H, W) in [0, 1], N copies an image side by side: their mean counts.
        images: (B, C, H, W), what they should be like.

    Returns:
        `psnr` and `ssim` (B,); SSIM is NaN where a side is below its window's 11 pixels.
    """
    copies = len(seen) // len(images)
    wanted = images.repeat_interleave(copies, dim=0)
    psnr = peak_signal_noise_ratio(seen, wanted, data_range=1.0, reduction="none", dim=(1, 2, 3))
    ssim = torch.full_like(psnr, torch.nan)
    if min(images.shape[2:]) >= SMALLEST_SIDE:
        # Its type allows for the pair that it returns when it is asked for the whole map.
        ssim = cast(Tensor, structural_similarity_index_measure(seen, wanted, data_range=1.0, reduction="none"))
    qualities = {"psnr": psnr.clamp_max(LARGEST_PSNR), "ssim": ssim}
    return {name: value.view(-1, copies).mean(dim=1) for name, value in qualities.items()}
