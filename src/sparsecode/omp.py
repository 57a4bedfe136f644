"""Matching pursuit that refits every chosen coefficient."""

from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode._blank_codes import blank_codes
from sparsecode._choices import Backend, default_backend
from sparsecode._implicit import differentiate_implicitly
from sparsecode._named_kinds import check_number
from sparsecode.checks import check_positive, check_signals, whole_number
from sparsecode.coded import Coded
from sparsecode.full_precision import full_precision
from sparsecode.operators import Dense

Rule = Literal["omp", "ormp"]


@full_precision
def omp(
    signals: Tensor,
    dictionary: Tensor,
    n_nonzero_coefs: int | None = None,
    *,
    residual_tolerance: float | None = None,
    rule: Rule = "omp",
    gradient: Literal["none", "implicit"] = "none",
    backend: Backend | None = None,
    max_bytes: int = 2**30,
) -> Coded:
    """Choose atoms one by one and fit the signal by least squares on those chosen.

    The two rules choose differently and are both called OMP by somebody:

    - `omp`: the atom most correlated with the residual (Pati et al. 1993; scikit-learn; paper 004's OMP).
    - `ormp`: order-recursive, also called OLS: the atom whose addition lowers the residual most, that is, squared
      correlation over the squared norm of the atom's part outside the span of those chosen. It is what paper 000's
      Algorithm 1 prints and what SPAMS' `omp` computes.

    A signal stops at `n_nonzero_coefs` atoms, at `residual_tolerance`, or when all that is left of it lies outside the
    atoms' span (to rounding), whichever comes first.

    `ormp` leaves atoms out that nearly lie in the span of those chosen, all but sqrt(eps) of their squared norm (3e-4
    in single precision): it divides by what is left of them, and errors with it.

    Args:
        signals: (N, m).
        dictionary: (m, K) with unit-norm columns.
        n_nonzero_coefs: most atoms in one code, from 1 to K; min(m, K) if only `residual_tolerance` is given.
        residual_tolerance: ||y - D s||_2 at which a signal is done, in the signals' unit. Computed in double precision:
            the residual's norm is what steps leave of the signal's, and single precision would lose a small one.
        rule: `omp` or `ormp`.
        gradient: `implicit` differentiates the least-squares fit with the support held, which is the exact derivative
            wherever the choice of atoms does not change; `none` returns constants.
        backend: see `Backend`.
        max_bytes: bound on working memory beside the codes; a batch is split to keep it.

    Returns:
        Codes (N, K). With a `residual_tolerance`, `converged` says which signals reached it (there is no warning: that
        the atoms ran out is an answer); without, all True. No state: nothing is gained from an earlier code.

    Raises:
        ValueError: shapes that do not fit, NaN, atoms that are not of unit norm, or settings out of range.
    """
    check_signals(signals, dictionary)
    check_number(residual_tolerance, "residual_tolerance", float, optional=True)
    check_number(max_bytes, "max_bytes", int)
    check_positive(max_bytes=max_bytes)
    atoms = _most_atoms(n_nonzero_coefs, residual_tolerance, dictionary)
    if rule not in ("omp", "ormp"):
        raise ValueError(f"`rule` must be omp or ormp, found {rule!r}.")
    if gradient not in ("none", "implicit"):
        raise ValueError(
            f"`gradient` must be none or implicit, found {gradient!r}; unrolling the least-squares fits is implicit."
        )
    pursue = _pursue_native if default_backend(backend, signals.device.type) == "native" else _pursue_torch
    dtype = signals.dtype
    working = torch.promote_types(dtype, torch.float32 if residual_tolerance is None else torch.float64)
    signals, dictionary = signals.to(working), dictionary.to(working)
    with torch.no_grad():
        codes, energies = pursue(signals.detach(), dictionary.detach(), atoms, residual_tolerance, rule, max_bytes)
    tolerance = torch.inf if residual_tolerance is None else residual_tolerance
    if gradient == "implicit":
        codes = differentiate_implicitly(codes, signals, Dense(dictionary), max_bytes=max_bytes)
    return Coded(codes.to(dtype), energies.sqrt() <= tolerance)


def _most_atoms(n_nonzero_coefs: int | None, residual_tolerance: float | None, dictionary: Tensor) -> int:
    if n_nonzero_coefs is None and residual_tolerance is None:
        raise ValueError("`n_nonzero_coefs` or `residual_tolerance` must be given, found neither.")
    if residual_tolerance is not None and not residual_tolerance >= 0:
        raise ValueError(f"`residual_tolerance` must be at least 0, found {residual_tolerance}.")
    if n_nonzero_coefs is None:
        return min(dictionary.shape)
    rule = f"`n_nonzero_coefs` must be an integer from 1 to the {dictionary.shape[1]} atoms"
    try:
        number = whole_number(n_nonzero_coefs, "n_nonzero_coefs", 1)
    except ValueError:
        number = dictionary.shape[1] + 1
    if number > dictionary.shape[1]:
        raise ValueError(f"{rule}, found {n_nonzero_coefs!r}.")
    most: int = min(number, *dictionary.shape)  # more than m atoms cannot be independent
    return most


def _least_part(rule: Rule, dtype: torch.dtype) -> float:
    """Squared norm up to which the part of a unit atom outside the span of those chosen counts as rounding.

    `omp` comes upon such an atom only when nothing is left elsewhere. `ormp` seeks it out, for it divides by that norm.
    """
    epsilon = torch.finfo(dtype).eps
    return 10 * epsilon if rule == "omp" else epsilon**0.5


