"""Pictures, and front ends that have learned from them."""

import hashlib
import logging
from functools import cache
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.cpu import inputs as cpu
from benchmarks.filters.inputs import pictures
from sparsefront.frontends.stl import STL, STLClusterSettings, STLLearningSettings

SMALL, MIDDLE, LARGE = 32, 128, 224
N_LEARNED = {SMALL: 1200, MIDDLE: 160}  # pictures that front ends learn from
BATCH = {SMALL: 40, MIDDLE: 8}
N_FILTER_BATCHES = {SMALL: 40, MIDDLE: 25}
N_TO_CODE = 120


class Inputs:
    """Pictures of 32x32 and larger ones, and the front ends that code them.

    Args:
        folder: a tree of 32x32 pictures; "" downloads CIFAR-10 into `root`.
        root: of the download, and of the front ends, which are kept once they have learned.
        large: a tree of larger pictures; "" takes those that scikit-image brings along.
    """

    def __init__(self, folder: str, root: str, large: str) -> None:
        self.folder, self.root, self.large = folder, Path(root), large

    @cache  # noqa: B019 one object lives as long as the process
    def images(self, side: int) -> Tensor:
        """All pictures (N, 3, side, side) in [0, 1], in an order of chance; larger ones are resized and cropped."""
        number = N_LEARNED[_learned_at(side)] + N_TO_CODE
        if side == SMALL and not self.folder:
            found = cpu.Inputs("", str(self.root), "").images(number)
        else:
            found = pictures(self.folder if side == SMALL else self.large, side, number)
        return found[torch.randperm(len(found), generator=torch.Generator().manual_seed(0))]

    def coded(self, side: int, number: int) -> Tensor:
        """Pictures that no front end has learned from."""
        return self.images(side)[-number:]

    @cache  # noqa: B019
    def frontend(self, side: int, n_clusters: int) -> STL:
        """A front end with paper 002's settings for pictures of this size.

        It has learned from the small pictures, or for all larger sizes from those of 128x128.
        """
        if side != _learned_at(side):
            return self.frontend(_learned_at(side), n_clusters)
        images, batch = self.images(side)[: N_LEARNED[side]], BATCH[side]
        frontend = STL(
            (3, side, side),
            n_clusters=n_clusters,
            clusters=STLClusterSettings(
                n_references=len(images), reference_iterations=len(images) // batch, autoencoder_iterations=100
            ),
            learning=STLLearningSettings(n_iterations=N_FILTER_BATCHES[side]),
        )
        settings = f"{tuple(images.shape)} {frontend.stages} {n_clusters}".encode()
        name = hashlib.sha256(images.numpy().tobytes() + settings).hexdigest()[:16]
        kept = self.root / "stl_benchmark" / f"{name}.pt"
        if kept.exists():
            frontend.load_state_dict(torch.load(kept, weights_only=True))
        else:
            _fit(frontend, images, batch)
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.save(frontend.state_dict(), kept)
        return frontend.eval()


def _learned_at(side: int) -> int:
    return SMALL if side == SMALL else MIDDLE


def _fit(frontend: STL, images: Tensor, batch: int) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.manual_seed(0)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False, enable_model_summary=False
    )
    trainer.fit(frontend, DataLoader(TensorDataset(images), batch, shuffle=True, drop_last=True))
