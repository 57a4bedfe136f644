"""Any classifier of timm."""

import difflib
from collections.abc import Sequence
from typing import Any

import timm
from torch import Tensor, nn

from classifiers.normalize import Normalize
from classifiers.weights import load_weights


class Timm(nn.Module):
    """`timm.create_model`, with the normalisation inside: (B, C, H, W) in [0, 1] -> logits (B, K).

    Args:
        in_chans: C.
        num_classes: K.
        model_name: any of `timm.list_models()`, with a pretrained tag or without.
        pretrained: take timm's weights (a download); the head is new where K is not theirs.
        checkpoint_path: take these weights instead, all of them.
        cifar_stem: for the ResNets, a 3x3 stem of stride 1 without max pooling: with the ImageNet stem they lose many
            points on 32x32 images.
        mean: per channel, subtracted from the pixels; null: the model's own for its own channels, else 0.5.
        std: per channel, then divided by; null: likewise.
        drop_rate: dropout before the head.
        img_size: input size of models that fix it (the vision transformers); null: the model's own.

    Raises:
        ValueError: no such model, a stem that it does not have, weights of another network.
        FileNotFoundError: no file at `checkpoint_path`.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        model_name: str,
        pretrained: bool = False,
        checkpoint_path: str | None = None,
        cifar_stem: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        drop_rate: float = 0.0,
        img_size: int | None = None,
    ) -> None:
        super().__init__()
        if not timm.is_model(model_name):
            close = difflib.get_close_matches(model_name, timm.list_models(), n=5)
            hint = f"; near it are {', '.join(close)}" if close else "; see timm.list_models()"
            raise ValueError(f"`model_name` must be a model of timm, found {model_name!r}{hint}.")
        sizes: dict[str, Any] = {} if img_size is None else {"img_size": img_size}
        self.model = timm.create_model(
            model_name, pretrained=pretrained, in_chans=in_chans, num_classes=num_classes, drop_rate=drop_rate, **sizes
        )
        config: dict[str, Any] = self.model.pretrained_cfg  # type: ignore[assignment]
        own = in_chans == len(config["mean"])
        self.normalize = Normalize(
            mean or (config["mean"] if own else (0.5,) * in_chans),
            std or (config["std"] if own else (0.5,) * in_chans),
            in_chans,
        )
        if cifar_stem:
            self._shrink_stem(model_name, in_chans)
        if checkpoint_path is not None:
            load_weights(self.model, checkpoint_path)

    def _shrink_stem(self, model_name: str, in_chans: int) -> None:
        conv = getattr(self.model, "conv1", None)
        if not isinstance(conv, nn.Conv2d) or not hasattr(self.model, "maxpool"):
            raise ValueError(
                f"`cifar_stem` fits timm's ResNets with a single-convolution stem alone, found {model_name!r}; "
                "leave it out."
            )
        self.model.conv1 = nn.Conv2d(in_chans, conv.out_channels, 3, 1, 1, bias=conv.bias is not None)
        nn.init.kaiming_normal_(self.model.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.model.maxpool = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.model(self.normalize(images))
