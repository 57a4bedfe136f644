"""MagNet's reformer (Meng and Chen 2017): a small denoising auto-encoder."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.rules import check_rules, not_negative, one_of
from sparsefront.frontends.parts.descent import DescentFrontEnd, convolution

Layer = int | str
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
ERRORS = {"mse": F.mse_loss, "mae": F.l1_loss}


class MagNet(DescentFrontEnd):
    """y = AE(x): an auto-encoder trained to take noise away brings an image nearer to those it learned from.

    AE minimises, over clean images x, the mean of |AE(clip(x + v z, 0, 1)) - x|^p over pixels, z standard normal drawn
    anew for every batch (Meng and Chen 2017, "MagNet: a two-pronged defense against adversarial examples", section
    4.3). The encoder is `structure`, read from left to right: a number is a 3×3 convolution with that many filters and
    the activation, `average` and `max` are 2×2 pooling. The decoder is the same from right to left, with
    nearest-neighbour upsampling in the place of pooling, and a last 3×3 convolution with a sigmoid.

    This is the reformer alone. MagNet's detectors, which refuse images, have no place in a front end: it must answer
    every image.

    Backward modes: `exact`, the true derivative, which Carlini and Wagner (2017, "MagNet and efficient defenses
    against adversarial attacks are not robust to adversarial examples") needed no more than; `identity`.

    Args:
        image_shape: (C, H, W) of the images.
        structure: of the encoder; null is the authors' [3, average, 3] for gray images and [3] for others.
        noise: v, in [0, 1] pixel units; null is the authors' 0.1 for gray images and 0.025 for others.
        activation: `sigmoid` (the authors') or `relu`.
        loss: `mse` (p = 2, the authors') or `mae` (p = 1, as later work that attacks it in L1 trains it).
        n_iterations: batches learned from; the default is the authors' 100 epochs of 55,000 digits in batches of 256,
            for colour too, for which they published no training.
        learning_rate: of Adam; the default is the authors'.
        seed: of the first weights and of the noise.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        structure: Sequence[Layer] | None = None,
        noise: float | None = None,
        activation: Literal["relu", "sigmoid"] = "sigmoid",
        loss: Literal["mae", "mse"] = "mse",
        n_iterations: int = 21_500,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(image_shape, n_iterations, learning_rate, seed)
        gray = self.image_shape[0] == 1
        default: list[Layer] = [3, "average", 3] if gray else [3]
        self.structure: list[Layer] = default if structure is None else list(structure)
        self.noise = (0.1 if gray else 0.025) if noise is None else noise
        self.activation, self.loss = activation, loss
        self._check_settings()
        generator = torch.Generator().manual_seed(seed)
        layers: list[nn.Module] = []
        channels = self.image_shape[0]
        for layer in [*self.structure, *("up" if isinstance(x, str) else x for x in reversed(self.structure))]:
            if isinstance(layer, int):
                layers += [convolution(channels, layer, generator), ACTIVATIONS[activation]()]
                channels = layer
            elif layer == "up":
                layers.append(nn.Upsample(scale_factor=2))
            else:
                pool = nn.AvgPool2d if layer == "average" else nn.MaxPool2d
                layers.append(pool(2, ceil_mode=True))  # an odd side is rounded up, so that enough can be cropped
        layers += [convolution(channels, self.image_shape[0], generator), nn.Sigmoid()]
        self.network = nn.Sequential(*layers).requires_grad_(False)

    def _check_settings(self) -> None:
        wrong = [layer for layer in self.structure if layer not in ("average", "max") and not _is_width(layer)]
        if wrong or not any(_is_width(layer) for layer in self.structure):
            raise ValueError(
                "`structure` must hold numbers of filters of at least 1, with `average` or `max` for pooling between, "
                f"found {self.structure}; the authors' are [3, average, 3] and [3]."
            )
        rules = [
            *not_negative("write it in [0, 1] pixel units, e.g. 0.1", noise=self.noise),
            *one_of(sorted(ACTIVATIONS), activation=self.activation),
            *one_of(sorted(ERRORS), loss=self.loss),
        ]
        check_rules(rules)

    def forward(self, images: Tensor) -> Tensor:
        """Return the auto-encoder's reconstruction of (B, C, H, W) images."""
        self.check_learned()
        return self._reconstruct(images)

    def _reconstruct(self, images: Tensor) -> Tensor:
        reformed: Tensor = self.network(images)[..., : images.shape[-2], : images.shape[-1]]
        return reformed

    def losses(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Mean error over pixels (B,) of the reconstructions of noisy images, against the clean ones."""
        drawn = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
        noisy = (images + self.noise * drawn).clamp(0, 1)
        return ERRORS[self.loss](self._reconstruct(noisy), images, reduction="none").mean(dim=(1, 2, 3))


def _is_width(layer: Layer) -> bool:
    return isinstance(layer, int) and not isinstance(layer, bool) and layer >= 1
