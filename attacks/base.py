"""The contract of an attack."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.differentiation import gradient_of, retried
from sparsefront.attacks.parts.guarded import guarded
from sparsefront.attacks.parts.reach import check_reach
from sparsefront.common.budget import Budget as Budget  # as its home is where readers of results need no torch
from sparsefront.common.settings import CheckedSettings

Model = Callable[[Tensor], Tensor]


class Attack(CheckedSettings, ABC):
    """An adversary's arithmetic: (model, images, labels) -> adversarial images.

    A concrete attack is a frozen dataclass of settings that holds no model, no device and no batch, and writes
    `perturb`. Calling it leaves no trace: parameters, their gradients and flags, modes and torch's random states stay
    as they are (only a model that draws random numbers itself moves those). It works under `torch.no_grad` and
    `torch.inference_mode` too. The model is `Guarded`: it may write into its input, return its logits among other
    outputs and read half precision, and a network that was left in training mode is attacked, with a warning, in
    evaluation mode.

    Attributes:
        targeted: whether `labels` are the classes aimed at rather than those to leave.
        n_fitting_images: training images that `fitted` needs before the attack can run; 0 for most.
        knowledge: what the table calls its adversary where that does not follow from the view: `black_box` asks the
            model for its logits or labels alone, `control` is no adversary, `transfer` made its images elsewhere.
        single_step: whether it takes one gradient step, so that an attack of many should be stronger.
        by_gradient: whether it gets all that it gets by gradients if its adversary is a white box, so that one who asks
            for answers alone should not be stronger.
        to_walk_on: what to write so that it does not stop where a surrogate is fooled, if it would.
    """

    targeted: bool = False
    n_fitting_images: int = 0
    knowledge: ClassVar[str | None] = None
    single_step: ClassVar[bool] = False
    by_gradient: ClassVar[bool] = True
    to_walk_on: ClassVar[str] = "write `early_stop: false` among its settings"

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
        """The fewest classes that it can do with: its loss may compare several."""
        return 2

    def check_classes(self, count: int) -> None:
        """Raise a ValueError unless a model of `count` classes has enough of them."""
        if count < self.least_classes:
            raise ValueError(
                f"`loss` dlr of {type(self).__name__} needs at least {self.least_classes} classes, found {count}; "
                "use ce or cw."
            )

    def walking_on(self) -> "Attack":
        """The attack that goes on where a sample has fallen, for models that draw random numbers; often itself.

        What fools one draw need not fool the next.
        """
        own: Any = self
        stops = "early_stop" in getattr(own, "__dataclass_fields__", ()) and own.early_stop
        changed: Attack = replace(own, early_stop=False) if stops else own
        return changed

    def fitted(self, model: Model, images: Tensor, labels: Tensor) -> "Attack":
        """The attack that has seen training images (N, C, H, W) with labels (N,); itself where it needs none."""
        return self

    @abstractmethod
    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return adversarial images; arguments as in `__call__`, checked, with gradients possible."""

    def __call__(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor | None = None) -> Tensor:
        """Attack a batch.

        Args:
            model: images -> logits (B, K), a network or any function; may be differentiated.
            images: (B, C, H, W) floating, in [0, 1], of the dtype that the model reads.
            labels: (B,) int64, the true classes or, if `targeted`, those aimed at.
            indices: (B,) int64, the samples' numbers in their data set: random draws depend on them and on the
                settings alone, not on the batch. 0, 1, ... if absent.

        Returns:
            (B, C, H, W) images in [0, 1] of the same dtype and device, detached.

        Raises:
            ValueError: a ball that holds every image there is, images that are not pixels, labels or indices that do
                not fit, logits or gradients that are not finite, a model that cannot be differentiated.
            TypeError: images, labels or indices that are no tensors.
        """
        check_batch(images, labels)
        if indices is None:
            indices = torch.arange(len(images), device=images.device)
        check_integers(indices, "indices", len(images))
        # Tensors made in inference mode may not meet autograd: clones made outside of it may.
        with torch.inference_mode(False), torch.enable_grad():
            dtype, own = images.dtype, in_precision(images)
            labels, indices = labels.clone(), indices.clone().to(images.device)
            if not len(images):
                return own.to(dtype)
            check_reach(self, tuple(images.shape[1:]))
            with guarded(model, dtype) as asked:
                found = retried(lambda: self.perturb(asked, own.clone(), labels, indices))
            return found.detach().to(dtype)


def in_precision(images: Tensor) -> Tensor:
    """A copy of images in the precision that attacks compute in: single at least."""
    return images.detach().to(torch.promote_types(images.dtype, torch.float32), copy=True)


def number(value: float | str, name: str) -> float:
    """Read a size such as 0.03 or "8/255".

    Raises:
        ValueError: it is neither, negative or not finite.
    """
    try:
        found = float(Fraction("" if isinstance(value, bool) else value))
    except (ValueError, TypeError, ArithmeticError):
        raise ValueError(f"`{name}` must be a number or a fraction such as 8/255, found {value!r}.") from None
    if found < 0:
        raise ValueError(f"`{name}` must be >= 0, found {value}; write it in pixel units of [0, 1], e.g. 8/255.")
    return found


