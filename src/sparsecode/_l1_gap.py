"""How far from the LASSO's optimum a code can be."""

import torch
from torch import Tensor


def l1_gap(codes: Tensor, slack: Tensor, residual: Tensor, lmbda: float, *, positive: bool = False) -> Tensor:
    """Duality gap of 1/2 ||y - D s||^2 + lmbda ||s||_1 over that objective, (N,); 0 where both are 0.

    The residual r, scaled by the best a in the dual's ball ||a D^T r||_inf <= lmbda, is a dual point, and the gap is
    1/2 (1 - a)^2 ||r||^2 + sum_j (lmbda |s_j| - a s_j (D^T r)_j): no term is negative, so nothing cancels.

    Args:
        codes: (N, ...) s.
        slack: of the codes' shape, D^T r.
        residual: (N, ...), r = y - D s.
        lmbda: weight of the l1 norm.
        positive: codes are kept at or above 0, which leaves the ball's lower side open.
    """
    codes, slack, residual = codes.flatten(1), slack.flatten(1), residual.flatten(1)
    tiny = torch.finfo(codes.dtype).tiny
    energy = residual.square().sum(dim=1)
    touch = (slack if positive else slack.abs()).amax(dim=1).clamp_min(tiny)
    along = energy + (codes * slack).sum(dim=1)  # <y, r>
    a = (along / energy.clamp_min(tiny)).clamp_min(0).minimum(lmbda / touch)
    norms = lmbda * codes.abs()
    gap = (1 - a).square() * energy / 2 + (norms - a[:, None] * codes * slack).sum(dim=1)
    return gap / (energy / 2 + norms.sum(dim=1)).clamp_min(tiny)
