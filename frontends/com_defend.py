"""ComDefend (Jia et al. 2019): images through a few learned bits a pixel."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from sparsecode import value_with_gradient_of
from sparsefront.common.rules import at_least, check_rules, not_negative, positive
from sparsefront.frontends.base import ImageMap
from sparsefront.frontends.parts.descent import DescentFrontEnd, convolution


class ComDefend(DescentFrontEnd):
    """y = Rec(1[Com(x) > 0]): one network writes an image in a few bits a pixel, a second one reads it back.

    Com and Rec are chains of 3×3 convolutions that keep the size, with ELU between; Com's input is x - 1/2 and Rec's
    last layer has a sigmoid (Jia, Wei, Cao and Foroosh 2019, "ComDefend: an efficient image compression model to defend
    adversarial examples", section 3). They learn together: with c = σ(Com(x) - φ z), z standard normal, the loss is
    mean((Rec(c) - x)²) + lmbda mean(c²). The noise is what makes bits of the codes: only values far from 0 pass it
    unharmed, and so σ can be replaced by the step 1[. > 0] in use. Images of any size are handled whole, without the
    patches that the authors cut large ones into.

    Backward modes:

    * `smooth(temperature)`: the step's derivative is replaced by σ'(code / temperature); default the noise φ, at whose
      scale the codes lie. With 1, the sigmoid that was trained, it vanishes for codes far from 0. The default mode.
    * `identity`: the whole front end's derivative is replaced by the identity.
    * `exact`: the true derivative, 0 wherever it exists. An attack through it is blind: use it to show masking.

    Args:
        image_shape: (C, H, W) of the images.
        bits_per_channel: bits a pixel for each channel of the image; the authors' 4 make 12 for colour.
        widths: filters of the hidden layers up to the widest; Com goes up and, without the first, down again, Rec goes
            the other way. The default is the authors' for colour.
        noise: φ, the authors' 20; it is also the scale that the codes take.
        lmbda: weight of the codes' size, the authors' 1e-4.
        deployed_noise: standard deviation of noise that is added to Com(x) in use, too, which makes the front end
            random; 0 is the paper's drawing, 1 what the authors' program does.
        n_iterations: batches learned from; the default is one epoch of 50,000 images in the authors' batches of 20.
        learning_rate: of Adam; the default is the authors' program's.
        seed: of the first weights and of the noise of learning.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "smooth"
    draws_each_image = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        bits_per_channel: int = 4,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        noise: float = 20.0,
        lmbda: float = 1e-4,
        deployed_noise: float = 0.0,
        n_iterations: int = 2500,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(image_shape, n_iterations, learning_rate, seed)
        self.bits_per_channel, self.widths = bits_per_channel, list(widths)
        self.noise, self.lmbda, self.deployed_noise = noise, lmbda, deployed_noise
        self.randomised = deployed_noise > 0
        self._check_settings()
        channels = self.image_shape[0]
        codes = bits_per_channel * channels
        hidden = [*self.widths, *self.widths[-2:0:-1]]
        generator = torch.Generator().manual_seed(seed)
        self.compression = _chain([channels, *hidden, codes], generator)
        self.reconstruction = _chain([codes, *reversed(hidden), channels], generator)
        self.requires_grad_(False)

    def _check_settings(self) -> None:
        rules = [
            *at_least(1, "the authors' is 4", bits_per_channel=self.bits_per_channel),
            (
                bool(self.widths) and all(isinstance(width, int) and width >= 1 for width in self.widths),
                f"`widths` must hold one or more integers of at least 1, found {self.widths}.",
            ),
            *positive("the authors' is 20", noise=self.noise),
            *not_negative("the authors' is 1e-4", lmbda=self.lmbda),
            *not_negative("0 leaves it out", deployed_noise=self.deployed_noise),
        ]
        check_rules(rules)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`exact`, `identity` and `smooth(temperature)`."""
        return {**super().backward_modes(), "smooth": self._smooth}

    def _exact(self) -> ImageMap:
        return self._with_slope(torch.zeros_like)

    def _smooth(self, temperature: float | None = None) -> ImageMap:
        temperature = self.noise if temperature is None else temperature
        check_rules(positive("the default is φ", temperature=temperature))

        def slope(codes: Tensor) -> Tensor:
            s = torch.sigmoid(codes / temperature)
            return s * (1 - s) / temperature

        return self._with_slope(slope)

    def _with_slope(self, slope: Callable[[Tensor], Tensor]) -> ImageMap:
        """The front end with d bit / d code = slope(code)."""

        def run(images: Tensor) -> Tensor:
            self.check_learned()
            codes = self.compression(images - 0.5)
            if self.deployed_noise > 0:
                # Of half precision torch 2.8 draws others than of single: here they are the same, rounded.
                wide = torch.promote_types(codes.dtype, torch.float32)
                drawn = torch.randn(codes.shape, device=codes.device, dtype=wide)
                codes = codes + self.deployed_noise * drawn.to(codes.dtype)
            bits = value_with_gradient_of(slope(codes.detach()) * codes, (codes > 0).to(codes.dtype))
            return torch.sigmoid(self.reconstruction(bits))

        return run

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, C, H, W) images as read back from their bits."""
        return self._exact()(images)

    def losses(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Squared error plus the codes' size (B,), both means over an image, through noisy codes without the step."""
        codes = self.compression(images - 0.5)
        drawn = torch.randn(codes.shape, generator=generator, device=codes.device, dtype=codes.dtype)
        codes = torch.sigmoid(codes - self.noise * drawn)
        errors = torch.sigmoid(self.reconstruction(codes)) - images
        return errors.square().mean(dim=(1, 2, 3)) + self.lmbda * codes.square().mean(dim=(1, 2, 3))


def _chain(widths: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """3×3 convolutions from width to width, with ELU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [convolution(inputs, outputs, generator), nn.ELU()]
    return nn.Sequential(*layers[:-1])
