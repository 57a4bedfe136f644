"""What a dictionary is learned from: sums over signals and codes, so that processes add theirs up."""

import torch
from torch import Tensor

# Below this share of nonzeros entry by entry beats matrix products, which are some 16 times as fast at 5 of 500.
_SPARSE = 1 / 8


class Moments:
    """Sums of s s^T, y s^T and some counts over signals y (N, m) and codes s (N, K), in one vector.

    Args:
        dictionary: (m, K), which says sizes, dtype and device.
        sums: the vector, e.g. added up over processes; zeros if absent.

    Attributes:
        sums: all the sums in one vector.
        a: (K, K) sum of s s^T, a view of it.
        b: (m, K) sum of y s^T, a view of it.
        counts: (5,) sums of 1/2 ||y - D s||^2, of ||s||_1, of nonzeros, of negatives and of signals, a view of it.
    """

    def __init__(self, dictionary: Tensor, sums: Tensor | None = None) -> None:
        m, n_atoms = dictionary.shape
        self.sums = dictionary.new_zeros(n_atoms * (n_atoms + m) + 5) if sums is None else sums
        a, b, self.counts = self.sums.split([n_atoms**2, n_atoms * m, 5])
        self.a, self.b = a.view(n_atoms, n_atoms), b.view(n_atoms, m).T  # atoms as rows, so that each is contiguous

    def add(self, signals: Tensor, dictionary: Tensor, codes: Tensor) -> Tensor:
        """Add signals (N, m) and their codes (N, K).

        Returns:
            ||y - D s||^2 of each signal, (N,).
        """
        self.counts[4] += len(signals)
        if codes.device.type == "cpu" and len(codes):
            from sparsecode._native.moments import add_products, count_nonzeros

            signals, codes = signals.contiguous(), codes.contiguous()
            if count_nonzeros(codes.numpy()) < _SPARSE * codes.numel():
                errors, atoms = codes.new_empty(len(codes)), dictionary.T.contiguous()
                arrays = (tensor.numpy() for tensor in (signals, atoms, codes, self.a, self.b.T, self.counts, errors))
                add_products(*arrays)
                return errors
        self.a.addmm_(codes.T, codes)
        self.b.T.addmm_(codes.T, signals)
        errors = (signals - codes @ dictionary.T).square().sum(dim=1)
        self.counts[:4] += torch.stack(
            [errors.sum() / 2, codes.abs().sum(), (codes != 0).sum().to(errors), (codes < 0).sum().to(errors)]
        )
        return errors

    def means(self) -> dict[str, float]:
        """`half_residual`, `l1` and `nonzeros`, each the mean of a signal."""
        half_residual, l1, nonzeros, _, number = self.counts.tolist()
        number = max(number, 1)
        return {"half_residual": half_residual / number, "l1": l1 / number, "nonzeros": nonzeros / number}
