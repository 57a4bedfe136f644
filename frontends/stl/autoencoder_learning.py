"""How STL's auto-encoder learns."""

import torch
from torch import Tensor

from sparsefront.common.processes import Processes
from sparsefront.frontends.parts.descent import descend
from sparsefront.frontends.stl.cluster_settings import STLClusterSettings
from sparsefront.frontends.stl.denoising_autoencoder import DenoisingAutoencoder, to_side


class AutoencoderLearning:
    """Adam on the auto-encoder's losses, a step a batch; the noise is drawn for the batch of all processes.

    Args:
        network: learns.
        settings: `noise` and `learning_rate`.
        seed: of the noise.
        processes: that share a batch.
    """

    def __init__(
        self, network: DenoisingAutoencoder, settings: STLClusterSettings, seed: int, processes: Processes
    ) -> None:
        self.network = network
        self.settings = settings
        self.seed = seed
        self.processes = processes
        self.optimizer: torch.optim.Optimizer | None = None

    def step(self, images: Tensor, step: int) -> dict[str, float]:
        """Learn from images (B, C, H, W) of the weights' precision and device; return what to log.

        Args:
            images: of this process.
            step: number of this one, from 0, which the noise follows from.
        """
        small = to_side(images)
        noise = self.processes.dealt(torch.randn, len(images), small.shape[1:], (self.seed, step))
        noise = self.settings.noise * noise.to(small)
        if self.optimizer is None:  # now the parameters are on their device
            self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.settings.learning_rate)
        with torch.enable_grad():
            self.network.requires_grad_(True)
            losses = self.network.losses(small, noise, self.processes.sum)
            loss = descend(losses, self.optimizer, self.processes.sum, "STL's auto-encoder", step + 1)
            self.network.requires_grad_(False)
        return {"loss": loss}
