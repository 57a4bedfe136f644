"""Any classifier of timm."""

from collections.abc import Collection, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.classifiers.parts.normalize import Normalize
from sparsefront.classifiers.parts.weights import load_weights
from sparsefront.common.checkpoints.checkpoint_file import read_weights
from sparsefront.common.checkpoints.weight_names import bare
from sparsefront.common.nearest import nearest
from sparsefront.common.rules import at_least, check_rules, from_0_to_1
from sparsefront.common.settings import checked_settings


@checked_settings
class Timm(nn.Module):
    """`timm.create_model`, with the normalisation inside: (B, C, H, W) in [0, 1] -> logits (B, K).

    Args:
        in_chans: C.
        num_classes: K.
        model_name: any of `timm.list_models()`, with a pretrained tag or without.
        pretrained: take timm's weights (a download, once), or those of a file of a timm model, by their names there;
            the head is new where K is not that of timm's.
        checkpoint_path: take these weights instead, all of them.
        cifar_stem: for the ResNets, a 3x3 stem of stride 1 without max pooling: with the ImageNet stem they lose many
            points on 32x32 images.
        mean: per channel, subtracted from the pixels; null: the model's own for its own channels, else 0.5.
        std: per channel, then divided by; null: likewise.
        drop_rate: dropout before the head.
        img_size: input size of models that fix it (the vision transformers); null: the model's own.
        resize: side of the square that images are resized to before the network (bilinear, antialiased where they
            shrink), for networks that expect larger or smaller ones; gradients go through. Null: as they come.

    Raises:
        ValueError: no such model, a stem or an input size that it does not have, a `drop_rate` outside [0, 1], weights
            of another network, or pretrained ones that cannot be had, `resize` below 1.
        FileNotFoundError: no file at `checkpoint_path` or `pretrained`.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        model_name: str,
        pretrained: bool | str = False,
        checkpoint_path: str | None = None,
        cifar_stem: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        drop_rate: float = 0.0,
        img_size: int | None = None,
        resize: int | None = None,
    ) -> None:
        super().__init__()
        check_rules(at_least(1, in_chans=in_chans, num_classes=num_classes))
        check_rules(from_0_to_1(drop_rate=drop_rate))
        if resize is not None and resize < 1:
            raise ValueError(f"`resize` must be at least 1 pixel, found {resize}; write null for images as they come.")
        self.resize = resize
        self._check_name(model_name)
        settings: dict[str, Any] = {"in_chans": in_chans, "num_classes": num_classes, "drop_rate": drop_rate}
        if isinstance(pretrained, str):  # read here, as data; timm adapts the stem, and drops a head of other classes
            state = bare(read_weights(pretrained, "pretrained"))
            settings["pretrained_cfg_overlay"] = {"state_dict": state}
        self.model = self._create(model_name, img_size, pretrained=pretrained, **settings)
        if isinstance(pretrained, str):
            self._check_filled(model_name, pretrained, state.keys())
            self.model.pretrained_cfg.pop("state_dict")  # type: ignore[operator, union-attr]
        config: dict[str, Any] = self.model.pretrained_cfg  # type: ignore[assignment]
        same_channels = in_chans == len(config["mean"])
        default_mean, default_std = (config["mean"], config["std"]) if same_channels else ((0.5,) * in_chans,) * 2
        self.normalize = Normalize(
            default_mean if mean is None else mean, default_std if std is None else std, in_chans
        )
        if cifar_stem:
            self._shrink_stem(model_name, in_chans)
        if checkpoint_path is not None:
            load_weights(self.model, checkpoint_path)

    @staticmethod
    def _check_name(model_name: str) -> None:
        import timm  # takes seconds, which those who use no such classifier need not wait

        architecture = model_name.partition(".")[0]
        names = timm.list_models()
        if timm.is_model(model_name):
            try:
                timm.get_pretrained_cfg(model_name)
                return
            except RuntimeError:  # the architecture is known, the tag is not
                names = timm.list_models(f"{architecture}.*", pretrained=True)
        close = nearest(model_name, names, n=5)
        hint = f"; near it are {', '.join(close)}" if close else "; see timm.list_models()"
        raise ValueError(f"`model_name` must be a model of timm, found {model_name!r}{hint}.")

    @staticmethod
    def _create(model_name: str, img_size: int | None, pretrained: bool | str, **settings: Any) -> nn.Module:
        import timm

        if img_size is not None:
            settings["img_size"] = img_size
        try:
            return timm.create_model(model_name, pretrained=bool(pretrained), **settings)
        except TypeError as error:
            if img_size is None or "img_size" not in str(error):
                raise
            raise ValueError(
                f"`img_size` fits models of a fixed input size alone, found {img_size} with {model_name!r}; drop it."
            ) from error
        except (OSError, RuntimeError) as error:  # no connection; no such weights; other shapes in the file
            if not pretrained:
                raise
            if isinstance(pretrained, str):
                raise ValueError(_of_another_network(model_name, pretrained)) from error
            raise ValueError(
                f"`pretrained` must be false or a file where timm's weights of {model_name!r} cannot be had, found "
                f"true ({type(error).__name__}); false trains from scratch, a path takes the weights from there."
            ) from error

    def _check_filled(self, model_name: str, path: str, names: Collection[str]) -> None:
        """Timm takes what it finds in a file and says nothing of the rest."""
        head: Any = self.model.pretrained_cfg["classifier"]  # type: ignore[index]
        heads = (head,) if isinstance(head, str) else tuple(head or ())
        body = [name for name, _ in self.model.named_parameters() if not name.startswith(heads)]
        if not all(name in names for name in body):
            raise ValueError(_of_another_network(model_name, path))

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
        if self.resize is not None:
            images = F.interpolate(images, (self.resize, self.resize), mode="bilinear", antialias=True)
        logits: Tensor = self.model(self.normalize(images))
        return logits


def _of_another_network(model_name: str, path: str) -> str:
    return (
        f"`pretrained` must be true, false or a file of weights of {model_name!r}, found those of another network in "
        f"{path}; choose the `model_name` that they were saved from."
    )
