"""LASSO for dictionaries of unit-norm atoms."""

from functools import partial

import torch
from torch import Tensor

from sparsecode._blank_codes import blank_codes
from sparsecode._choices import Backend, Gradient, default_backend
from sparsecode._implicit import check_gradient
from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_positive, check_signals, warn_unless, whole_number
from sparsecode.coded import Coded
from sparsecode.fista import checked_start, fista
from sparsecode.full_precision import full_precision
from sparsecode.operators import Dense


@full_precision
@named_kinds
def lasso(
    signals: Tensor,
    dictionary: Tensor,
    lmbda: float,
    *,
    tolerance: float = 1e-3,
    max_steps: int = 10_000,
    start: Tensor | None = None,
    positive: bool = False,
    gradient: Gradient = "none",
    unrolled_steps: int = 10,
    backend: Backend | None = None,
    max_bytes: int = 2**30,
) -> Coded:
    """Minimise 1/2 ||y - D s||^2 + lmbda ||s||_1 for every signal y, unit-norm atoms.

    The compiled backend is feature-sign search (Lee et al. 2006), an active-set method: on codes with few nonzeros it
    is tens of times faster on a CPU than first-order steps. The torch backend is `fista`. A signal stops when its
    duality gap is at most `tolerance` times its objective, whatever the others do.

    Args:
        signals: (N, m).
        dictionary: (m, K) with unit-norm columns.
        lmbda: weight of the l1 norm, positive.
        tolerance: relative duality gap at which a signal is done.
        max_steps: most moves (compiled) or steps (torch) of one signal.
        start: (N, K) codes to start from, such as an earlier `state`; zero if absent. Worth its while where signals
            have moved a little, as between the steps of an attack.
        positive: only codes at or above 0.
        gradient: how codes are differentiated, with respect to signals and dictionary: see `Gradient`.
        unrolled_steps: proximal gradient steps that `unrolled` repeats at the solution.
        backend: see `Backend`.
        max_bytes: bound on working memory beside the codes; a batch is split to keep it.

    Returns:
        Codes (N, K), which signals reached the tolerance, and the codes without a graph as the state.

    Raises:
        ValueError: shapes that do not fit, NaN, atoms that are not of unit norm, settings out of range.
    """
    check_signals(signals, dictionary)
    check_positive(lmbda=lmbda, tolerance=tolerance, max_bytes=max_bytes)
    max_steps = whole_number(max_steps, "max_steps", 0)
    unrolled_steps = check_gradient(gradient, unrolled_steps)
    by_steps = partial(
        fista, signals, Dense(dictionary), lmbda, tolerance=tolerance, max_steps=max_steps, positive=positive,
        gradient=gradient, unrolled_steps=unrolled_steps, max_bytes=max_bytes,
    )  # fmt: skip
    if default_backend(backend, signals.device.type) == "torch":
        return by_steps(start=start)
    working = torch.promote_types(signals.dtype, torch.float32)
    with torch.no_grad():
        given, atoms = signals.detach().to(working), dictionary.detach().to(working)
        begin = given.new_zeros(0, atoms.shape[1]) if start is None else checked_start(given, Dense(atoms), start)
        codes, converged = _solve_native(given, atoms, lmbda, tolerance, max_steps, positive, begin, max_bytes)
    if gradient != "none":  # at the solution, FISTA takes no step: only its gradient is wanted
        return by_steps(start=codes)
    warn_unless(converged, "The LASSO", "raise `max_steps` or `tolerance`")
    return Coded(codes.to(signals.dtype), converged, codes)


def _solve_native(
    signals: Tensor,
    dictionary: Tensor,
    lmbda: float,
    tolerance: float,
    max_steps: int,
    positive: bool,
    starts: Tensor,
    max_bytes: int,
) -> tuple[Tensor, Tensor]:
    """Codes, and which signals converged; `starts` (0, K) is a cold start."""
    from sparsecode._native.lasso import solve
    from sparsecode._native.parallel import correlated, over_signals

    dictionary = dictionary.contiguous()
    gram = (dictionary.T @ dictionary).numpy()
    codes, starts = blank_codes(signals, len(signals), len(gram)), starts.contiguous()
    energies, gaps = signals.new_empty(len(signals)), signals.new_empty(len(signals))
    weight, bound = gram.dtype.type(lmbda), gram.dtype.type(tolerance)
    for run, correlations in correlated(signals, dictionary, max_bytes):
        energies[run] = signals[run].square().sum(dim=1)
        arrays = correlations.numpy(), energies[run].numpy(), starts[run].numpy()
        out, gap = codes[run].numpy(), gaps[run].numpy()
        over_signals(partial(solve, gram, *arrays, weight, bound, max_steps, positive, out, gap), len(out))
    return codes, gaps <= tolerance
