"""The step that ends the creep of first-order methods among nearly parallel atoms."""

import torch
from torch import Tensor


def newton_step(
    codes: Tensor,
    slack: Tensor,
    gram: Tensor,
    lmbda: float = 0.0,
    *,
    radius: float = torch.inf,
    max_bytes: int = 2**28,
) -> Tensor:
    """Newton's step of 1/2 ||y - D s||^2 + lmbda ||s||_1 on the nonzeros, signs kept, to the first that reaches zero.

    A code on the boundary of the ball ||s||_1 <= radius steps along it, unless its step leads inside; one inside steps
    to the boundary at most.

    On one sign pattern the objective is a quadratic (Lee et al. 2006, feature-sign search). A ridge keeps its system
    solvable when atoms depend on each other; the step that it shortens still lowers the objective. A code that the step
    would not lower, which rounding alone can cause, stays.

    Args:
        codes: (N, K).
        slack: (N, K), D^T (y - D s).
        gram: (K, K), D^T D.
        lmbda: weight of the l1 norm.
        radius: bound of the l1 norm, kept by the codes given.
        max_bytes: working memory; the batch is split to stay below it.

    Returns:
        The moved codes (N, K).
    """
    counts = (codes != 0).sum(dim=1)
    order = counts.argsort(descending=True)  # signals of like counts share a width
    moved = codes.clone()
    first = 0
    while first < len(order) and (width := int(counts[order[first]])):
        number = max(1, min(max(len(order) // 8, 256), max_bytes // (4 * width**2 * codes.element_size())))
        rows = order[first : first + number]
        moved[rows] = _step(codes[rows], slack[rows], gram, lmbda, radius, width)
        first += number
    return moved


def _step(codes: Tensor, slack: Tensor, gram: Tensor, lmbda: float, radius: float, width: int) -> Tensor:
    support = codes.abs().topk(width, dim=1).indices
    values = codes.gather(1, support)
    used = values != 0
    system = support_system(gram, support, used)
    signs = values.sign()
    descent = torch.where(used, slack.gather(1, support) - lmbda * signs, 0.0)
    free, inward = torch.linalg.solve_ex(system, torch.stack([descent, signs], dim=2)).result.unbind(dim=2)
    step, most = _inside(values, signs, free, inward, radius)
    reaches_zero = torch.where(values * step < 0, -values / step, torch.inf)
    share = reaches_zero.amin(dim=1, keepdim=True).minimum(most)
    along = share * step
    gain = ((descent - (system @ along[..., None])[..., 0] / 2) * along).sum(dim=1, keepdim=True)
    moved = torch.where(reaches_zero <= share, 0.0, values + along)
    return codes.scatter(1, support, torch.where(gain > 0, moved, values))


def _inside(values: Tensor, signs: Tensor, free: Tensor, inward: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """The free step kept on the ball's boundary where it would leave it, and the share that can be taken, (N, 1)."""
    norms = values.abs().sum(dim=1, keepdim=True)
    bounded = norms > radius * (1 - 1e3 * torch.finfo(values.dtype).eps)
    outward = (signs * free).sum(dim=1, keepdim=True) / (signs * inward).sum(dim=1, keepdim=True)
    step = torch.where(bounded, free - outward.clamp_min(0) * inward, free)
    growth = (signs * step).sum(dim=1, keepdim=True)
    reaches_boundary = torch.where(~bounded & (growth > 0), (radius - norms) / growth, torch.inf)
    return step, reaches_boundary.clamp_max(1.0)


def support_system(gram: Tensor, support: Tensor, used: Tensor, ridge: float = 0.0) -> Tensor:
    """The Gram matrices of chosen atoms, ridged so that they can be solved; rows that are not used are the identity's.

    Args:
        gram: (K, K).
        support: (N, w), chosen atoms.
        used: (N, w) bool, which of them count.
        ridge: added to the diagonal, over what rounding asks for.

    Returns:
        (N, w, w).
    """
    system = gram[support[:, :, None], support[:, None, :]]
    system = system * (used[:, :, None] & used[:, None, :])
    own = system.diagonal(dim1=1, dim2=2)
    own += torch.where(used, ridge + 100 * torch.finfo(gram.dtype).eps * own, 1.0)
    return system
