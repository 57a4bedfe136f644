"""How selective neurons are for classes."""

from typing import NamedTuple

import torch
from torch import Tensor

from sparsefront.analysis.hidden import last_hidden
from sparsefront.common.processes import Processes
from sparsefront.data.base import ImageData
from sparsefront.data.loading.progress import progress
from sparsefront.data.loading.samplers import process
from sparsefront.model.defended import DefendedClassifier


class ClassMoments(NamedTuple):
    """Activations of n neurons over images of each of K classes.

    Attributes:
        images: (K,) how many there are.
        mean: (K, n); 0 of a class without images.
        deviation: (K, n) standard deviations about it, over the images.
    """

    images: Tensor
    mean: Tensor
    deviation: Tensor

    @classmethod
    def of_sums(cls, count: Tensor, total: Tensor, squares: Tensor) -> "ClassMoments":
        """From sums over images, (K,), (K, n) and (K, n), of ones, activations and their squares."""
        images = count.clamp_min(1)[:, None]
        mean = total / images
        return cls(count, mean, (squares / images - mean.square()).clamp_min(0).sqrt())


def class_moments(model: DefendedClassifier, data: ImageData, number: int) -> ClassMoments:
    """Mean and deviation of every neuron of the last hidden layer over training images (paper 003, Figure 3).

    Processes share the images; each returns the moments over all.

    Args:
        model: in evaluation mode.
        data: its training images are taken without augmentation.
        number: of images a class at most, the first of each.
    """
    rank, processes = process()
    split = data.plain_training_split()
    mine = _first_of_each(split.source.labels[split.positions], number)[rank::processes]
    sums: list[Tensor] = []
    batches = mine.split(data.batch_size)
    for items in progress(batches, "selectivity", len(batches)):
        batch = split.__getitems__(items.tolist())
        hidden = last_hidden(model, batch.image.to(model.device, model.reads)).representation.double().cpu()
        label = _one_hot(batch.label, data.num_classes)
        of_batch = [label.sum(dim=1), label @ hidden, label @ hidden.square()]
        sums = [old + new for old, new in zip(sums, of_batch, strict=True)] if sums else of_batch
    sums_of_processes = [part for part in Processes().gathered(sums) if part]
    return ClassMoments.of_sums(*(torch.stack(parts).sum(dim=0) for parts in zip(*sums_of_processes, strict=True)))


def _one_hot(label: Tensor, classes: int) -> Tensor:
    """(B,) labels -> (K, B) float64, 1 where the column is of the row's class."""
    return torch.nn.functional.one_hot(label.cpu(), classes).double().T


def _first_of_each(labels: Tensor, number: int) -> Tensor:
    """Positions of the first `number` samples of each class, in their order."""
    order = labels.argsort(stable=True)
    counts = labels.bincount()
    place = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[order]]
    return order[place < number].sort().values
