"""RegionSparse's steps on one image at a time, by the libraries that have them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from skimage.filters import threshold_otsu
from sklearn.decomposition import sparse_encode
from sklearn.preprocessing import StandardScaler

from sparsefront.common.pixel_size import pixel_size
from sparsefront.frontends import RegionSparse

Array = np.ndarray


@dataclass
class ByLibraries:
    """The settings and the dictionary of a `RegionSparse` whose region is a mask, for (H, W, C) images.

    Attributes:
        frontend: whose result is wanted.
        n_jobs: processes that scikit-learn codes in.
    """

    frontend: RegionSparse
    n_jobs: int = 1

    def region(self, image: Array) -> Array:
        """OpenCV's Sobel filter, morphology and outlines, scikit-image's threshold."""
        gray = image.mean(axis=2)
        across, down = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
        gradient = np.maximum(np.abs(across) - np.abs(down), 0)
        mask = (gradient > threshold_otsu(gradient)).astype(np.uint8)
        settings = self.frontend.object_region
        for operation, share in ((cv2.MORPH_CLOSE, settings.closing), (cv2.MORPH_OPEN, settings.opening)):
            side = 2 * round((share * min(image.shape[:2]) - 1) / 2) + 1
            mask = cv2.morphologyEx(mask, operation, np.ones((side, side), np.uint8))
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(mask, outlines, -1, 1, cv2.FILLED)
        return mask > 0 if outlines else np.ones(mask.shape, dtype=bool)

    def background(self, image: Array) -> Array:
        """OpenCV's bilateral filter."""
        settings = self.frontend.background
        assert settings is not None
        sigma_color = pixel_size(settings.sigma_color, "sigma_color")
        return cv2.bilateralFilter(
            image, settings.diameter, sigma_color, settings.sigma_space, borderType=cv2.BORDER_REFLECT_101
        )

    def cut(self, image: Array, region: Array) -> tuple[Array, tuple[Array, Array], StandardScaler]:
        """The z-scored patches that touch the region (N, C n n), where they lie, and the z-score."""
        side = self.frontend.patch_size
        rows, columns = (self._starts(length) for length in image.shape[:2])
        windows = sliding_window_view(image, (side, side), axis=(0, 1))[np.ix_(rows, columns)]
        touching = sliding_window_view(region, (side, side))[np.ix_(rows, columns)].any(axis=(2, 3))
        scaler = StandardScaler().fit(windows.reshape(touching.size, -1))
        row, column = touching.nonzero()
        patches = scaler.transform(windows[touching].reshape(len(row), -1))
        return patches, (rows[row], columns[column]), scaler

    def code(self, patches: Array) -> Array:
        """scikit-learn's OMP, put together again."""
        atoms = self.frontend.dictionary.T.numpy()
        codes = sparse_encode(
            patches, atoms, algorithm="omp", n_nonzero_coefs=self.frontend.codes.n_nonzero_coefs, n_jobs=self.n_jobs,
            check_input=False,
        )  # fmt: skip
        coded: np.ndarray = codes @ atoms
        return coded

    def paste(self, coded: Array, places: tuple[Array, Array], scaler: StandardScaler, background: Array) -> Array:
        """Each pixel the mean over its patches."""
        side, (height, width, channels) = self.frontend.patch_size, background.shape
        patches = scaler.inverse_transform(coded).reshape(-1, channels, side, side)
        sums, counts = np.zeros_like(background), np.zeros((height, width, 1), background.dtype)
        for i in range(side):
            for j in range(side):
                where = places[0] + i, places[1] + j
                sums[where] += patches[:, :, i, j]
                counts[where] += 1
        rows, columns = (self._covered(length) for length in (height, width))
        total = np.outer(rows, columns)[..., None].astype(background.dtype)
        images: np.ndarray = np.clip((sums + (total - counts) * background) / total, 0, 1)
        return images

    def __call__(self, image: Array) -> Array:
        """All of it."""
        patches, places, scaler = self.cut(image, self.region(image))
        return self.paste(self.code(patches), places, scaler, self.background(image))

    def _starts(self, length: int) -> Array:
        last = length - self.frontend.patch_size
        starts = np.arange(0, last + 1, self.frontend.stride)
        return starts if starts[-1] == last else np.append(starts, last)

    def _covered(self, length: int) -> Array:
        counts = np.zeros(length)
        for start in self._starts(length):
            counts[start : start + self.frontend.patch_size] += 1
        return counts