def check_radius(eps: float | str, norm: str, relative: bool = False, name: str = "eps") -> None:
    """Raise a ValueError unless `eps` can be a ball's radius: in Linf, pixels in [0, 1] are never farther than 1."""
    if number(eps, name) > 1 and norm == "Linf" and not relative:
        raise ValueError(
            f"`{name}` must be at most 1 with norm Linf, found {eps}; pixels lie in [0, 1], so write 8/255 for 8 grey "
            "levels of 256."
        )


def check_at_least(value: int, name: str, least: int) -> None:
    """Raise a ValueError unless `value` is large enough."""
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}, found {value}.")


def check_choice(value: str, name: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of the choices."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}, found {value!r}.")


def check_integers(numbers: Tensor, name: str, count: int) -> None:
    """Raise a ValueError unless `numbers` are int64 (count,), a TypeError unless they are a tensor."""
    check_tensors(**{name: numbers})
    if numbers.shape != (count,) or numbers.dtype != torch.int64:
        raise ValueError(f"`{name}` must be int64 ({count},), found {numbers.dtype} {tuple(numbers.shape)}.")


def check_tensors(**tensors: Any) -> None:
    """Raise a TypeError that names the first which is no tensor."""
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"`{name}` must be a torch tensor, found {type(value).__module__}.{type(value).__name__}; write "
                f"`torch.as_tensor({name})`."
            )


def check_batch(images: Tensor, labels: Tensor) -> None:
    """Raise a ValueError unless images are (B, C, H, W) pixels in [0, 1] and labels (B,) integers."""
    check_tensors(images=images, labels=labels)
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(f"`images` must be floating (B, C, H, W), found {images.dtype} {tuple(images.shape)}.")
    check_integers(labels, "labels", len(images))
    if images.numel():
        low, high = images.aminmax()
        if not (low >= 0 and high <= 1):  # also catches NaN
            raise ValueError(
                f"`images` must be finite pixels in [0, 1], found [{low:.4g}, {high:.4g}]; "
                "scale them and leave normalisation to the model."
            )


def checked_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (B, K) logits; raise a ValueError where they are not finite or the labels not among their classes."""
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(f"`model` must return logits ({len(labels)}, K), found {tuple(logits.shape)}.")
    if logits.shape[1] < 2:
        raise ValueError("`model` must tell at least 2 classes apart, found logits of 1: no other answer can be wrong.")
    if not logits.isfinite().all():
        raise ValueError("`model` must return finite logits, found NaN or infinity; attack in float32.")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"`labels` must lie in [0, {logits.shape[1]}), the model's classes, "
            f"found [{labels.min().item()}, {labels.max().item()}]."
        )
    return logits


def mean_over_passes(one_pass: Callable[[], tuple[Tensor, ...]], eot_iter: int) -> tuple[Tensor, ...]:
    """Tensors of `eot_iter` passes through a model, averaged: the same as one pass unless the model draws numbers."""
    sums = one_pass()
    for _ in range(eot_iter - 1):
        sums = tuple(total + more for total, more in zip(sums, one_pass(), strict=True))
    return tuple(total / eot_iter for total in sums)


@torch.no_grad()
def mean_logits(model: Model, images: Tensor, eot_iter: int) -> Tensor:
    """(B, C, H, W) -> (B, K), averaged over `eot_iter` passes."""
    return mean_over_passes(lambda: (model(images),), eot_iter)[0]


def value_and_gradient(
    model: Model, images: Tensor, loss: Callable[[Tensor], Tensor], labels: Tensor, eot_iter: int = 1
) -> tuple[Tensor, Tensor]:
    """Logits (B, K) and the gradient of the summed per-sample losses with respect to the images (B, C, H, W).

    Both are means over `eot_iter` passes (expectation over transformation, Athalye et al. 2018): the gradient of the
    expected loss where the model is randomised.
    """

    def one_pass() -> tuple[Tensor, Tensor]:
        point = images.detach().requires_grad_()
        logits = checked_logits(model(point), labels)
        return logits.detach(), input_gradient(loss(logits).sum(), point)

    logits, gradient = mean_over_passes(lambda: retried(one_pass), eot_iter)
    return logits, gradient


def input_gradient(
    outputs: Tensor, images: Tensor, weights: Tensor | None = None, *, retain_graph: bool = False
) -> Tensor:
    """The gradient of outputs, a number or weighted sum, with respect to images (B, C, H, W).

    `retain_graph` lets the same outputs be differentiated again.

    Raises:
        ValueError: there is none, or it is not finite.
    """
    gradient = None
    if outputs.requires_grad:
        gradient = gradient_of(outputs, images, weights, retain_graph)
    if gradient is None:
        raise ValueError(
            "`model` must be differentiable, found logits that carry no gradient to the images; "
            "give it a differentiable stand-in (BPDA) or use an attack that needs no gradient."
        )
    if not gradient.isfinite().all():
        raise ValueError("the gradient of `model` must be finite, found NaN or infinity; attack in float32.")
    return gradient
