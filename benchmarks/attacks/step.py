"""A gradient step of the network itself: logits, and the gradient of their loss in the images."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.attacks.inputs import Inputs
from benchmarks.contest import Check, Contest, Goal
from sparsefront import DefendedClassifier
from sparsefront.evaluation.folding import folded
from sparsefront.evaluation.search_classifier import SearchClassifier
from sparsefront.evaluation.search_form import search_form

MOST = 1e-4  # relative difference of an image's gradient; where rounding turns a rectifier's slope it is more


def contests(inputs: Inputs, number: int) -> Iterator[Contest]:
    """Of a few images and of more, as samples fall."""
    for count in (number // 2, 5 * number // 2):
        yield _step(inputs, count)


def _step(inputs: Inputs, number: int) -> Contest:
    net, (images, labels, _) = inputs.cifar10(number, right=False)
    form = folded(net)
    assert form is not None
    plainly = SearchClassifier(form.requires_grad_(False).to(memory_format=torch.channels_last), "folded")
    model = DefendedClassifier(lambda *_: net, image_shape=(3, 32, 32)).eval()
    searched = search_form(model, images=images).classifier

    def by(network: nn.Module) -> Callable[[], Tensor]:
        def run() -> Tensor:
            points = images.clone().requires_grad_()
            loss = F.cross_entropy(network(points), labels, reduction="sum")
            return torch.autograd.grad(loss, points)[0]

        return run

    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        expected = results["torch"].flatten(1)
        found = {}
        for who in ("folded", "search"):
            gaps = (results[who].flatten(1) - expected).norm(dim=1) / expected.norm(dim=1)
            found[f"median difference, {who}"] = Check(float(gaps.median()), most=MOST)
        return found

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(images)
    return Contest(
        path="step",
        setting=f"logits and gradient in the images, ResNet-32, {number} images",
        signals=number,
        runs={"torch": by(net), "folded": by(plainly), "search": by(searched)},
        goals=[Goal("search", "torch", 1.3), Goal("search", "folded", 1.0)],
        checks=checks,
        flops=2.0 * counter.get_total_flops(),
        rounds=15,
    )
