"""A defended model seen through a network that was fitted to its answers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.attacks.parts.batch import in_precision
from sparsefront.attacks.parts.fitting import fit
from sparsefront.attacks.parts.moves import moved_in_three_ways
from sparsefront.attacks.parts.sum_network import SumNetwork
from sparsefront.attacks.signs.answers_without_scores import answers_without_scores
from sparsefront.attacks.views.fitted_view import FittedView
from sparsefront.attacks.views.rescaled_logits import RescaledLogits, standardised
from sparsefront.attacks.views.view import Logits, Meter, unmetered

N_ASKED = 32  # images by which it is told whether there are scores


@dataclass(frozen=True)
class FittedModel(FittedView):
    """A small network that was fitted to the deployed model's own answers (Papernot et al. 2017).

    For models that hide every gradient, or answer without scores: nothing is asked of them but answers, to points
    around training images. Where answers have scores, the network minimises, over points a and b near each other, the
    mean square difference between its logits and the answers', both at deviation 1 over the classes (see
    `RescaledLogits`), and that between its change from a to b and theirs, beside the size of theirs: an adversary goes
    by changes, of which the first says little. Where answers are labels alone, it minimises cross entropy.

    The points a have uniform noise of size `radius`; to come to b, a third is moved by `radius` in blocks of pixels up
    or down, a third pixel by pixel, a third towards another image. The network is a sum of a convolutional and a fully
    connected one, for it is not known of which kind the model is.

    It comes near to the model, not up to it: `docs/attacks.md` has what it leaves beside what the model's own gradient
    would.

    Args:
        n_fitting_images: training images that it is fitted to.
        width: channels of the first convolution; the second has twice as many.
        steps: of its optimizer (Adam).
        batch_size: images in one of them; each is two questions.
        radius: of the points in [0, 1] pixel units; `8/255` is read. Best the attack's eps.
        seed: of the network's first weights, of the images' order and of the points.

    Raises:
        ValueError: a setting out of range; a call before `fitted`.
    """

    knowledge: ClassVar[str] = "transfer"

    n_fitting_images: int = 2000
    width: int = 16
    steps: int = 800

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Return the fitted network; the model is not asked any more."""

        def logits(images: Tensor) -> Tensor:
            answers = self.network(images.to(torch.promote_types(images.dtype, torch.float32)))
            return RescaledLogits.deviation * standardised(answers)

        return meter(logits)

    def _fit(self, model: Any, images: Tensor, meter: Meter) -> nn.Module:
        asked = meter(lambda points: model.logits_from(model.frontend(points)))
        dtype, images = images.dtype, in_precision(images)  # half precision would not learn

        @torch.no_grad()
        def answers(points: Tensor) -> Tensor:
            outputs = asked(points.to(dtype, copy=True))
            return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

        some = images[:N_ASKED]
        places = torch.arange(len(some), device=images.device)
        labels_alone = bool(answers_without_scores(answers, some, places, places).all())
        network = SumNetwork(images.shape[1:], answers(some[:1]).shape[1], self.width).to(images)

        def loss(batch: Tensor) -> Tensor:
            near = (batch + float(self.radius) * (2 * torch.rand_like(batch) - 1)).clamp(0, 1)
            points = torch.cat([near, moved_in_three_ways(near, images, float(self.radius))])
            wanted, found = answers(points), network(points)
            if labels_alone:
                return F.cross_entropy(found, wanted.argmax(dim=1))
            return _error(found, standardised(wanted).to(found))

        return fit(network, images, loss, self.steps, self.batch_size)


def _error(found: Tensor, wanted: Tensor) -> Tensor:
    """Of logits (2B, K), in values and, from each of the first half to its like in the second, in changes."""
    changes, wanted_changes = (second - first for first, second in (found.chunk(2), wanted.chunk(2)))
    smallest = torch.finfo(wanted.dtype).tiny
    relative = (changes - wanted_changes).square().mean() / wanted_changes.square().mean().clamp_min(smallest)
    return (found - wanted).square().mean() + relative
