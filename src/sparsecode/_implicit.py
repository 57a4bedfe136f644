"""The derivative of codes through their optimality conditions."""

from collections.abc import Callable
from typing import Any, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparsecode._choices import Gradient
from sparsecode._newton_step import support_system
from sparsecode.checks import warn_unless, whole_number
from sparsecode.operators import Dense, Operator

Solve = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

# Wider supports than this are solved by conjugate gradients, which touch no (w, w) matrix.
_WIDEST_DIRECT = 256


def check_gradient(gradient: Gradient, unrolled_steps: int) -> int:
    """A known gradient, and at least one step to unroll."""
    if gradient not in get_args(Gradient):
        raise ValueError(f"`gradient` must be one of {', '.join(get_args(Gradient))}, found {gradient!r}.")
    return whole_number(unrolled_steps, "unrolled_steps", 1)


def differentiate_implicitly(
    codes: Tensor,
    signals: Tensor,
    operator: Operator,
    *,
    ridge: float = 0.0,
    pull: Tensor | None = None,
    bounded: Tensor | None = None,
    max_bytes: int = 2**28,
    solve: Solve | None = None,
) -> Tensor:
    """Give codes the gradient of the conditions that they meet, with respect to signals and dictionary.

    On the support S, with signs c, a code meets D_S^T (y - D_S s) + p - ridge s - lmbda c = 0, and where it is
    `bounded` also c^T s = T, for which lmbda is the multiplier. Hence ds = H^-1 (dF - c (c^T H^-1 dF) / (c^T H^-1 c)),
    without the second part where it is not, H = D_S^T D_S + ridge I and F the left side at fixed s. Exact where the
    support does not change.

    Args:
        codes: (N, *operator.code_shape) solution, a constant.
        signals: (N, *operator.signal_shape).
        operator: D; the graph behind its dictionary gets gradients.
        ridge: weight of a quadratic penalty.
        pull: p, of the codes' shape.
        bounded: (N,) bool, the codes on the boundary of an l1 ball.
        max_bytes: working memory of the backward pass.
        solve: (right sides, codes) -> H^-1 of each on its code's support, 0 off it, and bool (N,): where it is that;
            absent: by products with the operator.

    Returns:
        The same codes, once differentiable.
    """
    slack = operator.analyse(signals - operator.synthesise(codes))
    if pull is not None:
        slack = slack + pull
    constant = operator.detached()

    def inverse(target: Tensor) -> tuple[Tensor, Tensor]:
        if solve is not None:
            return solve(target, codes)
        if isinstance(constant, Dense):
            return _solve(target, codes, constant, ridge, max_bytes)
        return _conjugate_gradients(target, codes, constant, ridge)

    def adjoint(grad: Tensor) -> Tensor:
        solved, converged = inverse(grad)
        if bounded is None:
            _warn_unless(converged)
            return solved
        signs = codes.sign()
        along, also_converged = inverse(signs)
        _warn_unless(converged & also_converged)
        rates = (signs * solved).sum(dim=1) / (signs * along).sum(dim=1).clamp_min(torch.finfo(grad.dtype).tiny)
        return solved - torch.where(bounded, rates, 0.0)[:, None] * along

    linked: Tensor = _Implicit.apply(slack, codes, adjoint)
    return linked


def _warn_unless(converged: Tensor) -> None:
    warn_unless(converged, "The implicit gradient", "atoms on the support nearly depend on each other")


class _Implicit(torch.autograd.Function):
    """Forward: the codes. Backward: the gradient of the codes, brought to the slack by the solved system."""

    @staticmethod
    def forward(ctx: Any, _slack: Tensor, codes: Tensor, adjoint: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.adjoint = adjoint
        return codes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.adjoint(grad), None, None


def _solve(target: Tensor, codes: Tensor, operator: Dense, ridge: float, max_bytes: int) -> tuple[Tensor, Tensor]:
    """Solve H x = target on the supports, x zero off them, direct where they are small; and bool (N,): for which."""
    counts = (codes != 0).sum(dim=1)
    order = counts.argsort(descending=True)
    solved, converged = torch.zeros_like(target), torch.ones_like(counts, dtype=torch.bool)
    first = 0
    while first < len(order) and (width := int(counts[order[first]])):
        number = max(1, min(max(len(order) // 8, 256), max_bytes // (4 * width**2 * target.element_size())))
        rows = order[first : first + number]
        if width > _WIDEST_DIRECT:
            solved[rows], converged[rows] = _conjugate_gradients(target[rows], codes[rows], operator, ridge)
        else:
            support = codes[rows].abs().topk(width, dim=1).indices
            used = codes[rows].gather(1, support) != 0
            right = target[rows].gather(1, support) * used
            system = support_system(operator.gram, support, used, ridge)
            solved[rows] = solved[rows].scatter(1, support, torch.linalg.solve(system, right))
        first += number
    return solved, converged


def _conjugate_gradients(target: Tensor, codes: Tensor, operator: Operator, ridge: float) -> tuple[Tensor, Tensor]:
    """The same by steps alone, every signal with its own stop."""
    used = codes != 0
    across = tuple(range(1, target.ndim))
    tiny, tolerance = torch.finfo(target.dtype).tiny, torch.finfo(target.dtype).eps ** 0.75
    solved = torch.zeros_like(target)
    residual = torch.where(used, target, 0.0)
    direction = residual
    energy = residual.square().sum(dim=across, keepdim=True)
    goal = energy * tolerance**2
    for _ in range(1000):
        if (energy <= goal).all():
            break
        image = torch.where(used, operator.analyse(operator.synthesise(direction)), 0.0) + ridge * direction
        share = energy / (direction * image).sum(dim=across, keepdim=True).clamp_min(tiny)
        share = torch.where(energy > goal, share, 0.0)
        solved = solved + share * direction
        residual = residual - share * image
        before, energy = energy, residual.square().sum(dim=across, keepdim=True)
        direction = residual + energy / before.clamp_min(tiny) * direction
    return solved, (energy <= goal).flatten()
