"""How DSC learns: every layer's atoms from its residuals, all layers together."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from sparsecode.dead_atoms import dead_atoms, replace_atoms, worst_signals
from sparsecode.hierarchy.eigenvalue_bound import eigenvalue_bound
from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.hierarchy.solved_layer import SolvedLayer
from sparsefront.frontends.parts.learner import Learner

if TYPE_CHECKING:
    from sparsefront.frontends.dsc.dsc import DSC

_MEMORY = 0.9  # share of the past that a batch leaves
_DEAD_AFTER = 512  # images between two looks for atoms that nobody uses
_CANDIDATES = 4  # patches drawn an atom, of which flat ones are left out
_FLAT = 1e-4  # norm of a patch that is rounding


class DSCLearning(Learner):
    """Moves atoms against the derivative of E at the codes' rest, a batch of images a step.

    -dE/dD_k of a layer is the sum of its residuals r over the places where atom k is active, times its code there. An
    atom goes `learning_rate` times that sum over the sum of its squared codes, which at a rate of 1 would be all the
    way to the least residual if it were alone, and is brought to unit norm. Both sums forget older batches.

    The sums are added up over processes, and first atoms are drawn for the batch of all of them, so that several
    processes with shares of a batch, its images dealt out in turn, learn what one does, up to rounding.

    Args:
        owner: the front end, whose settings count and whose buffers are filled.
    """

    def __init__(self, owner: "DSC") -> None:
        self.owner, self.processes = owner, owner.processes
        self.begun = False
        atoms = [owner.dictionary(number) for number in range(len(owner.plans))]
        self.gradients = [torch.zeros_like(part) for part in atoms]
        self.usage = [part.new_zeros(len(part)) for part in atoms]
        self._start_window()

    def _start_window(self) -> None:
        self.seen, self.used = 0, [torch.zeros_like(part) for part in self.usage]

    def step(self, signals: list[Tensor]) -> dict[str, float]:
        """Learn from what the modalities of a batch read, (B, C, H, W) each; return what to log."""
        owner, reduce = self.owner, self.processes.sum
        signals = [part.to(owner.dictionary(0)) for part in signals]
        if not self.begun:
            self._begin(signals)
            self.begun = True
        model = owner.hierarchy(second=len(signals) > 1)
        sums, residuals = self._sums(model, signals)
        sums = reduce(sums)
        sizes = [part.numel() for pair in zip(self.gradients, self.usage, strict=True) for part in pair]
        *parts, counts = sums.split([*sizes, len(sums) - sum(sizes)])
        for number, (gradient, usage) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
            self.gradients[number] = _MEMORY * self.gradients[number] + gradient.view_as(self.gradients[number])
            self.usage[number] = _MEMORY * self.usage[number] + usage
            self.used[number] = self.used[number] + usage
            self._move(number)
        count = max(float(counts[0]), 1.0)
        self.seen += int(counts[0])
        replaced = self._replace(residuals) if self.seen >= _DEAD_AFTER else 0
        for number in range(len(owner.plans)):
            self._bound(number)
        metrics = {"energy": float(counts[1]) / count, "at_rest": float(counts[2]) / count, "replaced": float(replaced)}
        for number, (left, whole, nonzeros) in enumerate(counts[3:].view(-1, 3).tolist()):
            metrics[f"residual_{number}"] = left / max(whole, 1e-12)
            metrics[f"nonzeros_{number}"] = nonzeros / count
        return metrics

    def _sums(self, model: Hierarchy, signals: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """What is added up over images: of each layer -dE/dD and the squared codes; then what is logged.

        And each layer's residuals.
        """
        owner = self.owner
        gradients = [torch.zeros_like(part) for part in self.gradients]
        usage = [torch.zeros_like(part) for part in self.usage]
        counts = signals[0].new_zeros(3 + 3 * len(model.levels))
        residuals: list[list[Tensor]] = [[] for _ in model.levels]
        for rows in owner.solver.runs(model, signals[0]):
            given = model.given([part[rows] for part in signals])
            codes, rests = owner.solver.minimise(model, given, owner.learning_tolerance)
            parts = model.split(codes)
            counts[:3] += torch.stack([counts.new_tensor(len(rows)), model.energy(codes, given).sum(), rests.sum()])
            inputs = model.inputs(parts, given)
            for number, (level, below, code) in enumerate(zip(model.levels, inputs, parts, strict=True)):
                residual = below - model.operators[number].synthesise(code)
                gradients[number] += _products(level, residual, code)
                usage[number] += code.square().flatten(2).sum(dim=(0, 2)) if code.ndim > 2 else code.square().sum(dim=0)
                energies = [residual.square().sum(), below.square().sum(), (code != 0).sum().to(counts)]
                counts[3 + 3 * number : 6 + 3 * number] += torch.stack(energies)
                residuals[number].append(residual)
        flat = [part.flatten() for pair in zip(gradients, usage, strict=True) for part in pair]
        return torch.cat([*flat, counts]), [torch.cat(part) if part else signals[0][:0] for part in residuals]

    def _move(self, number: int) -> None:
        """Move a layer's atoms; those that were not active stay."""
        atoms, usage = self.owner.dictionary(number), self.usage[number]
        rate = torch.where(usage > 0, self.owner.learning_rate / usage.clamp_min(torch.finfo(usage.dtype).tiny), 0.0)
        moved = atoms + rate.view(-1, *[1] * (atoms.ndim - 1)) * self.gradients[number]
        norms = moved.flatten(1).norm(dim=1).view(-1, *[1] * (atoms.ndim - 1))
        atoms.copy_(torch.where(norms > 0, moved / norms.clamp_min(torch.finfo(norms.dtype).tiny), atoms))

    def _bound(self, number: int) -> None:
        plan = self.owner.plans[number]
        found = eigenvalue_bound(self.owner.dictionary(number), plan.shape, plan.layer.stride, plan.padding)
        self.owner.bounds[number] = found

    def _replace(self, residuals: list[Tensor]) -> int:
        """Give atoms that nobody used, or that nearly equal another, the directions of what is represented worst."""
        replaced = 0
        for number, (plan, residual) in enumerate(zip(self.owner.plans, residuals, strict=True)):
            atoms = self.owner.dictionary(number)
            flat = atoms.flatten(1).T.clone()
            dead = dead_atoms(flat, self.used[number], signed=not self.owner.positive)
            if not dead.any():
                continue
            patches = _worst(residual.view(-1, *plan.shape), atoms.shape, plan.padding)
            errors = patches.square().sum(dim=1)
            which = replace_atoms(flat, dead, worst_signals(patches, errors, int(dead.sum()), self.processes.sum))
            atoms.copy_(flat.T.view_as(atoms))
            self.gradients[number][which], self.usage[number][which] = 0, 0
            replaced += len(which)
        self._start_window()
        return replaced

    # the first atoms

    def _begin(self, signals: list[Tensor]) -> None:
        """Fill the dictionaries from below: each with patches of what it reads, once the layers below have codes.

        Raises:
            ValueError: the images of the batch are all flat.
        """
        owner = self.owner
        codes: dict[int, Tensor] = {}
        own = iter(signals)
        for number, plan in enumerate(owner.plans):
            below = [codes[child] for child in plan.below] if plan.below else [next(own)]
            read = torch.cat([part.flatten(1) for part in below], dim=1).view(-1, *plan.shape)
            owner.dictionary(number).copy_(self._first_atoms(number, read))
            self._bound(number)
            if number < len(owner.plans) - 1:
                codes[number] = self._code_alone(number, read)

    def _code_alone(self, number: int, read: Tensor) -> Tensor:
        """Codes of one layer without the others."""
        owner, plan = self.owner, self.owner.plans[number]
        level = plan.level(owner.dictionary(number), owner.bounds[number])
        model = Hierarchy([level], owner.positive, owner.feedback_on)
        return owner.solver.minimise(model, [read], owner.learning_tolerance)[0].view(-1, *plan.code_shape)

    def _first_atoms(self, number: int, read: Tensor) -> Tensor:
        """Patches of random images at random places, of unit norm.

        Where there are fewer than atoms, the others are such patches with half of their entries, at random.
        """
        owner, plan = self.owner, self.owner.plans[number]
        wanted, images = len(owner.dictionary(number)), len(read) * self.processes.world
        each = -(-_CANDIDATES * wanted // max(images, 1)) if plan.layer.size is not None else 1
        patches = self.processes.rows_in_turn(self._patches(number, read, each))
        patches = patches.transpose(0, 1).flatten(0, 1)  # of every image one, before a second of any
        patches = patches[patches.norm(dim=1) > _FLAT]
        if not len(patches):
            raise ValueError(
                f"The first batch must hold images that are not flat for layer {number} to learn from, found none; "
                f"check the data, or lower `lmbda` of the layers below, found {plan.layer.lmbda:g} here."
            )
        short = max(wanted - len(patches), 0)
        generator = torch.Generator().manual_seed(hash((owner.seed, number, -3)))
        halves = torch.rand(short, patches.shape[1], generator=generator).to(patches) < 0.5
        mixed = patches[torch.arange(short, device=patches.device) % len(patches)]
        atoms = torch.cat(
            [patches[:wanted], torch.where((mixed * halves).any(dim=1, keepdim=True), mixed * halves, mixed)]
        )
        return F.normalize(atoms, dim=1).view_as(owner.dictionary(number))

    def _patches(self, number: int, read: Tensor, each: int) -> Tensor:
        """(B, `each`, m) of what a layer reads."""
        plan = self.owner.plans[number]
        if plan.layer.size is None:
            return read.flatten(1)[:, None]
        padded, size = _padded(read, plan.padding), plan.layer.size
        windows = padded.unfold(2, size, 1).unfold(3, size, 1)
        places = self.processes.dealt(torch.rand, len(read), (each, 2), (self.owner.seed, number, -1)).to(read)
        row, column = ((places[..., i] * windows.shape[2 + i]).long() for i in range(2))
        image = torch.arange(len(read), device=read.device)[:, None]
        return windows[image, :, row, column].flatten(2)


def _products(level: SolvedLayer, residual: Tensor, code: Tensor) -> Tensor:
    """The sum of residuals times codes, of the dictionary's shape."""
    if level.atoms.ndim == 2:
        return code.T @ residual
    shape = tuple(level.atoms.shape)
    gradient: Tensor = conv2d_weight(residual, shape, code, stride=level.stride, padding=level.padding)
    return gradient


def _padded(images: Tensor, padding: tuple[int, int]) -> Tensor:
    return F.pad(images, (padding[1], padding[1], padding[0], padding[0]))


def _worst(residuals: Tensor, shape: torch.Size, padding: tuple[int, int]) -> Tensor:
    """The patch of the largest energy of each image's residual, (B, m)."""
    if len(shape) == 2:
        return residuals.flatten(1)
    tall, wide = shape[2:]
    padded = _padded(residuals, padding)
    energies = F.avg_pool2d(padded.square().sum(dim=1, keepdim=True), (tall, wide), 1)
    place = energies.flatten(1).argmax(dim=1)
    row, column = place // energies.shape[3], place % energies.shape[3]
    windows = padded.unfold(2, tall, 1).unfold(3, wide, 1)
    return windows[torch.arange(len(padded), device=padded.device), :, row, column].flatten(1)
