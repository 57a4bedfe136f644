"""Convolutional basis pursuit by SPORCO, one image at a time, and its objective."""

from pathlib import Path

import numpy as np
import sporco
import sporco.fft
import torch
from sporco.admm.cbpdn import ConvBPDN
from sporco.signal import tikhonov_filter
from torch import Tensor

from sparsecode import convolve

LMBDA = 0.2  # paper 002's
OPTIONS = {"Verbose": False, "MaxMainIter": 200, "RelStopTol": 5e-3, "AuxVarObj": False}  # its authors'


def rgb_filters() -> Tensor:
    """The 64 color filters 8x8 that SPORCO ships (K, C, h, w), brought to unit norm."""
    stored = np.load(Path(sporco.__file__).parent / "data" / "convdict.npz")["RGB:8x8x3x64"]
    filters = torch.from_numpy(stored.astype(np.float32).transpose(3, 2, 0, 1).copy())
    unit: Tensor = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
    return unit


def solved(image: Tensor, filters: Tensor) -> tuple[ConvBPDN, Tensor]:
    """SPORCO's solver after it has coded an image (C, H, W) with filters (K, C, h, w); and the codes (K, H, W)."""
    sporco.fft.pyfftw_threads = torch.get_num_threads()
    channels_last = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    solver = ConvBPDN(as_sporco(filters), channels_last, LMBDA, ConvBPDN.Options(OPTIONS), dimK=0)
    codes = np.asarray(solver.solve()).reshape(*channels_last.shape[:2], -1).transpose(2, 0, 1)
    return solver, torch.from_numpy(codes.copy())


def rebuilt(image: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """All of paper 002's T for one image (C, H, W): split, code, rebuild, add, clamp; and the codes (K, H, W)."""
    sporco.fft.pyfftw_threads = torch.get_num_threads()
    low, high = tikhonov_filter(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), 5.0)
    solver, codes = solved(torch.from_numpy(high).permute(2, 0, 1), filters)
    whole = np.clip(low + solver.reconstruct().reshape(low.shape), 0, 1)
    return torch.from_numpy(whole).permute(2, 0, 1), codes


def as_sporco(filters: Tensor) -> np.ndarray:
    """Filters (K, C, h, w) as SPORCO takes them, (h, w, C, K)."""
    return np.ascontiguousarray(filters.permute(2, 3, 1, 0).numpy())


def objective(images: Tensor, codes: Tensor, filters: Tensor) -> Tensor:
    """1/2 ||y - D z||^2 + lambda ||z||_1 (N,) of images (N, C, H, W) and codes (N, K, H, W), in double precision."""
    residual = images.double() - convolve(codes.double(), filters.double())
    return residual.square().sum(dim=(1, 2, 3)) / 2 + LMBDA * codes.double().abs().sum(dim=(1, 2, 3))
