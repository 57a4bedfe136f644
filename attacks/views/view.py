"""What an adversary knows of a defended model."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sparsefront.attacks.base import check_at_least, check_radius, input_gradient, number
from sparsefront.attacks.parts.noise import uniform
from sparsefront.attacks.parts.norms import random_point
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.settings import CheckedSettings

Logits = Callable[[Tensor], Tensor]
Meter = Callable[[Logits], Logits]

POINTS_AT_ONCE = 128  # images that a smoothed gradient puts through the model together


def unmetered(logits: Logits) -> Logits:
    """The same."""
    return logits


class View(CheckedSettings, ABC):
    """From a defended model to what the adversary differentiates.

    The model is an `nn.Module` with a `.frontend`, a `.classifier` of images, and `.logits_from`, from what the front
    end returns to logits. Where it has `.classify`, its classifier is asked by it: from images to logits, whatever the
    classifier returns or writes into.

    Attributes:
        n_fitting_images: training images that `fitted` needs before the view can be differentiated; 0 for most.
    """

    n_fitting_images: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be; their kinds have been looked at before (`CheckedSettings`)."""

    def fitted(self, model: Any, images: Tensor, meter: Meter = unmetered) -> "View":
        """The view that has seen training images (N, C, H, W); itself where it needs none. `meter` as in a call."""
        return self

    @property
    @abstractmethod
    def knowledge(self) -> str:
        """The field's word for it."""

    @property
    def is_deployed(self) -> bool:
        """Whether its logits are the deployed model's, so that an image which fools it fools the defense."""
        return False

    @abstractmethod
    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Return images (B, C, H, W) -> logits (B, K).

        Args:
            model: the defended one.
            meter: put around each function that takes images through a model once, so that all that is asked of
                models is counted where it is asked, however often a call of the view does.

        Raises:
            ValueError: this view cannot be had of this model.
        """


@dataclass(frozen=True)
class WhiteBox(View):
    """Everything: the front end's value, differentiated in one of its backward modes, then the classifier.

    Args:
        backward: a backward mode of the front end; its default (the strongest known) if absent.
        settings: that mode's own settings, e.g. `steepness` and `top_u` of TopT's `smooth`.
    """

    knowledge = "white_box"
    is_deployed = True

    backward: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Compose the stand-in with the classifier."""
        backward = model.frontend.default_backward if self.backward is None else self.backward
        stand_in = model.frontend.stand_in(backward, **self.settings)
        return meter(
            lambda images: model.logits_from(stand_in(images.clone()))
        )  # which may write into what it is given


@dataclass(frozen=True)
class GrayBox(View):
    """The classifier alone; the perturbed images then meet the front end."""

    knowledge = "gray_box"

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Return the classifier."""
        if not model.frontend.returns_images:
            raise ValueError(
                f"`view` GrayBox needs a front end that returns images, found {type(model.frontend).__name__} handing "
                "codes to its classifier, which reads no images; use WhiteBox or Transfer."
            )
        classify = getattr(model, "classify", model.classifier)
        return meter(lambda images: classify(images))


@dataclass(frozen=True)
class Transfer(View):
    """One or several other trained models, given white box; what fools them then meets the deployed one.

    The logits of several are averaged: what fools many models fools another one more often (Liu et al. 2017).

    Args:
        checkpoint: a checkpoint that the same command line wrote, or a run's folder, whose newest it is; or several.
        classes: your own classes of which such a checkpoint may be built, as `module.Class`, where nothing else in the
            settings names them: what a checkpoint alone names is not imported.
    """

    knowledge = "transfer"

    checkpoint: str | list[str]
    classes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.checkpoint:
            raise ValueError("`checkpoint` of Transfer must name at least one checkpoint, found none.")

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Load the other models, frozen; they follow the images to their device, and these them to their precision."""
        for name in self.classes:
            _import(name)
        paths = [self.checkpoint] if isinstance(self.checkpoint, str) else self.checkpoint
        surrogates = [meter(self._surrogate(type(model), path)) for path in paths]
        return lambda images: torch.stack([logits(images) for logits in surrogates]).mean(dim=0)

    def _surrogate(self, kind: Any, path: str) -> Logits:
        try:
            path = str(find_checkpoint(path, "checkpoint").path)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(f"`checkpoint` of Transfer{str(error).removeprefix('`checkpoint`')}") from None
        other = self._load(kind, path)
        logits = WhiteBox()(other)

        def follow(images: Tensor) -> Tensor:
            if any(tensor.device != images.device for tensor in other.parameters()):
                with torch.inference_mode(False):
                    other.to(images.device)
            # A surrogate may be of another precision than the deployed model, whose the images are.
            wide = torch.promote_types(images.dtype, torch.float32)
            return logits(images.to(_precision(other))).to(wide)

        return follow

    def _load(self, kind: Any, path: str) -> nn.Module:
        try:
            # Trainer.validate runs in inference mode, and parameters made there can never be differentiated through.
            with torch.inference_mode(False):
                other: nn.Module = kind.load_from_checkpoint(path, map_location="cpu")
        except Exception as error:
            why = str(error).rstrip(".") if isinstance(error, ValueError) else type(error).__name__
            raise ValueError(
                f"`checkpoint` of Transfer must be a {kind.__name__} that the command line wrote, "
                f"found {path}, which does not load ({why}); name another."
            ) from error
        return other.eval().requires_grad_(False)


