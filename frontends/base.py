"""The contract of a front end."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sparsecode import value_with_gradient_of
from sparsefront.common.changes.step import Step
from sparsefront.common.processes import Processes
from sparsefront.common.random import generator_of
from sparsefront.common.refusals import refusals_by
from sparsefront.common.settings import CheckedSettings
from sparsefront.frontends.parts.learner import Learner

ImageMap = Callable[[Tensor], Tensor]


class FrontEnd(CheckedSettings, pl.LightningModule, ABC):
    """Cleans images before a classifier sees them: the deployed defense, exactly.

    Images (B, C, H, W) in [0, 1] -> images of the same shape in [0, 1], or -> codes (B, `out_channels`, H', W'). One of
    several copies an image returns B * `n_copies` of them, an image's copies side by side; the defended classifier
    averages their probabilities.

    A front end says three things:

    * `forward`: what is deployed. One image's result never depends on its batch mates. A `randomised` one draws from
      torch's global random numbers, anew in every call.
    * `backward_modes`: how an adversary may differentiate it, by name. Each mode has the *value* of `forward` and
      the *gradient* of a stand-in (Athalye et al. 2018, backward pass differentiable approximation, BPDA).
    * `learn_from`: how it learns its dictionary without labels, one batch of images at a time, when a `Trainer` fits
      it (stage one). The number of batches is `n_learning_steps`; 0 means that there is nothing to learn.

    Args:
        image_shape: (C, H, W) of the images that it reads.

    Attributes:
        learned: bool buffer, True once there is nothing left to learn; kept in checkpoints.
        default_backward: the backward mode a white-box adversary uses when it names none: the strongest one known.
        randomised: whether two calls on the same images differ; an adversary then needs `eot_iter`.
        draws_each_image: whether a randomised one draws for each image of a call by itself, so that copies of an image
            in one batch say as much of its draws as calls of their own; an adversary's `eot_iter` goes through at once.
        hands_images_on: whether `forward` returns its images as they are, so that it is no defense.
        n_copies: what one image becomes, more than one for an ensemble.
        learns_from_original: whether it learns from clean images themselves even where others come before it.
    """

    default_backward: str = "exact"
    randomised: bool = False
    draws_each_image: bool = False
    hands_images_on: bool = False
    n_copies: int = 1
    n_learning_steps: int = 0
    learns_from_original: bool = False
    learned: Tensor
    learning_step: Tensor
    _learner: Learner | None = None  # gone once there is nothing left to learn

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        if len(image_shape) != 3 or min(image_shape) < 1:
            raise ValueError(f"`image_shape` must be three positive sizes (C, H, W), found {tuple(image_shape)}.")
        self.image_shape = (int(image_shape[0]), int(image_shape[1]), int(image_shape[2]))
        self.automatic_optimization = False
        self.register_buffer("learned", torch.tensor(True))
        self.register_buffer("learning_step", torch.tensor(0), persistent=False)

    @property
    def out_channels(self) -> int:
        """Channels of what `forward` returns."""
        return self.image_shape[0]

    @property
    def returns_images(self) -> bool:
        """Whether `forward` returns images of the input's size (True) or codes (False)."""
        return True

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images in [0, 1] to what the classifier reads."""

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """Backward modes by name: each maps its settings to a function with the value of `forward`.

        Every front end has `exact`, the derivative of the deployed computation as automatic differentiation finds it;
        one that returns images has `identity`, the gradient of handing them on, too. One with more adds to these.
        """
        modes: dict[str, Callable[..., ImageMap]] = {"exact": self._exact}
        return {**modes, "identity": self._identity} if self.returns_images else modes

    def _exact(self) -> ImageMap:
        return self.forward

    def _identity(self) -> ImageMap:
        """The value of `forward` and the gradient of handing the images on as they are; images in, images out."""

        def passing(images: Tensor) -> Tensor:
            with torch.no_grad():
                value = self.forward(images)
            return value_with_gradient_of(images.repeat_interleave(self.n_copies, dim=0), value)

        return passing

    def change_steps(self) -> list[Step] | None:
        """Steps that compute `forward` again where a window of the image changed, new ones in each call.

        For searches by answers that change an image window by window; None where the whole must be computed.
        """
        return None

    def stand_in(self, backward: str, **settings: Any) -> ImageMap:
        """Return the front end as an adversary differentiates it.

        Args:
            backward: a key of `backward_modes()`.
            settings: that mode's own settings.

        Returns:
            A function from images to the value of `forward` whose gradient is the mode's.

        Raises:
            ValueError: the mode or a setting does not exist, or a setting's value is refused.
        """
        modes = self.backward_modes()
        name = type(self).__name__
        if backward not in modes:
            raise ValueError(
                f"`backward` of {name} must be one of {sorted(modes)}, found {backward!r}; `--attacks []` leaves "
                "the attacks of another front end's experiment out."
            )
        accepted = list(inspect.signature(modes[backward]).parameters)
        unknown = sorted(set(settings) - set(accepted))
        if unknown:
            raise ValueError(
                f"`settings` of backward mode {backward!r} of {name} may hold {accepted or 'nothing'}, found {unknown}."
            )
        return modes[backward](**settings)

    def check_learned(self) -> None:
        """Raise a RuntimeError unless there is nothing left to learn."""
        if not self.learned:
            raise RuntimeError(
                f"This {type(self).__name__} has not learned yet; fit it with a Trainer, use `sparsefront fit`, or "
                "name a checkpoint in `frontend_checkpoint`."
            )

    def check_images(self, images: Tensor) -> None:
        """Raise a ValueError unless `images` are finite (B, C, H, W) pixels in [0, 1] of this front end's channels."""
        self.check_kind(images)
        low, high = images.aminmax() if images.numel() else (torch.tensor(0.0), torch.tensor(0.0))
        if not (low >= 0 and high <= 1):  # also catches NaN
            raise ValueError(
                f"`images` must be finite pixels in [0, 1], found [{low.item():.4g}, {high.item():.4g}]; "
                "scale the data and leave normalisation to the classifier."
            )

    def check_kind(self, images: Tensor, smallest_side: int = 1) -> None:
        """Raise a ValueError unless `images` are floating point (B, C, H, W) of this front end's channels, and sides.

        No pixel is looked at, so that nothing waits for a device.
        """
        if not isinstance(images, Tensor):
            raise TypeError(
                f"`images` must be a torch tensor, found {type(images).__module__}.{type(images).__name__}; write "
                "`torch.as_tensor(images)`."
            )
        if images.ndim != 4 or images.shape[1] != self.image_shape[0]:
            raise ValueError(
                f"`images` must have shape (B, {self.image_shape[0]}, H, W) for a {type(self).__name__} built for "
                f"`image_shape` {self.image_shape}, found {tuple(images.shape)}; check the data's channels."
            )
        if not images.is_floating_point():
            raise ValueError(f"`images` must be floating point in [0, 1], found {images.dtype}; divide 8 bits by 255.")
        if min(images.shape[2:]) < smallest_side:
            raise ValueError(
                f"`images` must have at least {smallest_side} pixels a side for a {type(self).__name__} of these "
                f"settings, found {tuple(images.shape[2:])}; serve larger ones."
            )

    def atoms(self) -> Tensor | None:
        """The dictionary as pictures (L, C, n, n) for reports, where there is one."""
        return None

    def reconstruct(self, images: Tensor) -> Tensor | None:
        """What is left of (B, C, H, W) images: images of that shape in [0, 1], or None where codes rebuild none.

        What `forward` returns where that are images, of several copies the first. A front end that returns codes and
        knows what images they stand for overrides it.
        """
        return self(images)[:: self.n_copies] if self.returns_images else None

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Learn from one batch of clean images (B, C, H, W); return what to log. Called `n_learning_steps` times."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to learn.")

    def learn_from_batch(self, batch: Any) -> dict[str, float]:
        """Learn from a batch of the data, whose first entry are its images."""
        return self.learn_from(batch[0])

    @torch.no_grad()
    def end_learning(self) -> None:
        """Nothing is left to learn: let the learner finish, and drop it."""
        if self._learner is not None:
            self._learner.finish()
        self.learned.fill_(True)
        self._learner = None

    @property
    def processes(self) -> Processes:
        """Processes of the `Trainer` that fits this front end, or, without one, of `torch.distributed`."""
        return Processes(None if self._trainer is None else self.trainer.strategy)

    def learning_draws(self, seed: int) -> torch.Generator:
        """Random numbers, on the CPU, of this learning step and this process, which follow from them and a seed."""
        return generator_of(seed, int(self.learning_step), self.processes.rank)

    def configure_optimizers(self) -> None:
        """None for the `Trainer`: the statistics, or an optimizer, are the front end's own."""

    def on_fit_start(self) -> None:
        """Nothing to learn, or learned already: stop before the first batch."""
        if bool(self.learned) and self.trainer.lightning_module is self:
            self.trainer.should_stop = True

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Learn from the first entry of a batch, its images; labels are never looked at."""
        if self.learned:
            return
        images = batch[0]
        with refusals_by(type(self)), torch.no_grad():
            if self.learning_step == 0:
                self.check_images(images)
            metrics = self.learn_from_batch(batch)
        self.learning_step += 1
        self.log_dict({f"frontend/{key}": value for key, value in metrics.items()}, prog_bar=True)
        if self.learning_step >= self.n_learning_steps:
            self.end_learning()
            self.trainer.should_stop = True
