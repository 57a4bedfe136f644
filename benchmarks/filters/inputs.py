"""Pictures to filter."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from sparsefront.data.files.decoding import decode
from sparsefront.data.files.picture_files import list_pictures

# Those in colour that scikit-image brings along.
PICTURES = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "retina",
    "hubble_deep_field",
    "immunohistochemistry",
    "colorwheel",
)


@cache
def pictures(folder: str, side: int, number: int) -> Tensor:
    """(number, 3, side, side) pixels in [0, 1], cropped at the centre; repeated where there are too few.

    Args:
        folder: searched with its subfolders for picture files; "" takes those that scikit-image brings along.
        side: in pixels.
        number: of pictures, evenly over the folder.
    """
    if folder:
        files = list_pictures(Path(folder))
        stored = [decode(file.path, 3) for file in files[:: max(len(files) // number, 1)][:number]]
    else:
        stored = [Image.fromarray(np.asarray(getattr(data, name)())[..., :3]) for name in PICTURES[:number]]
    images = [pil_to_tensor(center_crop(resize(picture, side), [side, side])) for picture in stored]
    chosen = torch.arange(number) % len(images)
    return torch.stack(images)[chosen].float() / 255


def one_by_one(images: Tensor) -> list[np.ndarray]:
    """Each of (B, C, H, W) images as OpenCV and scikit-image take it, (H, W, C)."""
    return [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in images]


def together(images: list[np.ndarray]) -> Tensor:
    """The reverse."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def psnr(found: Tensor, expected: Tensor) -> float:
    """Of pixels in [0, 1], in dB."""
    return (-10 * (found.double() - expected.double()).square().mean().clamp_min(1e-20).log10()).item()
