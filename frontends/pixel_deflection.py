"""Pixel deflection (Prakash et al. 2018, "Deflecting adversarial attacks with pixel deflection")."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from sparsecode import full_precision
from sparsefront.common.build_part import build_part
from sparsefront.common.checkpoints.checkpoint_file import read_weights
from sparsefront.common.checkpoints.mismatch import Mismatch
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.checkpoints.weight_names import unwrapped
from sparsefront.common.rules import at_least, check_rules, one_of, positive
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.class_activation import robust_class_activation
from sparsefront.frontends.parts.deflect import deflect
from sparsefront.frontends.parts.wavelet import denoise_wavelet


class PixelDeflection(FrontEnd):
    """A few random pixels replaced by random neighbours, then wavelet denoising.

    K times (Prakash et al. 2018, Algorithm 1): a pixel p of the image is drawn, then a pixel q of the window of radius
    r around p, within the image, and p becomes what q was before. With `attention`, p is drawn with probability
    proportional to 1 - M(p), M its robust class activation map (R-CAM), so that pixels that matter for the classes are
    spared; else uniformly. Then the details of a Haar wavelet transform are soft-thresholded by BayesShrink (see
    `sparsefront.frontends.parts.wavelet`).

    Defaults are those of the authors' code for ImageNet: K = 200 at 224x224, r = 10, sigma = 0.04. That code replaces
    (and counts) single channels and reads pixels that were replaced before; here, as Algorithm 1 has it, whole pixels
    of the image given.

    Backward modes: `identity` is the default (Athalye and Carlini 2018 broke the defense with it). `exact` is the
    derivative through the pixels drawn and the thresholds; it holds the draws and M fixed.

    Args:
        image_shape: (C, H, W) of the images.
        n_deflections: K; null: 200 in proportion to the image's area, K = round(200 H W / 224^2), at least 1.
        window: r, in pixels.
        denoise: `wavelet` or `none`.
        sigma: standard deviation of the noise to remove, of colour images as a share of the range that each of luma and
            chroma has in the image, of others in [0, 1] pixel units.
        attention: a classifier whose maps say where not to deflect, as `model.classifier` is given; null: nowhere.
        attention_classes: its number of classes.
        attention_checkpoint: a checkpoint of a defended classifier with that classifier, read in stage one and kept in
            this front end's own checkpoint from then on; null: the classifier brings its own weights.
        n_copies: deflected copies of an image, whose probabilities are averaged; the paper's ensembles have 10.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "identity"
    randomised = True
    draws_each_image = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_deflections: int | None = None,
        window: int = 10,
        denoise: Literal["wavelet", "none"] = "wavelet",
        sigma: float = 0.04,
        attention: Callable[[int, int], nn.Module] | None = None,
        attention_classes: int = 10,
        attention_checkpoint: str | None = None,
        n_copies: int = 1,
    ) -> None:
        super().__init__(image_shape)
        self.n_deflections, self.window, self.denoise, self.sigma = n_deflections, window, denoise, sigma
        self.attention_checkpoint, self.n_copies = attention_checkpoint, n_copies
        rules = [
            *(
                at_least(1, "write null for the paper's", n_deflections=n_deflections)
                if n_deflections is not None
                else ()
            ),
            *at_least(1, "it is in pixels", window=window),
            *at_least(1, n_copies=n_copies),
            *one_of(("wavelet", "none"), denoise=denoise),
            *positive("`denoise: none` removes nothing", sigma=sigma),
            *at_least(2, attention_classes=attention_classes),
            (
                attention is not None or attention_checkpoint is None,
                f"`attention_checkpoint` needs `attention`, found {attention_checkpoint!r} alone; name the classifier.",
            ),
        ]
        check_rules(rules)
        self.attention = None
        if attention is not None:
            sizes = {"in_chans": self.image_shape[0], "num_classes": attention_classes}
            self.attention = build_part("attention", attention, sizes, nn.Module).requires_grad_(False).eval()
        if attention_checkpoint is not None:
            self.n_learning_steps = 1
            self.learned.fill_(False)

    def train(self, mode: bool = True) -> "PixelDeflection":
        """Set the mode, of all but the attention network, which is never trained."""
        super().train(mode)
        if self.attention is not None:
            self.attention.eval()
        return self

    @full_precision
    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to B * `n_copies` deflected ones."""
        if not self.learned:
            raise RuntimeError(
                "This PixelDeflection has not read its `attention_checkpoint` yet; fit it with a Trainer, "
                "use `sparsefront fit`, or name a checkpoint in `frontend_checkpoint`."
            )
        copies = images.to(torch.promote_types(images.dtype, torch.float32)).repeat_interleave(self.n_copies, dim=0)
        deflected = deflect(copies, *self.draw(images))
        if self.denoise == "wavelet":
            deflected = denoise_wavelet(deflected, self.sigma)
        return deflected.clamp(0, 1).to(images.dtype)

    def draw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the pixels to replace and those to replace them by: two (B * `n_copies`, K), row by row numbers."""
        height, width = images.shape[2:]
        number = self.n_deflections or max(1, round(200 * height * width / 224**2))
        shape = (len(images) * self.n_copies, number)
        if self.attention is None:
            places = torch.randint(height * width, shape, device=images.device)
        else:
            dtype = next(self.attention.parameters()).dtype
            spared = robust_class_activation(self.attention, images.to(dtype)).flatten(1)
            places = torch.multinomial((1 - spared).repeat_interleave(self.n_copies, dim=0), number, replacement=True)
        rows = self._near(places // width, height)
        return places, rows * width + self._near(places % width, width)

    def _near(self, at: Tensor, side: int) -> Tensor:
        """Draw coordinates uniformly from the window around `at`, inside the image."""
        low, high = (at - self.window).clamp_min(0), (at + self.window).clamp_max(side - 1)
        steps = (torch.rand(at.shape, device=at.device) * (high - low + 1)).long()
        return torch.minimum(low + steps, high)  # rounding may reach the number of pixels itself

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Read the attention network's weights; images are not looked at."""
        path = str(find_checkpoint(str(self.attention_checkpoint), "attention_checkpoint").path)
        assert self.attention is not None
        state = read_weights(path, "attention_checkpoint", of_run=True)
        state = unwrapped(state, self.attention.state_dict(), ("classifier", ""))
        if Mismatch.between(self.attention, state) is not None:
            raise ValueError(
                f"`attention_checkpoint` {path} must hold a {type(self.attention).__name__} as `attention` and "
                "`attention_classes` describe it, found another classifier; its run's config.yaml has its settings."
            )
        self.attention.load_state_dict(state)
        return {}
