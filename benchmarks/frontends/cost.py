"""Time and memory of one front end on one size of image, measured in a process of its own."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from benchmarks.frontends.growth import growth
from sparsefront.frontends import D3, DSC, STL, FrontEnd, PixelDeflection
from sparsefront.model.deployed import Builder

ROUNDS = 3
PATIENCE = 10.0  # seconds, after which no further round begins
LEARNING = 8  # images a learning step
STEPS = 2  # of learning
FILTER_STEPS = 20  # of STL's, whose codes are denser, and slower to find, with filters that have hardly learned
LAYER_LEARNING = 512  # images a learning step of DSC's: its top layer's atoms start from so many images' codes
PICTURES = ("astronaut", "coffee", "chelsea", "rocket")


def pictures(number: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """Crops (N, C, H, W) in [0, 1] of photographs that come with scikit-image."""
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    whole = [torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None] / 255 for name in PICTURES]
    found = []
    for place in range(number):
        picture = whole[place % len(whole)]
        side = min(picture.shape[2:], default=1)
        side = int(torch.randint(side // 2, side, (), generator=generator))
        top, left = (int(torch.randint(0, extent - side, (), generator=generator)) for extent in picture.shape[2:])
        crop = picture[..., top : top + side, left : left + side]
        found.append(F.interpolate(crop, (height, width), mode="area").clamp(0, 1))
    images = torch.cat(found)
    return images if channels == 3 else images.mean(dim=1, keepdim=True)


def build(fragment: str, shape: tuple[int, int, int]) -> FrontEnd:
    """The front end of a YAML fragment, learned for two steps: enough for what it costs.

    D3's dictionary is filled up, STL's filters learn longer, DSC's layers from more images; an attention network stays
    as it was drawn.
    """
    parser = ArgumentParser()
    parser.add_argument("--model.frontend", type=Builder)
    frontend: FrontEnd = parser.instantiate_classes(parser.parse_path(fragment)).model.frontend(shape)
    for part in frontend.modules():
        if isinstance(part, PixelDeflection):
            part.end_learning()
    if not frontend.learned:
        frontend.n_learning_steps, number, batch = STEPS, LEARNING, LEARNING
        if isinstance(frontend, DSC):
            number = batch = LAYER_LEARNING
        if isinstance(frontend, STL):
            references = frontend.clusters.n_components // LEARNING
            frontend.clusters = replace(
                frontend.clusters, autoencoder_iterations=STEPS, reference_iterations=references
            )
            frontend.learning = replace(frontend.learning, n_iterations=FILTER_STEPS)
            frontend.n_learning_steps, number = sum(frontend.stages), LEARNING * FILTER_STEPS
        images = torch.utils.data.TensorDataset(pictures(number, shape, seed=1))
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(frontend, torch.utils.data.DataLoader(images, batch))
    for part in frontend.modules():
        if isinstance(part, D3):
            fill(part)
    return frontend.eval()


def fill(frontend: D3) -> None:
    """Random unit vectors for the atoms that a whole stage one would find; each costs what any other does."""
    missing = frontend.dictionary[:, int(frontend.n_chosen) :]
    drawn = torch.randn(missing.shape, generator=torch.Generator().manual_seed(0))
    missing.copy_(F.normalize(drawn, dim=0))
    frontend.n_chosen.fill_(frontend.n_atoms)


def seconds(call: Callable[[Tensor], object], images: Tensor) -> float:
    """The median of a few calls, after one on a single image."""
    call(images[:1])
    found: list[float] = []
    while len(found) < ROUNDS and sum(found) < PATIENCE:
        start = time.perf_counter()
        call(images)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    """Print the costs of `FRAGMENT C H W NUMBER` as JSON."""
    fragment, *sizes = sys.argv[1:]
    channels, height, width, number = map(int, sizes)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    frontend, images = build(fragment, (channels, height, width)), pictures(number, (channels, height, width))

    @torch.no_grad()
    def forward(batch: Tensor) -> Tensor:
        filtered: Tensor = frontend(batch)
        return filtered

    def gradient(batch: Tensor) -> Tensor:
        point = batch.clone().requires_grad_()
        return torch.autograd.grad(frontend.stand_in(frontend.default_backward)(point).sum(), point)[0]

    calls = {"forward": forward, "gradient": gradient}
    times = {name: seconds(call, images) for name, call in calls.items()}
    found = {name: {"seconds": times[name], "bytes": growth(call, images)} for name, call in calls.items()}
    sys.stdout.write(json.dumps({"system": type(frontend).__name__, "mode": frontend.default_backward, **found}))


if __name__ == "__main__":
    main()
