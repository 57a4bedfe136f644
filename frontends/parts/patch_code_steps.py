"""How a change is followed through codes of overlapping patches."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.changes.convolution import Convolution
from sparsefront.common.changes.pointwise import Pointwise
from sparsefront.common.changes.pursuit import Pursuit
from sparsefront.common.changes.scaled import Scaled
from sparsefront.common.changes.step import Step


def patch_code_steps(
    dictionary: Tensor, image_shape: tuple[int, int, int], stride: int, atoms: int, order_recursive: bool
) -> list[Step]:
    """Steps from an image to the clamped mean of its patches, each its own mean and a few atoms of what is left.

    Correlations with what is left are those of the patch with atoms whose own mean was taken off, and so linear in the
    image; the patch's mean is one channel more.

    Args:
        dictionary: (C n^2, L), of unit norm, n the patches' size.
        image_shape: (C, H, W), with (H - n) and (W - n) multiples of the stride.
        stride: from patch to patch, in pixels.
        atoms: as of `Pursuit`.
        order_recursive: likewise.
    """
    channels = image_shape[0]
    size = round((len(dictionary) / channels) ** 0.5)
    ones = torch.ones_like(dictionary[:, :1])
    analysis = torch.cat([dictionary - dictionary.mean(dim=0), ones / len(ones)], dim=1)
    synthesis = torch.cat([dictionary, ones], dim=1)
    shape: dict[str, Any] = {"kernel_size": size, "stride": stride, "bias": False}  # and no random weights are drawn
    cut = nn.utils.skip_init(nn.Conv2d, channels, analysis.shape[1], **shape)
    joined = nn.utils.skip_init(nn.ConvTranspose2d, analysis.shape[1], channels, **shape)
    for layer, matrix in ((cut, analysis), (joined, synthesis)):
        layer.weight = nn.Parameter(matrix.T.reshape(-1, channels, size, size).contiguous(), requires_grad=False)
    height, width = ((side - size) // stride + 1 for side in image_shape[1:])
    patches, patch = (ones.new_ones(1, 1, *sides) for sides in ((height, width), (size, size)))
    counts = F.conv_transpose2d(patches, patch, stride=stride)
    return [
        Convolution(cut),
        Pursuit(dictionary, atoms, order_recursive),
        Convolution(joined),
        Scaled(1 / counts.view(image_shape[1:])),
        Pointwise(nn.Hardtanh(0, 1)),
    ]
