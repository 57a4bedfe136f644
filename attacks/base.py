"""The contract of an attack."""

from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import inside
from sparsefront.attacks.parts.batch import check_batch, check_integers, check_starts, in_precision
from sparsefront.attacks.parts.guarded import guarded
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.reach import check_reach
from sparsefront.common.budget import Budget
from sparsefront.common.gradient_of import retried
from sparsefront.common.settings import CheckedSettings


class Attack(CheckedSettings, ABC):
    """An adversary's arithmetic: (model, images, labels) -> adversarial images.

    A concrete attack is a frozen dataclass of settings that holds no model, no device and no batch, and writes
    `perturb`, and `budget` or `minimises` where a norm bounds it or is made small. Calling it leaves no trace:
    parameters, their gradients and flags, modes and torch's random states stay as they are (only a model that draws
    random numbers itself moves those). It works under `torch.no_grad` and `torch.inference_mode` too. The model is
    `Guarded`: it may write into its input, return its logits among other outputs and read half precision, and a network
    that was left in training mode is attacked, with a warning, in evaluation mode.

    Attributes:
        targeted: whether `labels` are the classes aimed at rather than those to leave.
        early_stop: whether it leaves a sample as soon as an image fools the model that it is given, and returns that
            image. As strong as going on, and much faster, where that is the deployed model; wrong for a surrogate,
            which may be fooled long before the deployed model is, and for a model that draws random numbers, where
            what fools one draw need not fool the next. A setting where an attack can do both; False of one that never
            stops early, among them all that walk on for a smaller perturbation; True of one that always does.
        n_fitting_images: training images that `fitted` needs before the attack can run; 0 for most.
        knowledge: what the table calls its adversary where that does not follow from the view: `black_box` asks the
            model for its logits or labels alone, `control` is no adversary, `transfer` made its images elsewhere.
        single_step: whether it takes one gradient step, so that an attack of many should be stronger.
        by_gradient: whether it gets all that it gets by gradients if its adversary is a white box, so that one who asks
            for answers alone should not be stronger.
        early_stop_mend: what to write so that it does not stop early, if it would.
        begins_from_starts: whether it makes use of points that other attacks found before, `starts` of a call: then it
            writes `perturb_from`. Others begin as ever.
    """

    targeted: bool = False
    early_stop: bool = False
    n_fitting_images: int = 0
    knowledge: ClassVar[str | None] = None
    single_step: ClassVar[bool] = False
    by_gradient: ClassVar[bool] = True
    early_stop_mend: ClassVar[str] = "write `early_stop: false` among its settings"
    begins_from_starts: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse settings that cannot be; their kinds have been looked at before (`CheckedSettings`)."""

    @property
    def budget(self) -> Budget | None:
        """The ball that it keeps to, by which attacks are compared; None where no norm bounds it."""
        return None

    @property
    def minimises(self) -> str | None:
        """The norm that it makes as small as it can without a bound; None of any other attack.

        What such an attack finds is a size: that it fools a model at any size says nothing.
        """
        return None

    @property
    def least_classes(self) -> int:
        """The fewest classes that a model may have: a loss may compare several."""
        return 2

    def check_classes(self, count: int) -> None:
        """Raise a ValueError unless a model of `count` classes has enough of them."""
        if count < self.least_classes:
            raise ValueError(
                f"`loss` dlr of {type(self).__name__} needs at least {self.least_classes} classes, found {count}; "
                "use ce or cw."
            )

    def check_budget(self, image_shape: tuple[int, ...]) -> None:
        """Raise a ValueError if the ball holds every image of shape (C, H, W), so that it bounds nothing."""
        check_reach(self, image_shape)

    def without_early_stop(self) -> Self:
        """This attack with `early_stop` off where that is a setting; itself of one that has no such setting."""
        settings: Any = self
        can_choose = is_dataclass(self) and "early_stop" in {field.name for field in fields(settings) if field.init}
        return replace(settings, early_stop=False) if can_choose and self.early_stop else self

    def fitted(self, model: Model, images: Tensor, labels: Tensor) -> "Attack":
        """The attack that has seen training images (N, C, H, W) with labels (N,); itself where it needs none."""
        return self

    @abstractmethod
    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return adversarial images; arguments as in `__call__`, checked, with gradients possible."""

    def confine_starts(self, starts: Tensor, images: Tensor) -> Tensor:
        """The nearest points of the attack's balls around images, (B, C, H, W) -> (B, C, H, W)."""
        return inside(self.budget, starts, images)

    def perturb_from(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
        """Return adversarial images, beginning from `starts` (B, C, H, W) inside the ball around `images`.

        Called in the place of `perturb` where there are starts; here they are ignored.
        """
        return self.perturb(model, images, labels, indices)

    def __call__(
        self,
        model: Model,
        images: Tensor,
        labels: Tensor,
        indices: Tensor | None = None,
        starts: Tensor | None = None,
    ) -> Tensor:
        """Attack a batch.

        Args:
            model: images -> logits (B, K), a network or any function; may be differentiated.
            images: (B, C, H, W) floating, in [0, 1], of the dtype that the model reads.
            labels: (B,) int64, the true classes or, if `targeted`, those aimed at.
            indices: (B,) int64, the samples' numbers in their data set: random draws depend on them and on the
                settings alone, not on the batch. 0, 1, ... if absent.
            starts: (B, C, H, W) in [0, 1], the best points known so far, to begin from where `begins_from_starts`. They
                are brought into the attack's ball first; a sample without any has its own image here.

        Returns:
            (B, C, H, W) images in [0, 1] of the same dtype and device, detached.

        Raises:
            ValueError: a ball that holds every image there is, images or starts that are not pixels, labels, indices or
                starts that do not fit, logits or gradients that are not finite, a model that cannot be differentiated.
            TypeError: images, labels, indices or starts that are no tensors.
        """
        check_batch(images, labels)
        if indices is None:
            indices = torch.arange(len(images), device=images.device)
        check_integers(indices, "indices", len(images))
        if starts is not None:
            check_starts(starts, images)
        # Tensors made in inference mode may not meet autograd: clones made outside of it may.
        with torch.inference_mode(False), torch.enable_grad():
            dtype = images.dtype
            clean = in_precision(images)
            labels = labels.clone()
            indices = indices.clone().to(images.device)
            if not len(images):
                return clean.to(dtype)
            self.check_budget(tuple(images.shape[1:]))
            begun = None if starts is None else self.confine_starts(in_precision(starts), clean)
            with guarded(model, dtype) as asked:

                def attempt() -> Tensor:
                    if begun is None:
                        return self.perturb(asked, clean.clone(), labels, indices)
                    return self.perturb_from(asked, clean.clone(), labels, indices, begun.clone())

                return retried(attempt).detach().to(dtype)
