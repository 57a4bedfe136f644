"""The view of an adversary who has other trained models."""

import importlib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sparsefront.attacks.views.view import Logits, Meter, View, unmetered
from sparsefront.attacks.views.white_box import WhiteBox
from sparsefront.common.checkpoints.run_folder import find_checkpoint


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