def _precision(model: nn.Module) -> torch.dtype:
    """Of its weights, and so of the images that it reads."""
    return next((one.dtype for one in model.parameters() if one.is_floating_point()), torch.get_default_dtype())


def _import(name: str) -> None:
    module, _, kind = name.rpartition(".")
    try:
        getattr(importlib.import_module(module), kind)
    except (ImportError, AttributeError, ValueError):
        raise ValueError(
            f"`classes` of Transfer must name classes of yours as module.Class, found {name!r}; check its spelling."
        ) from None


@dataclass(frozen=True)
class Neighbourhood(View):
    """Another view's value, with its gradient averaged over points around each image (paper 001, A.6).

    A value that jumps, as that of a front end which keeps the largest coefficients does, has a gradient that says
    little of the next step; the mean over a neighbourhood says more.

    Args:
        view: what the adversary knows.
        radius: of the Linf neighbourhood in [0, 1] pixel units; `8/255` is read. The paper does not give its own.
        n_samples: points a gradient; each costs a forward and a backward pass.
        seed: of the points, the same around every image; they depend on (seed, radius) alone.

    Raises:
        ValueError: a setting out of range.
    """

    view: View = field(default_factory=WhiteBox)
    radius: float | str = "2/255"
    n_samples: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        check_radius(self.radius, "Linf", name="radius")
        check_at_least(self.n_samples, "n_samples", 1)

    @property
    def knowledge(self) -> str:
        """The inner view's."""
        return self.view.knowledge

    @property
    def is_deployed(self) -> bool:
        """The inner view's."""
        return self.view.is_deployed

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Smooth the inner view's gradient."""
        logits = self.view(model, meter)
        return lambda images: _MeanGradient.apply(images, logits, self._offsets(images))

    def _offsets(self, images: Tensor) -> Tensor:
        """Of the points from their image, (n_samples, C, H, W)."""
        places = torch.arange(self.n_samples, device=images.device)
        draws = uniform(places, images.shape[1:], seed=self.seed, stream=-3).to(images.dtype)
        return random_point(draws, draws, number(self.radius, "radius"), "Linf")


class _MeanGradient(torch.autograd.Function):
    """The value of a function at images, the mean of its gradients at images + offsets, clipped to [0, 1]."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, function: Logits, offsets: Tensor) -> Tensor:
        """(B, C, H, W), then offsets (N, C, H, W) -> (B, K)."""
        ctx.function = function
        ctx.save_for_backward(images, offsets)
        return function(images)

    @staticmethod
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None, None]:
        """Weights (B, K) of the logits -> (B, C, H, W)."""
        images, offsets = ctx.saved_tensors
        total = torch.zeros_like(images)
        # As many points at once as make a batch of this size, and at least one: memory does not grow with their number.
        for some in offsets.split(max(1, POINTS_AT_ONCE // len(images))):
            with torch.enable_grad():
                points = (images + some[:, None]).clamp(0, 1).flatten(0, 1).detach().requires_grad_()
                gradient = input_gradient(ctx.function(points), points, weights.repeat(len(some), 1))
            total += gradient.view(len(some), *images.shape).sum(dim=0)
        return total / len(offsets), None, None
