"""Systems on the nonzeros of codes, which differ from signal to signal."""

import torch
from torch import Tensor
from torch.nn import functional as F


def nonzeros(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Where (N, K) codes are nonzero: indices (N, k), k the most of any code, and bool (N, k), False on the padding."""
    width = int((codes != 0).sum(dim=1).max()) if len(codes) else 0
    support = codes.abs().topk(width, dim=1).indices
    return support, codes.gather(1, support) != 0


def systems(gram: Tensor, support: Tensor, used: Tensor) -> Tensor:
    """The (N, k, k) blocks of the Gram matrix on each support, the identity on the padding.

    A ridge of a few rounding errors keeps them solvable where atoms depend on each other.
    """
    pairs = used[:, :, None] & used[:, None, :]
    blocks = torch.where(pairs, gram[support[:, :, None], support[:, None, :]], 0.0)
    return blocks + torch.diag_embed(torch.where(used, 100 * torch.finfo(gram.dtype).eps, 1.0).to(gram.dtype))


def differentiable(signals: Tensor, dictionary: Tensor, codes: Tensor, penalty: Tensor | float) -> Tensor:
    """The same codes (N, K), now differentiable by signals, dictionary and penalty through their optimality conditions.

    On the support S of a code, D_S^T (y - D_S s_S) = p_S, so s_S = (D_S^T D_S)^-1 (D_S^T y - p_S); off it, 0.

    Args:
        signals: (N, m).
        dictionary: (m, K).
        codes: (N, K), solved.
        penalty: (N, K) or a number, p: 0 for least squares, lambda sign(s) for the LASSO.
    """
    support, used = nonzeros(codes.detach())
    if not support.shape[1]:
        return codes + 0.0 * signals.sum() + 0.0 * dictionary.sum()
    pull = signals @ dictionary - penalty
    solved = torch.linalg.solve(
        systems(dictionary.T @ dictionary, support, used), torch.where(used, pull.gather(1, support), 0.0)
    )
    resolved = torch.zeros_like(codes).scatter_add(1, support, torch.where(used, solved, 0.0))
    return codes + (resolved - resolved.detach())


def combine(weights: Tensor, rows: Tensor, indices: Tensor) -> Tensor:
    """Sum over t of weights[n, t] rows[indices[n, t]], (N, K), without the (N, t, K) in between."""
    return F.embedding_bag(indices, rows, per_sample_weights=weights, mode="sum")
