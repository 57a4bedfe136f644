"""Front ends whose networks are learned by gradient steps, without labels."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sparsefront.common.random import seed_of
from sparsefront.common.rules import at_least, check_rules, positive
from sparsefront.frontends.base import FrontEnd


def convolution(inputs: int, outputs: int, generator: torch.Generator) -> nn.Conv2d:
    """3×3, keeping the size; weights uniform as Glorot and Bengio (2010), biases 0, drawn from `generator` alone."""
    # Its own initialisation would draw from torch's global random numbers.
    layer = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, padding=1)
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    started: nn.Conv2d = layer
    return started


def descend(
    losses: Tensor, optimizer: torch.optim.Optimizer, reduce: Callable[[Tensor], Tensor], whose: str, step: int
) -> float:
    """One step on the mean of the losses (B,) of all processes' images; return that mean.

    Args:
        losses: of this process's images, with their graph.
        optimizer: of the parameters, in one group.
        reduce: sums a tensor over processes.
        whose: they are, for the sentence.
        step: number of this one, from 1.

    Raises:
        RuntimeError: a loss or a gradient that is not finite.
    """
    (group,) = optimizer.param_groups
    gradients = torch.autograd.grad(losses.sum(), group["params"])
    flat = [gradient.flatten() for gradient in gradients]
    total = reduce(torch.cat([*flat, losses.detach().sum()[None], losses.new_tensor([len(losses)])]))
    mean = total[:-1] / total[-1]
    loss = float(mean[-1])
    if not mean.isfinite().all():  # the same in all processes: all end here
        raise RuntimeError(
            f"{whose} met a loss of {loss:.4g} or a gradient that is not finite in step {step}; "
            f"lower `learning_rate` = {group['lr']:g}."
        )
    for parameter, gradient in zip(group["params"], mean[:-1].split([len(part) for part in flat]), strict=True):
        parameter.grad = gradient.view_as(parameter)
    optimizer.step()
    optimizer.zero_grad()
    return loss


class DescentFrontEnd(FrontEnd):
    """Learns its parameters θ by Adam on the mean over a batch of `losses`, one step a batch.

    The gradients, the losses and the number of images are summed over processes before the step, so several processes
    on shares of a batch take the step that one takes on all of it, whatever the sizes of the shares. Stage two does not
    train these parameters: they require no gradient outside `learn_from`. A subclass builds its networks in `__init__`
    from one seeded generator, the same in all processes, and puts no layer into them that acts otherwise in training
    than in use: noise belongs into `losses`.

    Args:
        image_shape: (C, H, W) of the images.
        n_iterations: steps, each on one batch of the data.
        learning_rate: of Adam, whose other settings are those of Kingma and Ba (2015).
        seed: of the first weights and of the noise.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    def __init__(self, image_shape: tuple[int, int, int], n_iterations: int, learning_rate: float, seed: int) -> None:
        super().__init__(image_shape)
        check_rules([*at_least(1, n_iterations=n_iterations), *positive(learning_rate=learning_rate)])
        self.n_learning_steps, self.learning_rate, self.seed = n_iterations, learning_rate, seed
        self.learned.fill_(False)
        self._optimizer: torch.optim.Optimizer | None = None

    @abstractmethod
    def losses(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Losses (B,) of clean images (B, C, H, W); noise comes from `generator`, which is on the images' device."""

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """One step of Adam on a batch (B, C, H, W); return its mean loss over all processes."""
        parameters = list(self.parameters())
        seed = seed_of(self.seed, int(self.learning_step), self.processes.rank)
        generator = torch.Generator(images.device).manual_seed(seed)
        with torch.enable_grad():  # `training_step` turns gradients off
            self.requires_grad_(True)
            losses = self.losses(images, generator)
            if self._optimizer is None:  # now the parameters are on their device
                self._optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
            step = int(self.learning_step) + 1
            loss = descend(losses, self._optimizer, self.processes.sum, type(self).__name__, step)
            self.requires_grad_(False)
        if int(self.learning_step) + 1 >= self.n_learning_steps:
            self._optimizer = None  # its moments are of no more use
        return {"loss": loss}
