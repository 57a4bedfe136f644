"""Logits that can be asked about a few changed pixels."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sparsefront.attacks.views.view import Logits, Meter
from sparsefront.common.changes.program import Program
from sparsefront.common.changes.steps_of import steps_of
from sparsefront.common.compiles_for import compiles_for

if TYPE_CHECKING:
    from sparsefront.common.changes.changed_answers import ChangedAnswers

_MOST_BYTES = 2 * 2**30  # that are kept of a batch
_TRIED = 4  # images on which what follows changes is compared with the model


class LocalLogits:
    """A defended model's logits, which a search that changes a few pixels at a time can have sooner.

    Args:
        logits: (B, C, H, W) -> (B, K), all that others see of it.
        model: the defended model.
        meter: told of each image that is asked about.
    """

    def __init__(self, logits: Logits, model: Any, meter: Meter) -> None:
        self._logits, self._model, self._meter = logits, model, meter

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W)."""
        return self._logits(images)

    @property
    def draws_each_image(self) -> bool:
        """Whether copies of an image in one batch are drawn for as in calls of their own.

        Not said of a front end that makes a large batch of several copies of each image itself.
        """
        frontend = self._model.frontend
        each = frontend.randomised and getattr(frontend, "draws_each_image", False)
        return bool(each and frontend.n_copies == 1)

    def nearby(self, images: Tensor) -> "ChangedAnswers | None":
        """What answers for images that differ in a few pixels from (B, C, H, W); None where that is no sooner."""
        frontend, classifier = self._model.frontend, self._model.classifier
        if not hasattr(frontend, "change_steps") or frontend.randomised or frontend.n_copies > 1:
            return None
        steps = frontend.change_steps() if self._can_be_followed(images) else None
        if steps is None:
            return None
        layers = getattr(classifier, "change_layers", None)
        rest: Logits = self._model.logits_from
        if layers is not None:
            more, others = steps_of(layers())
            steps, rest = [*steps, *more], nn.Sequential(*others)
        if not steps:
            return None
        from sparsefront.common.changes.changed_answers import ChangedAnswers  # Numba, which an import must not load

        with torch.no_grad():
            program = Program(steps, images[:1])
            if program.bytes_of(len(images)) > _MOST_BYTES:
                return None
            answers = ChangedAnswers(self, program, rest, images, asked=self._meter(lambda points: points))
        return answers if self._agrees(answers, images) else None

    def _can_be_followed(self, images: Tensor) -> bool:
        """Whether the kernel takes images (B, C, H, W): on the processor, of the front end's shape and precision."""
        frontend = self._model.frontend
        tensors = [*frontend.parameters(), *frontend.buffers()]
        mixed = any(tensor.is_floating_point() and tensor.dtype != images.dtype for tensor in tensors)
        return compiles_for(images) and not mixed and images.shape[1:] == torch.Size(frontend.image_shape)

    @torch.no_grad()
    def _agrees(self, answers: "ChangedAnswers", images: Tensor) -> bool:
        """Whether the answers are the model's where a few pixels change: a subclass may compute something else."""
        some = images[:_TRIED]
        height, width = max(some.shape[2] // 4, 1), max(some.shape[3] // 4, 1)
        points = some.clone()
        points[:, :, :height, :width] = 1 - points[:, :, :height, :width]
        samples = torch.arange(len(some), device=images.device)
        followed = answers.ask(samples, points)
        answers.settle(torch.zeros_like(samples, dtype=torch.bool))
        expected = self(points)
        apart = (followed - expected).abs().max()
        return bool(apart <= torch.finfo(expected.dtype).eps ** 0.5 * (1 + expected.abs().max()))
