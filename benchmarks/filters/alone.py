"""The bilateral filter and non-local means, each by itself."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import kornia
import numpy as np
import torch
from skimage.restoration import denoise_bilateral, denoise_nl_means
from torch import Tensor

from benchmarks.contest import Check, Contest, Goal
from benchmarks.filters.inputs import one_by_one, pictures, psnr, together
from sparsefront.frontends.parts.bilateral_filter import bilateral_filter
from sparsefront.frontends.parts.non_local_means import non_local_means

DIAMETER, COLOR, SPACE = 9, 50 / 255, 3.0
PATCH, WINDOW, DEGREE = 7, 21, 0.1


def contests(folder: str, number: int) -> Iterator[Contest]:
    """At 299x299; the ratios asked for are those of the prototypes that the front ends were planned with."""
    images = pictures(folder, 299, number)
    yield _bilateral(images)
    yield _bilateral_gradient(images)
    yield _non_local_means(images)


def _each(function: Callable[[np.ndarray], np.ndarray], images: Tensor) -> Tensor:
    return together([function(image) for image in one_by_one(images)])


def _kornia(images: Tensor) -> Tensor:
    return kornia.filters.bilateral_blur(images, (DIAMETER, DIAMETER), COLOR, (SPACE, SPACE))


def _bilateral(images: Tensor) -> Contest:
    def checks(results: dict[str, Any]) -> dict[str, Check]:
        return {
            "largest difference, disc and OpenCV": Check(
                (results["disc"] - results["OpenCV"]).abs().max().item(), most=1e-5
            ),
            "largest difference, square and kornia": Check(
                (results["square"] - results["kornia"]).abs().max().item(), most=1e-5
            ),
        }

    runs: dict[str, Callable[[], Any]] = {
        "OpenCV": partial(_each, lambda image: cv2.bilateralFilter(image, DIAMETER, COLOR, SPACE), images),
        "scikit-image": partial(
            _each,
            lambda image: denoise_bilateral(image, DIAMETER, COLOR, SPACE, mode="reflect", channel_axis=-1),
            images,
        ),
        "kornia": lambda: _kornia(images),
        "disc": lambda: bilateral_filter(images, DIAMETER, COLOR, SPACE),
        "square": lambda: bilateral_filter(images, DIAMETER, COLOR, SPACE, "square"),
    }
    goals = [Goal("disc", "OpenCV", 0.13), Goal("disc", "scikit-image", 1.2), Goal("square", "kornia", 0.9)]
    setting = f"bilateral, {DIAMETER} pixels, {len(images)} images of 299x299"
    return Contest("alone", setting, len(images), runs, goals, checks, rounds=3)


def _bilateral_gradient(images: Tensor) -> Contest:
    def gradient(function: Callable[[Tensor], Tensor]) -> Tensor:
        x = images.clone().requires_grad_()
        return torch.autograd.grad(function(x).square().sum(), x)[0]

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        difference = (results["square"] - results["kornia"]).abs().max() / results["kornia"].abs().max()
        return {"largest difference, relative": Check(difference.item(), most=1e-4)}

    runs: dict[str, Callable[[], Any]] = {
        "kornia": lambda: gradient(_kornia),
        "square": lambda: gradient(lambda x: bilateral_filter(x, DIAMETER, COLOR, SPACE, "square")),
    }
    setting = f"bilateral with its gradient, {DIAMETER} pixels, {len(images)} images of 299x299"
    return Contest("alone", setting, len(images), runs, [Goal("square", "kornia", 1.0)], checks, rounds=3)


def _non_local_means(images: Tensor) -> Contest:
    def by_opencv(image: np.ndarray) -> np.ndarray:
        levels = np.round(255 * image).astype(np.uint8)
        return np.asarray(cv2.fastNlMeansDenoising(levels, None, 255 * DEGREE, PATCH, WINDOW), np.float32) / 255

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        mine, rivals = results["non_local_means"], ("OpenCV", "scikit-image")
        return {f"PSNR, ours and {name}, dB": Check(psnr(mine, results[name]), least=40) for name in rivals}

    runs: dict[str, Callable[[], Any]] = {
        "OpenCV": partial(_each, by_opencv, images),
        "scikit-image": partial(
            _each, lambda image: denoise_nl_means(image, PATCH, WINDOW // 2, DEGREE, channel_axis=-1), images
        ),
        "non_local_means": lambda: non_local_means(images, PATCH, WINDOW, DEGREE),
    }
    goals = [Goal("non_local_means", "OpenCV", 0.26), Goal("non_local_means", "scikit-image", 0.45)]
    setting = f"non-local means, patch {PATCH}, window {WINDOW}, {len(images)} images of 299x299"
    return Contest("alone", setting, len(images), runs, goals, checks, rounds=3)
