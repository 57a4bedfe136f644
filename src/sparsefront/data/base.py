"""The contract of a data module."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from sparsefront.common.rules import check_rules, count_or_fraction, not_below
from sparsefront.common.settings import CheckedSettings
from sparsefront.data.batch import Batch
from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.cached.projected_split import ProjectedSplit
from sparsefront.data.files.file_images import FileImages
from sparsefront.data.loading.augment import Augment, Augmentation
from sparsefront.data.loading.samplers import TrainingSampler, evaluation_sampler, process
from sparsefront.data.loading.training_loader import TrainingLoader
from sparsefront.data.named_batch import NamedBatch
from sparsefront.data.splits.parts import PartName, Parts
from sparsefront.data.splits.sizes import image_count
from sparsefront.data.splits.sources import ImageSource
from sparsefront.data.splits.split import Split, as_is
from sparsefront.data.splits.stratified import stratified_cut

NEEDED: dict[str | None, tuple[PartName, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("test",),
    None: ("train", "val", "test"),
}


class ImageData(CheckedSettings, LightningDataModule, ABC):
    """Labelled images, whose batches are `Batch(image, label, index)` with float pixels (B, C, H, W) in [0, 1].

    A subclass reads the images (`source`). Parts without a source of their own are cut from the training source, in its
    class proportions and by the seed alone (see `cut`), so parts never overlap; `index` is a sample's position in the
    source of its part. Evaluation meets every sample exactly once on any number of processes, in the source's own order
    or, where that goes class by class, in the seed's, so that the first batches hold all classes. `predict` runs over
    the test part.

    Attributes:
        image_shape: (C, H, W) of every image; known before any download.
        num_classes: number of classes.
        class_names: their names, in label order.
        augmenting: set it to False before a fit on plain images, e.g. while a front end learns its dictionary.
        projected: what training batches are made of, where a front end has seen the images already.
        repeats: whether an epoch of training meets some images more than once.
        size_settings: what the settings are called that say how many images validation and test get.

    Args:
        image_shape: (C, H, W) to serve.
        class_names: in label order.
        own_parts: the parts that have a source of their own.
        batch_size: images a batch on each process.
        val_size: validation images where they are cut: an integer counts them, a float is a fraction of the source.
        test_size: test images where they are cut, likewise.
        seed: fixes the parts, the order and the augmentation.
        num_workers: processes that load batches; 0 loads in the main process.
        augment: what training batches go through, see `Augment`.

    Raises:
        ValueError: batch_size < 1, num_workers < 0, seed < 0, a size that is neither a count nor a fraction.
    """

    size_settings: ClassVar[tuple[str, ...]] = ("val_size", "test_size")

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        class_names: Sequence[str],
        own_parts: Collection[PartName],
        batch_size: int,
        val_size: int | float,
        test_size: int | float,
        seed: int,
        num_workers: int,
        augment: Augmentation,
    ) -> None:
        super().__init__()
        check_rules(
            [
                *not_below(1, "write e.g. batch_size: 128", batch_size=batch_size),
                *not_below(0, "0 loads in the main process", num_workers=num_workers),
                *not_below(0, "write e.g. seed: 0", seed=seed),
                *count_or_fraction(val_size=val_size, test_size=test_size),
            ]
        )
        self.image_shape = image_shape
        self.class_names = tuple(class_names)
        self.num_classes = len(self.class_names)
        self.own_parts = tuple(own_parts)
        self.val_size = val_size
        self.test_size = test_size
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.augment = augment
        self.augmenting = True
        self.projected: ProjectedSplit | None = None
        self.repeats = False
        self._said = False
        self._augment = Augment(augment, image_shape[1:])
        self._parts = Parts(self.source, self.own_parts, self.cut, seed, self.keep)

    @abstractmethod
    def source(self, part: PartName) -> ImageSource:
        """Read the set that a part comes from; called for `own_parts` alone.

        Args:
            part: "train", "val" or "test".

        Returns:
            Its images and labels.

        Raises:
            ValueError: data that is missing or cannot be read.
        """

    def cut(self, source: ImageSource) -> Mapping[PartName, Tensor]:
        """Cut the training source into the training part and those without a source of their own.

        Test comes before validation, so that `val_size` never changes the test part.

        Args:
            source: the training source.

        Returns:
            Positions in it of each of these parts; they never overlap.

        Raises:
            ValueError: the parts ask for more images than there are.
        """
        total = len(source)
        test = 0 if "test" in self.own_parts else image_count(self.test_size, total)
        val = 0 if "val" in self.own_parts else image_count(self.val_size, total)
        if test + val > total:
            raise ValueError(
                f"`val_size` and `test_size` must leave no more than the {total} images they are cut from, found {val}"
                f" and {test} images (val_size: {self.val_size}, test_size: {self.test_size}); make them smaller."
            )
        names: tuple[PartName, ...] = ("test", "val", "train")
        pieces = zip(names, stratified_cut(source.labels, [test, val], self.seed), strict=True)
        return {name: piece for name, piece in pieces if name == "train" or name not in self.own_parts}

    def keep(self, part: PartName, positions: Tensor) -> Tensor:
        """Choose which images stay in a part; a subclass leaves out those that are in another part too.

        Args:
            part: "train", "val" or "test".
            positions: (M,) of the part's images in its source.

        Returns:
            Those that stay, in the same order.
        """
        return positions

    @property
    def display_name(self) -> str:
        """What tables and records call the data: its class, or, of data from a folder, the folder."""
        return type(self).__name__

    def check_training_labels(self) -> None:
        """Refuse training images of one class, of which every answer would be right and every attack fail.

        Raises:
            ValueError: the training part has images of one class alone.
        """
        source, positions = self._parts["train"]
        self._refuse_one_class(source.labels[positions])

    def check_before_fit(self) -> None:
        """Refuse, before anything is learned or read, data that `check_training_labels` would refuse.

        Raises:
            ValueError: see there.
        """

    def _refuse_one_class(self, labels: Tensor) -> None:
        labels_met = labels.unique()
        if len(labels_met) < 2:
            classes = " and ".join(self.class_names[label] for label in labels_met.tolist())
            raise ValueError(
                f"`data` must have training images of two classes or more, found {len(labels)} of {len(labels_met)}"
                f" ({classes}) in {self.display_name}; a model of one class is right and robust whatever it is shown."
            )

    def setup(self, stage: str | None = None) -> None:
        """Read what a stage needs, once.

        Args:
            stage: "fit", "validate", "test", "predict", or None for all parts.

        Raises:
            ValueError: data that is missing or cannot be read, parts larger than the set, no image for the stage.
        """
        sizes = [len(self._parts[part].positions) for part in NEEDED[stage]]
        if sizes[0] == 0:
            names, values = self.size_settings, [f"{name}: {getattr(self, name)}" for name in self.size_settings]
            raise ValueError(
                f"`{'` and `'.join(names)}` must leave images to the part '{NEEDED[stage][0]}', found none with"
                f" {' and '.join(values)}; change these sizes."
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Training batches in an order that depends on (seed, epoch) alone."""
        split = self._training_split() if self.projected is None else self.projected
        sampler = TrainingSampler(split, self.seed, *process())
        # a resumed run's workers ask for their first batches before Lightning sets the epoch
        sampler.set_epoch(self.trainer.current_epoch if self.trainer is not None else 0)
        loader = self._loader(split, sampler)
        if isinstance(loader, TrainingLoader) and loader.joins and not self._said:
            self._said = True
            rank_zero_only(print)(
                f"The last training batch would hold one image, too few for batch normalisation: it joins the batch "
                f"before, which holds {self.batch_size + 1}.",
                flush=True,
            )
        return loader

    def _training_split(self) -> Split:
        source, positions = self._parts["train"]
        if isinstance(source, FileImages) and self.augmenting and self.augment == "resized_crop_flip":
            return Split(source.at_random(self.seed), positions)
        return self.plain_training_split()

    def plain_training_split(self) -> Split:
        """The training images without augmentation, in an order that does not change."""
        return Split(*self._parts["train"])

    def first_training_images(self, number: int) -> Batch | NamedBatch:
        """The first images of the training part without augmentation, the same on every process."""
        split = self.plain_training_split()
        return split.__getitems__(list(range(min(number, len(split)))))

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """Validation batches; none where there are no validation images."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """Test batches; none where there are no test images."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """Test batches, labels included."""
        return self._evaluation_loader("test")

    def on_after_batch_transfer(self, batch: Batch | NamedBatch, dataloader_idx: int) -> Batch | NamedBatch:
        """Augment a training batch on its device.

        Args:
            batch: what a loader served.
            dataloader_idx: the loader's number.

        Returns:
            The batch, its images augmented where a trainer is training on it and `augmenting` is set.
        """
        trainer = self.trainer
        if trainer is None or not trainer.training or not self.augmenting or self.augment == "none":
            return batch
        streamed = isinstance(self._parts["train"].source, FileImages) and not isinstance(batch, ProjectedBatch)
        if streamed and self.augment == "resized_crop_flip":
            return batch  # the loader cropped the whole picture already
        numbers = (self.seed, trainer.current_epoch, trainer.fit_loop.batch_idx + 1, trainer.global_rank)
        return batch._replace(image=self._augment(batch.image, *numbers))

    def _evaluation_loader(self, part: PartName) -> DataLoader[Any] | list[DataLoader[Any]]:
        split = Split(*self._parts[part])
        return self._loader(split, evaluation_sampler(split, *process())) if len(split) else []

    def _loader(self, split: Split, sampler: Sampler[int] | None) -> DataLoader[Any]:
        kind = TrainingLoader if isinstance(sampler, TrainingSampler) else DataLoader
        return kind(
            split,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=as_is,
            pin_memory=torch.cuda.is_available(),
        )
