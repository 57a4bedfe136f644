"""The first atoms of deep sparse coding: patches of what each layer reads."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode.hierarchy import Hierarchy
from sparsefront.common.processes import Processes
from sparsefront.common.random import generator_of
from sparsefront.frontends.dsc.learning_settings import DSCLearningSettings
from sparsefront.frontends.dsc.network import DSCNetwork

_CANDIDATES = 4  # patches drawn an atom, of which flat ones are left out
_FLAT = 1e-4  # norm of a patch that is rounding


class FirstAtoms:
    """Fills the dictionaries of a network from below, each with patches of what its layer reads.

    Patches are drawn for the batch of all processes, so that all of them begin with the same atoms.

    Args:
        network: whose dictionaries and bounds are filled.
        settings: the seed, and the tolerance of codes.
        processes: that share a batch.
    """

    def __init__(self, network: DSCNetwork, settings: DSCLearningSettings, processes: Processes) -> None:
        self.network = network
        self.settings = settings
        self.processes = processes

    def fill(self, signals: list[Tensor]) -> None:
        """Fill all dictionaries from what the modalities of a batch read, (B, C, H, W) each.

        Raises:
            ValueError: the images of the batch are all flat.
        """
        network = self.network
        codes: dict[int, Tensor] = {}
        unread = iter(signals)
        for index, plan in enumerate(network.plans):
            below = [codes[child] for child in plan.below] if plan.below else [next(unread)]
            inputs = torch.cat([signal.flatten(1) for signal in below], dim=1).view(-1, *plan.shape)
            network.dictionary(index).copy_(self._atoms(index, inputs))
            network.update_bound(index)
            if index < len(network.plans) - 1:
                codes[index] = self._code_alone(index, inputs)

    def _code_alone(self, index: int, inputs: Tensor) -> Tensor:
        """Codes of one layer without the others."""
        network, plan = self.network, self.network.plans[index]
        level = plan.level(network.dictionary(index), network.bounds[index])
        hierarchy = Hierarchy([level], network.positive, network.feedback_on)
        return network.solver.minimise(hierarchy, [inputs], self.settings.tolerance)[0].view(-1, *plan.code_shape)

    def _atoms(self, index: int, inputs: Tensor) -> Tensor:
        """Patches of random images at random places, of unit norm.

        Where there are fewer than atoms, the others are such patches with half of their entries, at random.
        """
        plan = self.network.plans[index]
        n_atoms = plan.layer.n_atoms
        n_images = len(inputs) * self.processes.world
        each = -(-_CANDIDATES * n_atoms // max(n_images, 1)) if plan.layer.size is not None else 1
        patches = self.processes.rows_in_turn(self._patches(index, inputs, each))
        patches = patches.transpose(0, 1).flatten(0, 1)  # of every image one, before a second of any
        patches = patches[patches.norm(dim=1) > _FLAT]
        if not len(patches):
            raise ValueError(
                f"The first batch must hold images that are not flat for layer {index} to learn from, found none; "
                f"check the data, or lower `lmbda` of the layers below, found {plan.layer.lmbda:g} here."
            )
        missing = max(n_atoms - len(patches), 0)
        generator = generator_of(self.settings.seed, index, -3)
        halves = torch.rand(missing, patches.shape[1], generator=generator).to(patches) < 0.5
        whole = patches[torch.arange(missing, device=patches.device) % len(patches)]
        mixed = torch.where((whole * halves).any(dim=1, keepdim=True), whole * halves, whole)
        return F.normalize(torch.cat([patches[:n_atoms], mixed]), dim=1).view(plan.atoms_shape)

    def _patches(self, index: int, inputs: Tensor, each: int) -> Tensor:
        """(B, `each`, m) of what a layer reads."""
        plan = self.network.plans[index]
        if plan.layer.size is None:
            return inputs.flatten(1)[:, None]
        windows = plan.windows(inputs)
        places = self.processes.dealt(torch.rand, len(inputs), (each, 2), (self.settings.seed, index, -1)).to(inputs)
        row, column = ((places[..., axis] * windows.shape[2 + axis]).long() for axis in range(2))
        image = torch.arange(len(inputs), device=inputs.device)[:, None]
        return windows[image, :, row, column].flatten(2)
