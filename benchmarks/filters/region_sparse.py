"""RegionSparse at 299x299 and 224x224, whole and step by step."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.contest import Check, Contest, Goal
from benchmarks.filters.by_libraries import ByLibraries
from benchmarks.filters.inputs import one_by_one, pictures, psnr, together
from sparsecode import OnlineDictionary, PatchGrid, cut_patches, omp, paste_patches
from sparsefront.frontends import RegionSparse
from sparsefront.frontends.parts.benign_patches import benign_patches
from sparsefront.frontends.settings import BackgroundFilter

STEPS = ("region", "background", "cut", "code", "paste")


def contests(folder: str, number: int) -> Iterator[Contest]:
    """The two sizes that the issue names."""
    for side in (299, 224):
        yield _contest(pictures(folder, side, number))


def _contest(images: Tensor) -> Contest:
    frontend = trained(images)
    threads = torch.get_num_threads()
    rivals = {"libraries": ByLibraries(frontend), f"libraries, {threads} jobs": ByLibraries(frontend, threads)}
    stored = one_by_one(images)

    def by_libraries(libraries: ByLibraries) -> Tensor:
        return together([libraries(image) for image in stored])

    runs: dict[str, Callable[[], Any]] = {name: partial(by_libraries, rival) for name, rival in rivals.items()}
    runs["RegionSparse"] = torch.no_grad()(lambda: frontend(images))
    runs |= ours(frontend, images) | theirs(rivals["libraries"], images)
    return Contest(
        path="region_sparse",
        setting=f"{len(images)} images of {images.shape[2]}x{images.shape[3]}, {frontend.codes.n_nonzero_coefs} of "
        f"{frontend.n_atoms} atoms, {frontend.region(images).float().mean():.0%} of the pixels in the region",
        signals=len(images),
        runs=runs,
        goals=[Goal("RegionSparse", rival, 10.0) for rival in rivals]
        + [Goal(f"RegionSparse: {step}", f"libraries: {step}", 0.0) for step in STEPS],
        checks=partial(_checks, images, frontend),
        rounds=3,
    )


def _checks(images: Tensor, frontend: RegionSparse, results: dict[str, Any]) -> dict[str, Check]:
    mine, rival = results["RegionSparse"], results["libraries"]
    regions = torch.stack([torch.from_numpy(region) for region in results["libraries: region"]])
    return {
        "PSNR between the two, dB": Check(psnr(mine, rival), least=50),
        "PSNR of RegionSparse less that of libraries, dB": Check(
            psnr(mine, images) - psnr(rival, images), least=-0.01, most=0.01
        ),
        "pixels in another region, %": Check(
            100 * (regions != frontend.region(images)[:, 0]).double().mean().item(), most=0.1
        ),
    }


def trained(images: Tensor) -> RegionSparse:
    """With a dictionary learned from the very images: what is learned does not move the time."""
    _, channels, height, width = images.shape
    frontend = RegionSparse((channels, height, width)).eval()
    learner, generator = None, torch.Generator().manual_seed(0)
    for _ in range(5):
        patches = benign_patches(images, frontend.patch_size, 400, None, frontend.codes.normalise, generator)
        if learner is None:
            learner = OnlineDictionary(patches[: frontend.n_atoms].T, partial(omp, n_nonzero_coefs=10))
        learner.step(patches)
        frontend.dictionary.copy_(learner.dictionary)
    frontend.learned.fill_(True)
    return frontend


def ours(frontend: RegionSparse, images: Tensor) -> dict[str, Callable[[], Any]]:
    """The steps of `RegionSparse.forward`, each on what the one before gives."""
    grid = PatchGrid(images, frontend.patch_size, frontend.stride)
    places = grid.places(grid.touching(frontend.region(images)))
    image = places[:, 0]

    def take() -> Tensor:
        grid = PatchGrid(images, frontend.patch_size, frontend.stride)
        mean, variance = grid.moments(images)
        chosen = grid.places(grid.touching(region))
        return (cut_patches(images, chosen, frontend.patch_size) - mean[image]) / variance.sqrt()[image]

    def code() -> Tensor:
        return omp(patches, frontend.dictionary, frontend.codes.n_nonzero_coefs).codes @ frontend.dictionary.T

    def put() -> Tensor:
        return paste_patches(mean[image] + deviation[image] * restored, places, images.shape)

    region = frontend.region(images)
    mean, variance = grid.moments(images)
    deviation = variance.sqrt()
    patches = take()
    restored = code()
    runs: tuple[Callable[[], Any], ...] = (
        lambda: frontend.region(images),
        lambda: BackgroundFilter()(images),
        take,
        code,
        put,
    )
    return {f"RegionSparse: {step}": run for step, run in zip(STEPS, runs, strict=True)}


def theirs(libraries: ByLibraries, images: Tensor) -> dict[str, Callable[[], Any]]:
    """The same steps, image by image."""
    stored = one_by_one(images)
    regions = [libraries.region(image) for image in stored]
    taken = [libraries.cut(image, region) for image, region in zip(stored, regions, strict=True)]
    # What coding gives does not move the time of putting it back; to code here would take as long as a round.
    runs: tuple[Callable[[], Any], ...] = (
        lambda: [libraries.region(image) for image in stored],
        lambda: [libraries.background(image) for image in stored],
        lambda: [libraries.cut(image, region) for image, region in zip(stored, regions, strict=True)],
        lambda: [libraries.code(patches) for patches, _, _ in taken],
        lambda: [libraries.paste(*one, image) for one, image in zip(taken, stored, strict=True)],
    )
    return {f"libraries: {step}": run for step, run in zip(STEPS, runs, strict=True)}
