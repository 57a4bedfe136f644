"""A front end of the project's configurations, learned as far as its cost asks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from sparsefront.frontends import D3, DSC, STL, FrontEnd, PixelDeflection
from sparsefront.model.deployed import Builder

LEARNING = 8  # images a learning step
STEPS = 2  # of learning
FILTER_STEPS = 20  # of STL's, whose codes are denser, and slower to find, with filters that have hardly learned
LAYER_LEARNING = 512  # images a learning step of DSC's: its top layer's atoms start from so many images' codes


def built(fragment: str | Path, shape: tuple[int, int, int], pictures: Callable[[int], Tensor]) -> FrontEnd:
    """The front end of a YAML fragment, learned for two steps on the CPU: enough for what it costs.

    D3's dictionary is filled up, STL's filters learn longer, DSC's layers from more images; an attention network stays
    as it was drawn.

    Args:
        fragment: of `lightning_configs/frontends`.
        shape: (C, H, W) of the images.
        pictures: called with a number, gives so many images (N, C, H, W) in [0, 1] to learn from.
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
        images = TensorDataset(pictures(number))
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(frontend, DataLoader(images, batch))
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
