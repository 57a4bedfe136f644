"""The locally competitive algorithm."""

import torch
from torch import Tensor

from sparsecode._choices import Gradient
from sparsecode._implicit import check_gradient, differentiate_implicitly
from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_tensors, warn_unless, whole_number
from sparsecode.coded import Coded
from sparsecode.fista import prepare, starting_codes
from sparsecode.full_precision import full_precision
from sparsecode.lca_dynamics import LCADynamics, Threshold
from sparsecode.operators import Convolution, Dense, Operator
from sparsecode.value_with_gradient_of import value_with_gradient_of

_MEND = "raise `n_steps` or `tolerance`, or `tau` where it does not come to rest at all"


@full_precision
@named_kinds
def lca(
    signals: Tensor,
    dictionary: Tensor,
    lmbda: float,
    *,
    threshold: Threshold = "soft",
    tau: float = 100.0,
    n_steps: int = 2000,
    tolerance: float = 1e-3,
    positive: bool = False,
    stride: int = 1,
    padding: int | tuple[int, int] | str = 0,
    start: Tensor | None = None,
    gradient: Gradient = "none",
    unrolled_steps: int = 100,
    max_bytes: int = 2**30,
) -> Coded:
    """Run tau u' = D^T y - u - (D^T D - I) a, a = threshold(u), for every signal y, to rest (Rozell et al. 2008).

    A soft threshold rests at the minimum of 1/2 ||y - D a||^2 + lmbda ||a||_1, for atoms of any norm; `fista` gets
    there much sooner, so the dynamics are for fidelity to work that ran them. A hard one rests at a local minimum of
    1/2 ||y - D a||^2 + lmbda^2 / 2 ||a||_0, for unit-norm atoms.

    Args:
        signals: (N, m) -> codes (N, K); (N, C, H, W) -> (N, K, h', w').
        dictionary: (m, K); (K, C, h, w), filters.
        lmbda: the threshold, positive.
        threshold: `soft` or `hard`.
        tau: time constant in steps of Euler's method. They are stable where it exceeds half the largest eigenvalue of
            D^T D; where they are not, no signal comes to rest.
        n_steps: most steps.
        tolerance: a signal rests where no |tau u'| exceeds `tolerance` times `lmbda`; 0 takes every step.
        positive: potentials below 0 give no code.
        stride: of filters, see `Convolution`.
        padding: of filters, see `Convolution`.
        start: potentials to start from, such as an earlier `state`; at rest, 0, if absent.
        gradient: how codes are differentiated, with respect to the signals and the dictionary.
        unrolled_steps: steps that `unrolled` repeats at the end; their gradient covers that many steps / tau time
            constants, and memory grows with them alone.
        max_bytes: working memory; the batch is split to stay below it.

    Returns:
        Codes, and the potentials u as their state.

    Raises:
        ValueError: signals, dictionary and start that do not fit, are not finite or of different dtypes; a number out
            of its range, or an unknown choice.
    """
    dynamics = LCADynamics(lmbda, threshold, tau, positive)
    operator = _operator_of(dictionary, signals, stride, padding)
    coded = _settled(dynamics, signals, operator, start, n_steps, tolerance, gradient, unrolled_steps, max_bytes)
    if tolerance:  # without one, every step is what was asked for
        warn_unless(coded.converged, "The LCA", _MEND)
    return coded


def _operator_of(
    dictionary: Tensor, signals: Tensor, stride: int = 1, padding: int | tuple[int, int] | str = 0
) -> Operator:
    """(m, K) -> `Dense`; filters (K, C, h, w) -> `Convolution` on signals of this size."""
    check_tensors(signals=signals, dictionary=dictionary)
    if dictionary.ndim == 4 and signals.ndim == 4:
        return Convolution(dictionary, (signals.shape[2], signals.shape[3]), stride, padding)
    if dictionary.ndim == 2 and signals.ndim == 2:
        return Dense(dictionary)
    raise ValueError(
        "`signals` and `dictionary` must be (N, m) and (m, K), or (N, C, H, W) and (K, C, h, w), found "
        f"{tuple(signals.shape)} and {tuple(dictionary.shape)}."
    )


def _settled(
    dynamics: LCADynamics,
    signals: Tensor,
    operator: Operator,
    start: Tensor | None,
    n_steps: int,
    tolerance: float,
    gradient: Gradient,
    unrolled_steps: int,
    max_bytes: int,
) -> Coded:
    """Run the dynamics to rest and differentiate the code as asked."""
    unrolled_steps = check_gradient(gradient, unrolled_steps)
    n_steps = whole_number(n_steps, "n_steps")
    if n_steps < 0 or not tolerance >= 0:
        raise ValueError(f"`n_steps` and `tolerance` must be at least 0, found {n_steps} and {tolerance}.")
    signals, operator, dtype = prepare(signals, operator)
    u = starting_codes(signals, operator, start)
    with torch.no_grad():
        u, converged = dynamics.settle(u, signals, operator, n_steps=n_steps, tolerance=tolerance, max_bytes=max_bytes)
    state = u
    codes = dynamics.code(u)
    if gradient == "implicit":
        codes = differentiate_implicitly(codes, signals, operator, max_bytes=max_bytes)
    elif gradient == "unrolled":
        for _ in range(unrolled_steps):
            u = dynamics.step(u, signals, operator)
        codes = value_with_gradient_of(dynamics.code(u), codes)
    return Coded(codes.to(dtype), converged, state)
