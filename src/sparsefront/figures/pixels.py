"""From tensors' layout to pictures'."""

import math

import numpy as np

LARGEST = 112  # pixels a side; more would make the page heavy and not clearer


def to_rgb(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, 3) in [0, 1]; grey for other than 3 channels (their mean), clipped."""
    if images.shape[1] != 3:
        images = np.repeat(images.mean(axis=1, keepdims=True), 3, axis=1)
    pixels: np.ndarray = np.clip(images, 0, 1).transpose(0, 2, 3, 1)
    return pixels


def thin(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> every so many-th pixel, so that no side exceeds 112; the values themselves stay."""
    step = math.ceil(max(images.shape[2:]) / LARGEST)
    return images[:, :, ::step, ::step]
