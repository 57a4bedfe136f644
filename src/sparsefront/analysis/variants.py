"""Variants of images, made by attacks and controls."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from sparsefront.attacks import Attack, NamedAttack, NoiseControl
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_progress import AttackProgress
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.model.defended import DefendedClassifier


class Variants:
    """Makes variants of every image, whether the model is right about it or not.

    Noise that matches the perturbation of an earlier variant takes that one's images; they are not made again.

    Args:
        model: the deployed model, in evaluation mode and frozen.
        variants: what makes them, in this order.
        training_images: called with a number, gives so many images and labels for attacks that must be fitted.
        progress: told of every variant and query.
    """

    def __init__(
        self,
        model: DefendedClassifier,
        variants: Sequence[NamedAttack],
        training_images: Callable[[int], tuple[Tensor, Tensor]],
        progress: AttackProgress,
    ) -> None:
        self._model = model
        self._run = AttackRun(model, variants, training_images=training_images, progress=progress)

    def __call__(self, batch: Batch, logits: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and images (B, C, H, W) of each variant of a batch on the model's device with clean logits (B, K)."""
        made: list[tuple[NamedAttack, Tensor]] = []
        self._run.prepared.form(batch.image)
        for named in self._run.attacks:
            targeted = named.attack.targeted
            goal = named.targets(logits, batch.label, batch.index) if targeted else batch.label
            self._run.progress.begin(named.name, len(batch.label), self._run.costs[named.name])
            known = next((images for other, images in made if _is_noise_of(named, other)), None)
            if known is not None:
                images = _with(named.attack, known)(self._model, batch.image, goal, batch.index)
            else:
                ready, searched = self._run.prepared.ready(named)
                images = ready.attack(searched, batch.image, goal, batch.index)
            self._run.progress.end()
            images = images.clamp(0, 1)
            made.append((named, images))
            yield named.name, images


def _is_noise_of(named: NamedAttack, other: NamedAttack) -> bool:
    same = named.view == other.view and named.target == other.target
    return isinstance(named.attack, NoiseControl) and named.attack.attack == other.attack and same


def _with(control: Any, images: Tensor) -> Attack:
    """The control, measuring its noise by images that its attack has made before."""
    made: Attack = replace(control, attack=_Made(images))
    return made


@dataclass(frozen=True, eq=False)
class _Made(Attack):
    """An attack that returns images which were made before."""

    images: Tensor

    def perturb(self, model: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        return self.images
