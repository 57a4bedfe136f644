"""How DSC learns: every layer's atoms from its residuals, all layers together."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode.dead_atoms import dead_atoms, replace_atoms, worst_signals
from sparsefront.common.processes import Processes
from sparsefront.frontends.dsc.first_atoms import FirstAtoms
from sparsefront.frontends.dsc.learning_settings import DSCLearningSettings
from sparsefront.frontends.dsc.network import DSCNetwork
from sparsefront.frontends.dsc.placement import PlacedLayer
from sparsefront.frontends.dsc.residual_sums import ResidualSums, residual_sums
from sparsefront.frontends.parts.learner import Learner

_MEMORY = 0.9  # what a batch leaves of the past
_DEAD_AFTER = 512  # images between two looks for atoms that nobody uses


class DSCLearning(Learner):
    """Moves atoms against the derivative of E at the codes' rest, a batch of images a step.

    -dE/dD_k of a layer is the sum of its residuals r over the places where atom k is active, times its code there. An
    atom goes `learning_rate` times that sum over the sum of its squared codes, which at a rate of 1 would be all the
    way to the least residual if it were alone, and is brought to unit norm. Both sums forget older batches.

    The sums are added up over processes, and first atoms are drawn for the batch of all of them, so that several
    processes, to which a batch's images are dealt out in turn, learn what one does from all of it, up to rounding.

    Args:
        network: whose dictionaries and bounds are learned.
        settings: how long, how fast, how exactly.
        processes: that share a batch.

    Attributes:
        gradients: of each layer -dE/dD, of its dictionary's shape, with what is left of older batches.
        usage: of each layer (K,), the sums of squared codes, likewise.
    """

    def __init__(self, network: DSCNetwork, settings: DSCLearningSettings, processes: Processes) -> None:
        self.network = network
        self.settings = settings
        self.processes = processes
        self.has_atoms = False
        dictionaries = [network.dictionary(index) for index in range(len(network.plans))]
        self.gradients = [torch.zeros_like(dictionary) for dictionary in dictionaries]
        self.usage = [dictionary.new_zeros(len(dictionary)) for dictionary in dictionaries]
        self._start_window()

    def _start_window(self) -> None:
        """Begin to count anew who uses which atom."""
        self.n_images = 0
        self.used = [torch.zeros_like(usage) for usage in self.usage]

    def step(self, batch: list[Tensor]) -> dict[str, float]:
        """Learn from what the modalities of a batch read, (B, C, H, W) each; return what to log."""
        signals = [signal.to(self.network.dictionary(0)) for signal in batch]
        if not self.has_atoms:
            FirstAtoms(self.network, self.settings, self.processes).fill(signals)
            self.has_atoms = True
        sums, residuals = residual_sums(self.network, signals, self.settings.tolerance)
        sums = sums.reduced(self.processes.sum)
        for index, (gradient, usage) in enumerate(zip(sums.gradients, sums.usage, strict=True)):
            self.gradients[index] = _MEMORY * self.gradients[index] + gradient
            self.usage[index] = _MEMORY * self.usage[index] + usage
            self.used[index] = self.used[index] + usage
            self._move(index)
        self.n_images += sums.n_images
        n_replaced = self._replace(residuals) if self.n_images >= _DEAD_AFTER else 0
        for index in range(len(self.network.plans)):
            self.network.update_bound(index)
        return _metrics(sums, n_replaced)

    def _move(self, index: int) -> None:
        """Move a layer's atoms; those that were not active stay."""
        atoms, usage = self.network.dictionary(index), self.usage[index]
        rate = self.settings.learning_rate / usage.clamp_min(torch.finfo(usage.dtype).tiny)
        rate = torch.where(usage > 0, rate, 0.0)
        moved = atoms + rate.view(-1, *[1] * (atoms.ndim - 1)) * self.gradients[index]
        norms = moved.flatten(1).norm(dim=1).view(-1, *[1] * (atoms.ndim - 1))
        atoms.copy_(torch.where(norms > 0, moved / norms.clamp_min(torch.finfo(norms.dtype).tiny), atoms))

    def _replace(self, residuals: list[Tensor]) -> int:
        """Give atoms that nobody used, or that nearly equal another, the directions of what is represented worst."""
        n_replaced = 0
        for index, (plan, residual) in enumerate(zip(self.network.plans, residuals, strict=True)):
            atoms = self.network.dictionary(index)
            columns = atoms.flatten(1).T.clone()
            dead = dead_atoms(columns, self.used[index], signed=not self.network.positive)
            if not dead.any():
                continue
            patches = _worst_patches(plan, residual.view(-1, *plan.shape))
            errors = patches.square().sum(dim=1)
            worst = worst_signals(patches, errors, int(dead.sum()), self.processes.sum)
            replaced = replace_atoms(columns, dead, worst)
            atoms.copy_(columns.T.view_as(atoms))
            self.gradients[index][replaced] = 0
            self.usage[index][replaced] = 0
            n_replaced += len(replaced)
        self._start_window()
        return n_replaced


def _metrics(sums: ResidualSums, n_replaced: int) -> dict[str, float]:
    """What to log of a batch: means over its images, and of each layer what its codes leave of what it reads."""
    n_images = max(float(sums.n_images), 1.0)
    metrics = {
        "energy": float(sums.energy) / n_images,
        "at_rest": float(sums.n_at_rest) / n_images,
        "replaced": float(n_replaced),
    }
    for index, (residual, whole, n_nonzeros) in enumerate(sums.energies.tolist()):
        metrics[f"residual_{index}"] = residual / max(whole, 1e-12)
        metrics[f"nonzeros_{index}"] = n_nonzeros / n_images
    return metrics


def _worst_patches(plan: PlacedLayer, residuals: Tensor) -> Tensor:
    """The patch of the largest energy of each image's residual, (B, m)."""
    if plan.layer.size is None:
        return residuals.flatten(1)
    height, width = plan.atoms_shape[2:]
    energies = F.avg_pool2d(plan.padded(residuals).square().sum(dim=1, keepdim=True), (height, width), 1)
    place = energies.flatten(1).argmax(dim=1)
    row, column = place // energies.shape[3], place % energies.shape[3]
    image = torch.arange(len(residuals), device=residuals.device)
    return plan.windows(residuals)[image, :, row, column].flatten(1)
