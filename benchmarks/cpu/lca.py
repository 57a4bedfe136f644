"""The energy of convolutional LCA against its dynamics as they are usually programmed."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.contest import Check, Contest, Goal
from benchmarks.cpu.inputs import Inputs
from sparsecode import Convolution, fista, lca

LMBDA, TAU, STEPS = 0.5, 100.0, 600


def contests(inputs: Inputs) -> Iterator[Contest]:
    """4 images; 64 filters 9x9 at stride 2 and 128 at stride 4, learned; soft threshold, codes at or above 0."""
    images = inputs.images()
    images = (images - images.mean(dim=(1, 2, 3), keepdim=True)) / images.std(dim=(1, 2, 3), keepdim=True)
    for number, stride in ((64, 2), (128, 4)):
        yield _contest(images[:4], _learned(images[16:], number, stride), stride)


def _learned(images: Tensor, number: int, stride: int) -> Tensor:
    """(K, 3, 9, 9) filters of unit norm after 100 gradient steps on codes of a few images each."""
    generator = torch.Generator().manual_seed(0)
    filters = F.normalize(torch.randn(number, 243, generator=generator), dim=1).view(number, 3, 9, 9)
    for _ in range(100):
        batch = images[torch.randint(len(images), (8,), generator=generator)]
        free = filters.requires_grad_()
        operator = Convolution(free, (32, 32), stride, 4)
        codes = fista(batch, operator.detached(), LMBDA, tolerance=0.1, positive=True).codes
        (gradient,) = torch.autograd.grad((batch - operator.synthesise(codes)).square().sum() / 2, free)
        use = codes.square().sum(dim=(0, 2, 3)) + 1
        moved = filters.detach() - 0.5 * gradient / use[:, None, None, None]
        filters = F.normalize(moved.flatten(1), dim=1).view_as(moved)
    return filters


def plain_dynamics(images: Tensor, filters: Tensor, stride: int) -> Tensor:
    """Euler's steps with lateral kernels: every filter against every shifted filter, convolved with the code.

    At the border it inhibits as if the image went on, which is not the gradient of any energy of the cropped image.
    """
    drive = F.conv2d(images, filters, stride=stride, padding=4)
    reach = (filters.shape[-1] - 1) // stride * stride
    lateral = F.conv2d(filters, filters, stride=stride, padding=reach)
    potentials = torch.zeros_like(drive)
    for _ in range(STEPS):
        codes = (potentials - LMBDA).clamp_min(0)
        inhibition = F.conv2d(codes, lateral, padding=lateral.shape[-1] // 2) - codes
        potentials = potentials + (drive - potentials - inhibition) / TAU
    return (potentials - LMBDA).clamp_min(0)


def _contest(images: Tensor, filters: Tensor, stride: int) -> Contest:
    operator = Convolution(filters, (32, 32), stride, 4)

    def energy(codes: Tensor) -> float:
        residual = images - operator.synthesise(codes)
        return (residual.square().sum() / 2 + LMBDA * codes.abs().sum()).item()

    dynamics = partial(
        lca, images, filters, LMBDA, tau=TAU, n_steps=STEPS, tolerance=0.0, positive=True, stride=stride, padding=4
    )
    goal = min(energy(plain_dynamics(images, filters, stride)), energy(dynamics().codes))
    solve = partial(fista, images, lmbda=LMBDA, positive=True)
    gaps = (0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005)
    gap = next(gap for gap in gaps if energy(solve(operator=operator, tolerance=gap).codes) <= goal)
    rival = "LCA as published, lateral kernels"

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        return {
            "fista: energy over the lower of the dynamics'": Check(energy(results["fista"].codes) / goal, most=1.0),
            "fista: relative duality gap asked for": Check(gap),
        }

    return Contest(
        path="lca",
        setting=f"{len(filters)} filters 9x9x3, stride {stride}, {len(images)} images 32x32, {STEPS} steps",
        signals=len(images),
        runs={
            rival: partial(plain_dynamics, images, filters, stride),
            "lca (residual form)": dynamics,
            "fista": lambda: solve(operator=Convolution(filters, (32, 32), stride, 4), tolerance=gap),
        },
        goals=[Goal("fista", rival, 15.0), Goal("lca (residual form)", rival, 1.0)],
        checks=checks,
        flops=2.0 * filters[0].numel() * operator.analyse(images).numel(),
        rounds=3,
    )
