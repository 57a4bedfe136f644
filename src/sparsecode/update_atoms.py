"""The dictionary step of online dictionary learning."""

import torch
from torch import Tensor

from sparsecode._choices import Backend, default_backend
from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_finite

# Atoms whose common product with A is one matrix product; within a block atoms go one by one.
_BLOCK = 128


@torch.no_grad()
@named_kinds
def update_atoms(dictionary: Tensor, a: Tensor, b: Tensor, *, backend: Backend | None = None) -> Tensor:
    """One pass of block-coordinate descent on 1/2 tr(D^T D A) - tr(D^T B) over unit-norm atoms.

    Mairal et al. (2009), algorithm 2: d_j <- (b_j - D a_j) / A_jj + d_j, brought to unit norm (paper 001 asks for
    ||d_j|| = 1), one atom after the other. An atom that no signal has used stays: A_jj = 0, or so far below the largest
    that the step would be made of rounding errors.

    Args:
        dictionary: (m, K) with unit-norm columns.
        a: (K, K) sum of s s^T; brought to the dictionary's dtype and device, as b is.
        b: (m, K) sum of y s^T.
        backend: `native` works on a copy in the CPU's memory if the tensors lie elsewhere, and is what None means on
            every device: one atom after the other, `torch` takes some eight operations for each.

    Returns:
        The updated (m, K) dictionary.

    Raises:
        ValueError: shapes that do not fit, or entries that are not finite.
    """
    if dictionary.ndim != 2:
        raise ValueError(f"`dictionary` must have shape (m, K), found {tuple(dictionary.shape)}.")
    m, n_atoms = dictionary.shape
    if a.shape != (n_atoms, n_atoms) or b.shape != (m, n_atoms):
        raise ValueError(
            f"`a` must be (K, K) and `b` (m, K) for a `dictionary` (m, K) = {(m, n_atoms)}, found {tuple(a.shape)} and "
            f"{tuple(b.shape)}."
        )
    device, sweep = dictionary.device, _sweep_torch
    a, b = a.to(dictionary), b.to(dictionary)
    check_finite(dictionary=dictionary, a=a, b=b)
    if default_backend(backend, "cpu") == "native":
        sweep, dictionary, a, b = _sweep_native, dictionary.cpu(), a.cpu(), b.cpu()
    atoms = dictionary.T.clone(memory_format=torch.contiguous_format)  # rows, so that an atom is contiguous
    targets, usage = b.T, a.diagonal()
    unused = float(torch.finfo(a.dtype).eps * usage.max())
    for first in range(0, n_atoms, _BLOCK):
        block = slice(first, first + _BLOCK)
        rest = torch.addmm(targets[block], a[block], atoms, alpha=-1)
        sweep(atoms[block], rest, a[block, block].contiguous(), unused)
    return atoms.T.to(device)


def _sweep_native(atoms: Tensor, rest: Tensor, a: Tensor, unused: float) -> None:
    from sparsecode._native.update_atoms import sweep

    sweep(atoms.numpy(), rest.numpy(), a.numpy(), unused)


def _sweep_torch(atoms: Tensor, rest: Tensor, a: Tensor, unused: float) -> None:
    """The compiled sweep in torch: the same steps, each taken out of all later rows at once."""
    scales = 1 / a.diagonal()
    for j in (a.diagonal() > unused).nonzero().flatten().tolist():
        moved = torch.addcmul(atoms[j], rest[j], scales[j])
        norm = moved.norm()
        change = torch.where(norm > 0, moved / norm - atoms[j], 0.0)
        atoms[j] += change
        rest[j + 1 :].addr_(a[j + 1 :, j], change, alpha=-1)
