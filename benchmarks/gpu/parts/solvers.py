"""Part 3: solvers and front ends, forward and gradient, against the CPU and against their floor."""

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.frontends.built import built
from benchmarks.gpu.compared import Call, Subject, compared, with_gradient
from benchmarks.gpu.part import Entry, Part
from benchmarks.gpu.pictures import SIDE, training_pictures
from benchmarks.gpu.where_from import ROOT
from sparsecode import Coded, Dense, cbpdn, fista, lasso, lca, omp, sample_patches, tikhonov_split
from sparsefront.frontends import FrontEnd

FRAGMENTS = ROOT / "lightning_configs" / "frontends"
FIRST = ("top_t", "stl_universal", "stl", "dsc", "ddl", "d3", "region_sparse")
TOY = ("top_t", "jpeg")
LMBDA, N_NONZERO = 0.15, 10  # of about as many nonzeros
N_PICTURES = 2048

Solve = Callable[[Tensor, Tensor], Coded]
DENSE: dict[str, Solve] = {
    "omp": lambda signals, atoms: omp(signals, atoms, N_NONZERO, gradient="implicit"),
    "ormp": lambda signals, atoms: omp(signals, atoms, N_NONZERO, rule="ormp", gradient="implicit"),
    "lasso": lambda signals, atoms: lasso(signals, atoms, LMBDA, gradient="implicit"),
    "fista": lambda signals, atoms: fista(signals, Dense(atoms), LMBDA, gradient="implicit"),
    "lca": lambda signals, atoms: lca(signals, atoms, LMBDA, gradient="implicit"),
}


def run(part: Part) -> None:
    """Solvers of patches, the one of whole images, then front ends, those of the papers first."""
    warnings.simplefilter("ignore")  # codes that are not at rest, nothing to validate by: both are meant here
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    toy = part.options.toy
    read = partial(training_pictures, part.options, N_PICTURES)
    images = cache(lambda: part.pictures("coded", read()).as_floats(torch.device("cpu")))
    for name, solve in DENSE.items():
        part.do(name, partial(_compared, part, partial(of_patches, solve), images))
    part.do("cbpdn", partial(_compared, part, of_images, images))
    others = sorted({path.stem for path in FRAGMENTS.glob("*.yaml")} - {*FIRST})
    for name in TOY if toy else (*FIRST, *others):
        part.do(f"frontend {name}", partial(_compared, part, partial(of_front_end, name), images))


def _compared(
    part: Part, subject: Callable[[Tensor, bool], Subject], images: Callable[[], Tensor], entry: Entry
) -> None:
    entry |= compared(subject(images(), part.options.toy), part.device, part.rates)


def of_patches(solve: Solve, images: Tensor, toy: bool) -> Subject:
    """Codes of 8x8 patches of mean 0 and unit norm on such patches as atoms."""
    number, few, n_atoms = (64, 16, 32) if toy else (10_000, 200, 256)
    cut = sample_patches(images, 8, 1, 2 * (number + n_atoms), torch.Generator().manual_seed(0))
    cut = cut - cut.mean(dim=1, keepdim=True)
    signals = normalize(cut[cut.norm(dim=1) > 0.1], dim=1)
    atoms = signals[-n_atoms:].T.contiguous()

    def calls(device: torch.device) -> Mapping[str, Call]:
        return with_gradient(lambda some: solve(some, atoms.to(device)).codes)

    return Subject(signals[:number], few, calls)


def of_images(images: Tensor, toy: bool) -> Subject:
    """Codes of whole images, without their low pass, with 64 filters that are patches."""
    number, few, n_filters = (2, 2, 8) if toy else (128, 8, 64)
    patches = sample_patches(images, 8, 1, 4 * n_filters, torch.Generator().manual_seed(0))
    patches = patches - patches.mean(dim=1, keepdim=True)
    filters = normalize(patches[patches.norm(dim=1) > 0.1][:n_filters], dim=1).view(-1, 3, 8, 8)
    rest = tikhonov_split(images[:number])[1]

    def calls(device: torch.device) -> Mapping[str, Call]:
        return with_gradient(lambda some: cbpdn(some, filters.to(device), LMBDA, gradient="implicit").codes)

    return Subject(rest, few, calls)


def of_front_end(name: str, images: Tensor, toy: bool) -> Subject:
    """A front end at the settings of its file, as the strongest adversary known differentiates it."""
    number, few = (2, 2) if toy else (128, 4)
    frontend = front_end(name, images)

    def calls(device: torch.device) -> Mapping[str, Call]:
        frontend.to(device)
        return with_gradient(frontend, frontend.stand_in(frontend.default_backward))

    return Subject(images[:number], few, calls, frontend.randomised)


def front_end(name: str, images: Tensor) -> FrontEnd:
    """A front end that has learned a little from images, on the CPU."""

    def some(number: int) -> Tensor:
        return images[torch.arange(number) % len(images)]

    return built(FRAGMENTS / f"{name}.yaml", (3, SIDE, SIDE), some)
