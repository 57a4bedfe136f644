"""What networks are trained for."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsefront import DefendedClassifier
from sparsefront.frontends import TopT


class CrossEntropyInBFloat16:
    """Cross entropy of a defended classifier whose networks run in bfloat16.

    The codes of `TopT` are found in float32: in bfloat16 other projections would be the largest.

    Args:
        model: of the project.
    """

    def __init__(self, model: DefendedClassifier) -> None:
        self.model = model

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """(B, C, H, W) and (B,) -> the mean loss."""
        return F.cross_entropy(self.logits(images).float(), labels)

    def logits(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K)."""
        seen = self._codes(images)
        # Without the cache, whose tensors a captured step must not keep.
        with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
            if isinstance(self.model.frontend, TopT):
                seen = self.model.frontend.decoder(seen)
            logits: Tensor = self.model.classifier(seen)
        return logits

    @torch.no_grad()
    def _codes(self, images: Tensor) -> Tensor:
        """Codes (B, L, h, w) in channels_last of a `TopT`; else the images."""
        frontend = self.model.frontend
        if not isinstance(frontend, TopT):
            return images
        rows = (images.shape[2] - frontend.patch_size) // frontend.stride + 1
        codes: Tensor = frontend.codes(images).unflatten(1, (rows, -1)).permute(0, 3, 1, 2)
        return codes


class AdversarialTraining:
    """The loss of images that a few steps of PGD in an Linf ball have made (Madry et al. 2018, section 5).

    Theirs for CIFAR-10: 7 steps of 2/255 from anywhere in the ball of 8/255. Written here and not called from
    `sparsefront.attacks`, which looks at values, and so cannot be captured. The images are made in evaluation mode.

    Args:
        clean: the loss.
        eps: radius of the ball in [0, 1] pixel units.
        step_size: likewise.
        steps: of PGD.
    """

    def __init__(
        self, clean: CrossEntropyInBFloat16, eps: float = 8 / 255, step_size: float = 2 / 255, steps: int = 7
    ) -> None:
        self.clean, self.eps, self.step_size, self.steps = clean, eps, step_size, steps

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """(B, C, H, W) and (B,) -> the mean loss."""
        return self.clean(self.attacked(images, labels), labels)

    def attacked(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images (B, C, H, W) of higher loss inside the ball."""
        model = self.clean.model
        model.eval()
        found = (images + self.eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
        for _ in range(self.steps):
            point = found.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.clean(point, labels), point)
            moved = point.detach() + self.step_size * gradient.sign()
            found = torch.clamp(moved, images - self.eps, images + self.eps).clamp(0, 1)
        model.train()
        return found.detach()
