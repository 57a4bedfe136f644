"""Convolutional basis pursuit against SPORCO, to SPORCO's own stopping objective."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sporco
import sporco.fft
import torch
from sporco.admm.cbpdn import ConvBPDN
from torch import Tensor

from benchmarks.contest import Check, Contest, Goal
from benchmarks.cpu.inputs import Inputs
from sparsecode import CbpdnState, cbpdn, convolve, tikhonov_split

LMBDA = 0.2
OPTIONS = {"Verbose": False, "MaxMainIter": 200, "RelStopTol": 5e-3, "AuxVarObj": False}


def contests(inputs: Inputs) -> Iterator[Contest]:
    """Paper 002's setting: 64 filters 8x8x3, lambda 0.2, Tikhonov high-pass; at 32x32 and 224x224."""
    yield _contest(inputs.images(8), rounds=5)
    large = inputs.large_images(1)
    if len(large):
        yield _contest(large, rounds=3)


def _filters() -> Tensor:
    """The 64 color filters 8x8 that SPORCO ships, brought to unit norm."""
    stored = np.load(Path(sporco.__file__).parent / "data" / "convdict.npz")["RGB:8x8x3x64"]
    filters = torch.from_numpy(stored.astype(np.float32).transpose(3, 2, 0, 1).copy())
    return filters / filters.flatten(1).norm(dim=1)[:, None, None, None]


def _contest(pictures: Tensor, rounds: int) -> Contest:
    sporco.fft.pyfftw_threads = torch.get_num_threads()
    filters = _filters()
    images = tikhonov_split(pictures)[1]
    noise = torch.randint(0, 2, images.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    moved = images + 2 / 255 * noise
    kernels = filters.permute(2, 3, 1, 0).numpy()

    def by_sporco(of: Tensor) -> Tensor:
        codes = []
        for image in of.permute(0, 2, 3, 1).numpy():
            solved = ConvBPDN(kernels, image, LMBDA, ConvBPDN.Options(OPTIONS), dimK=0).solve()
            codes.append(np.asarray(solved).reshape(*image.shape[:2], -1).transpose(2, 0, 1))
        return torch.from_numpy(np.stack(codes))

    def objective(codes: Tensor, of: Tensor) -> Tensor:
        residual = of.double() - convolve(codes.double(), filters.double())
        return residual.square().sum(dim=(1, 2, 3)) / 2 + LMBDA * codes.double().abs().sum(dim=(1, 2, 3))

    theirs = {"cold": objective(by_sporco(images), images), "warm": objective(by_sporco(moved), moved)}
    states: dict[Any, CbpdnState] = {
        backend: cbpdn(images, filters, LMBDA, backend=backend).state for backend in ("native", "torch")
    }
    ours = {
        "cbpdn": partial(cbpdn, images, filters, LMBDA),
        "cbpdn, warm": partial(cbpdn, moved, filters, LMBDA, start=states["native"]),
        "cbpdn, torch alone": partial(cbpdn, images, filters, LMBDA, backend="torch"),
        "cbpdn, torch alone, warm": partial(cbpdn, moved, filters, LMBDA, backend="torch", start=states["torch"]),
    }

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        found = {}
        for name in ours:
            of, least = (moved, theirs["warm"]) if "warm" in name else (images, theirs["cold"])
            excess = objective(results[name].codes, of) / least - 1
            found[f"{name}: largest excess of the objective over SPORCO's"] = Check(excess.max().item(), most=1e-3)
        return found

    rival = "SPORCO ConvBPDN, image by image"
    return Contest(
        path="cbpdn",
        setting=f"64 filters 8x8x3, {pictures.shape[-1]}x{pictures.shape[-2]}, {len(images)} images",
        signals=len(images),
        runs={rival: partial(by_sporco, images), **ours},
        goals=[
            Goal("cbpdn", rival, 15.0),
            Goal("cbpdn, warm", rival, 40.0),
            Goal("cbpdn, torch alone", rival, 3.0),
        ],
        checks=checks,
        flops=2.0 * filters.numel() * images[:, 0].numel(),
        rounds=rounds,
    )
