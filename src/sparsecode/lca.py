"""The locally competitive algorithm."""

import torch
from torch import Tensor

from sparsecode._choices import Gradient
from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_tensors, warn_unless, whole_number
from sparsecode.coded import Coded
from sparsecode.fista import prepare, starting_codes
from sparsecode.full_precision import full_precision
from sparsecode.implicit import check_gradient, differentiate_implicitly
from sparsecode.lca_dynamics import LCADynamics, Threshold
from sparsecode.operators import Convolution, Dense, Operator
from sparsecode.value_with_gradient_of import value_with_gradient_of

MEND = "raise `n_steps` or `tolerance`, or `tau` where it does not come to rest at all"


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
    operator = operator_of(dictionary, signals, stride, padding)
    coded = settled_code(
        dynamics, signals, operator, start, None, n_steps, tolerance, gradient, unrolled_steps, max_bytes
    )
    if tolerance:  # without one, every step is what was asked for
        warn_unless(coded.converged, "The LCA", MEND)
    return coded


def operator_of(
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


def settled_code(
    dynamics: LCADynamics,
    signals: Tensor,
    operator: Operator,
    start: Tensor | None,
    top_down: Tensor | None,
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
    if top_down is not None:
        if top_down.shape != u.shape:
            raise ValueError(f"`top_down` must have the codes' shape {tuple(u.shape)}, found {tuple(top_down.shape)}.")
        top_down = top_down.to(signals)
    with torch.no_grad():
        u, converged = dynamics.settle(
            u, signals, operator, top_down, n_steps=n_steps, tolerance=tolerance, max_bytes=max_bytes
        )
    state = u
    codes = dynamics.code(u)
    if gradient == "implicit":
        pull = None if top_down is None else dynamics.feedback * top_down
        ridge = 0.0 if top_down is None else dynamics.feedback
        codes = differentiate_implicitly(codes, signals, operator, ridge=ridge, pull=pull, max_bytes=max_bytes)
    elif gradient == "unrolled":
        for _ in range(unrolled_steps):
            u = dynamics.step(u, signals, operator, top_down)
        moved = dynamics.code(u)
        codes = value_with_gradient_of(moved, codes)
    return Coded(codes.to(dtype), converged, state)