def _pursue_native(
    signals: Tensor, dictionary: Tensor, atoms: int, tolerance: float | None, rule: Rule, max_bytes: int
) -> tuple[Tensor, Tensor]:
    """Codes and squared residual norms by the compiled kernel."""
    from sparsecode._native.omp import pursue
    from sparsecode._native.parallel import correlated, over_signals

    dictionary = dictionary.contiguous()
    gram = (dictionary.T @ dictionary).numpy()
    codes, energies = blank_codes(signals, len(signals), dictionary.shape[1]), signals.new_empty(len(signals))
    limit, least = -1.0 if tolerance is None else tolerance**2, gram.dtype.type(_least_part(rule, dictionary.dtype))
    for run, correlations in correlated(signals, dictionary, max_bytes):
        energies[run] = signals[run].square().sum(dim=1)
        found, energy, out = correlations.numpy(), energies[run].numpy(), codes[run].numpy()
        over_signals(partial(pursue, gram, found, energy, atoms, limit, rule == "ormp", least, out), len(out))
    return codes, energies


def _pursue_torch(
    signals: Tensor, dictionary: Tensor, atoms: int, tolerance: float | None, rule: Rule, max_bytes: int
) -> tuple[Tensor, Tensor]:
    """Codes and squared residual norms by torch operations on runs of signals."""
    gram = dictionary.T @ dictionary
    each = signals.element_size() * (6 * dictionary.shape[1] + 4 * atoms * atoms)
    length = max(max_bytes // each, 1)
    if signals.device.type == "cpu":
        length = max(min(length, 1024, 2**19 // dictionary.shape[1]), 1)  # correlations that stay in cache
    codes, energies = blank_codes(signals, len(signals), dictionary.shape[1]), signals.new_zeros(len(signals))
    for start in range(0, len(signals), length):
        run = slice(start, start + length)
        energies[run] = _pursue_run(signals[run], dictionary, gram, atoms, tolerance, rule, codes[run])
    return codes, energies


def _pursue_run(
    signals: Tensor,
    dictionary: Tensor,
    gram: Tensor,
    atoms: int,
    tolerance: float | None,
    rule: Rule,
    codes: Tensor,
) -> Tensor:
    """Fill in one run's codes; its squared residual norms.

    The orthonormal q_t = D w_t of the chosen atoms are kept as their weights w_t alone.
    """
    number = len(signals)
    correlations, energy = signals @ dictionary, signals.square().sum(dim=1)
    scores = torch.empty_like(correlations)  # one for all steps: memory for codes is dear to touch first
    squares, least = gram.diagonal(), _least_part(rule, signals.dtype)
    # Squares of the parts outside the span of those chosen, infinite for atoms that are not to be chosen.
    left = squares.repeat(number, 1) if rule == "ormp" else None
    support = torch.zeros(number, atoms, dtype=torch.long, device=signals.device)
    weights, steps = signals.new_zeros(number, atoms, atoms), signals.new_zeros(number, atoms)
    epsilon = torch.finfo(signals.dtype).eps
    all_of_it, floor = energy, (epsilon * epsilon * energy).clamp_min(0.0 if tolerance is None else tolerance**2)
    rows = torch.arange(number, device=signals.device)
    for t in range(atoms):
        if left is None:
            torch.abs(correlations, out=scores)
        else:
            torch.square(correlations, out=scores).div_(left)
        pick = _largest(scores)
        coupling = gram[support[:, :t], pick[:, None]]
        inside = (weights[:, :t, :t] @ coupling[:, :, None])[:, :, 0]  # <q_s, d_pick>
        rest = squares[pick] - inside.square().sum(dim=1) if left is None else left[rows, pick]
        correlation = correlations[rows, pick]
        noise = epsilon * all_of_it * (epsilon if left is None else rest)
        going = (energy > floor) & (rest > least) & rest.isfinite() & (correlation.square() > noise)
        if not going.any():
            break
        scale = torch.where(going, rest.clamp_min(least).rsqrt(), 0.0)
        weights[:, t, :t] = -scale[:, None] * (inside[:, None, :] @ weights[:, :t, :t])[:, 0]
        weights[:, t, t] = scale
        support[:, t], steps[:, t] = pick, correlation * scale
        energy = energy - steps[:, t].square()
        if t + 1 < atoms:
            # D^T q_t, a weighted sum of Gram rows without the (N, t, K) in between
            row = F.embedding_bag(support[:, : t + 1], gram, per_sample_weights=weights[:, t, : t + 1], mode="sum")
            correlations.addcmul_(row, steps[:, t : t + 1], value=-1)
            if left is not None:
                left.addcmul_(row, row, value=-1)
                left[rows, pick] = 0  # never chosen twice
                left.masked_fill_(left <= least, torch.inf)
    codes.scatter_add_(1, support, (steps[:, None, :] @ weights)[:, 0])
    return energy.clamp_min(0)


def _largest(scores: Tensor, lanes: int = 32) -> Tensor:
    """Where the largest score of each row is; torch finds largest values fast, but their places slowly."""
    if scores.shape[1] % lanes:
        return scores.max(dim=1).indices
    stacked = scores.unflatten(1, (-1, lanes))
    lane = stacked.amax(dim=1).max(dim=1).indices
    column = stacked[torch.arange(len(scores), device=scores.device), :, lane]
    indices: Tensor = column.max(dim=1).indices * lanes + lane
    return indices
