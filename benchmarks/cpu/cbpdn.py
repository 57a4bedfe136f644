"""Convolutional basis pursuit against SPORCO, to SPORCO's own stopping objective."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.by_sporco import LMBDA, objective, rgb_filters, solved
from benchmarks.contest import Check, Contest, Goal
from benchmarks.cpu.inputs import Inputs
from sparsecode import CbpdnState, cbpdn, tikhonov_split


def contests(inputs: Inputs) -> Iterator[Contest]:
    """Paper 002's setting: 64 filters 8x8x3, lambda 0.2, Tikhonov high-pass; at 32x32 and 224x224."""
    yield _contest(inputs.images(8), rounds=5)
    large = inputs.large_images(1)
    if len(large):
        yield _contest(large, rounds=3)


def _contest(pictures: Tensor, rounds: int) -> Contest:
    filters = rgb_filters()
    images = tikhonov_split(pictures)[1]
    noise = torch.randint(0, 2, images.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    moved = images + 2 / 255 * noise

    def by_sporco(of: Tensor) -> Tensor:
        return torch.stack([solved(image, filters)[1] for image in of])

    theirs = {kind: objective(of, by_sporco(of), filters) for kind, of in (("cold", images), ("warm", moved))}
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
            excess = objective(of, results[name].codes, filters) / least - 1
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
