"""LASSO by an active set, compiled."""

import math

import numba
import numpy as np

from sparsecode._native.largest_magnitude import LANES, largest_magnitude

_SHARE = 0.85  # of the largest excess over lambda: the atoms above it join together with the largest
_APART = 0.85  # cosine with the largest up to which they do: of parallel atoms all but one would soon leave again
_IDLE_ROUNDS = 3  # in which no atom joined: what is left is rounding


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def solve(gram, correlations, energies, starts, lmbda, tolerance, max_steps, positive, codes, gaps, first, last):
    """Solve the signals first..last.

    Feature-sign search (Lee et al. 2006): on the active set, the nonzeros with their signs, the optimality conditions
    are linear and are solved exactly, by a Cholesky factor that grows with the set. A coefficient that would change
    its sign stops the move and leaves. When none does, one sweep over all atoms finds those that break the conditions
    most, and these join.

    Args:
        gram: (K, K), D^T D.
        correlations: (N, K), D^T y.
        energies: (N,), ||y||^2.
        starts: (N, K) codes to start from; (0, K) starts from zero.
        lmbda: weight of the l1 norm.
        tolerance: duality gap over objective at which a signal is done.
        max_steps: most moves of one signal.
        positive: whether codes are at least 0.
        codes: (N, K) zeros; filled.
        gaps: (N,) filled with the duality gap over the objective of the final code.
        first: of the signals.
        last: of the signals, excluded.
    """
    n_atoms = gram.shape[0]
    dtype = gram.dtype
    factor = np.empty(n_atoms * (n_atoms + 1) // 2, dtype)  # rows end to end: at whole strides they share cache sets
    active, inside = np.empty(n_atoms, np.int64), np.zeros(n_atoms, np.bool_)
    signs, values, moves = np.empty(n_atoms, dtype), np.empty(n_atoms, dtype), np.empty(n_atoms, dtype)
    slack, scores, lanes = np.empty(n_atoms, dtype), np.empty(n_atoms, dtype), np.empty(LANES, dtype)
    for n in range(first, last):
        corr, code = correlations[n], codes[n]
        count = _nonzeros(starts[n], positive, active, values) if len(starts) else 0
        for t in range(count):
            signs[t], inside[active[t]] = 1 if values[t] > 0 else -1, True
        factored, steps, idle = 0, 0, 0
        settled = count == 0
        while True:
            while not settled and steps < max_steps:
                independent = _factorise(gram, active, factored, count, factor)
                for s in range(independent, count):
                    inside[active[s]] = False
                count = independent
                stopped = _move(corr, factor, active, signs, values, count, lmbda, moves)
                factored = count
                steps += 1
                settled = stopped < 0
                if not settled:
                    inside[active[stopped]] = False
                    count -= 1
                    for t in range(stopped, count):
                        active[t], signs[t], values[t] = active[t + 1], signs[t + 1], values[t + 1]
                    factored = stopped
            _slack(gram, corr, active, values, count, slack)
            for j in range(n_atoms):
                scores[j] = max(slack[j], dtype.type(0)) if positive else abs(slack[j])
            best = largest_magnitude(scores, lanes)
            most = scores[best]
            gaps[n] = _gap(energies[n], corr, slack, active, values, count, most, lmbda)
            if gaps[n] <= tolerance or steps >= max_steps or idle == _IDLE_ROUNDS:
                break
            idle += 1
            settled = False
            bound = lmbda + _SHARE * (most - lmbda)
            for j in range(n_atoms):
                broken = scores[j] >= bound and scores[j] > lmbda and not inside[j]
                if broken and (j == best or abs(gram[best, j]) < _APART):
                    active[count], inside[j], values[count] = j, True, 0
                    signs[count] = 1 if slack[j] > 0 else -1
                    count += 1
                    idle = 0
        for t in range(count):
            code[active[t]] = values[t]
            inside[active[t]] = False


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _nonzeros(start, positive, active, values):
    """Find a code's nonzeros (those above 0), without a branch that could be guessed wrong."""
    count = 0
    for j in range(len(start)):
        active[count], values[count] = j, start[j]
        count += (start[j] > 0) | ((start[j] < 0) & (not positive))
    return count


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _row(factor, t):
    """Row t of a lower triangle stored row after row."""
    first = t * (t + 1) // 2
    return factor[first : first + t + 1]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _factorise(gram, active, start, count, factor):
    """Cholesky factor of the Gram matrix of the active atoms, from row `start` on.

    An atom in the span of those before it, to rounding, gets a small pivot all the same: its long move then drives
    another atom out. But it must come last, because a second small pivot would amplify the rounding of the first.

    Returns:
        How many of the atoms stay: up to the first that depends on those before it.
    """
    least = 10 * np.finfo(gram.dtype).eps
    for t in range(start, count):
        atom, row = gram[active[t]], _row(factor, t)
        rest = atom[active[t]]
        for s in range(t):
            other = _row(factor, s)
            inner = atom[active[s]]
            for u in range(s):
                inner -= row[u] * other[u]
            inner *= other[s]
            row[s] = inner
            rest -= inner * inner
        row[t] = 1 / math.sqrt(max(rest, least))  # the diagonal is kept inverted
        if rest < least:
            return t + 1
    return count


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _move(corr, factor, active, signs, values, count, lmbda, moves):
    """Move towards the solution on the active set, as far as the first coefficient that would change its sign.

    Returns:
        Where in the set that coefficient stands, now 0; -1 if the solution is reached.
    """
    for t in range(count):
        row = _row(factor, t)
        move = corr[active[t]] - lmbda * signs[t]
        for s in range(t):
            move -= row[s] * moves[s]
        moves[t] = move * row[t]
    for t in range(count - 1, -1, -1):
        row = _row(factor, t)
        move = moves[t] * row[t]
        moves[t] = move
        for s in range(t):
            moves[s] -= row[s] * move
    share, stopped = corr.dtype.type(1), -1
    for t in range(count):
        if moves[t] * signs[t] < 0:
            reach = values[t] / (values[t] - moves[t])
            if stopped < 0 or reach < share:
                share, stopped = reach, t
    for t in range(count):
        values[t] += share * (moves[t] - values[t])
    if stopped >= 0:
        values[stopped] = 0
    return stopped


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _slack(gram, corr, active, values, count, slack):
    """Slack = D^T (y - D s); four of the active atoms a sweep."""
    n_atoms = len(slack)
    for j in range(n_atoms):
        slack[j] = corr[j]
    t = 0
    while t + 4 <= count:
        a, b, c, d = values[t], values[t + 1], values[t + 2], values[t + 3]
        x, y, z, w = gram[active[t]], gram[active[t + 1]], gram[active[t + 2]], gram[active[t + 3]]
        for j in range(n_atoms):
            slack[j] -= a * x[j] + b * y[j] + c * z[j] + d * w[j]
        t += 4
    while t < count:
        a, x = values[t], gram[active[t]]
        for j in range(n_atoms):
            slack[j] -= a * x[j]
        t += 1


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _gap(energy, corr, slack, active, values, count, most, lmbda):
    """Duality gap over the objective, with the residual brought into the dual ball by a = min(1, lambda / slack)."""
    against, kept, l1, apart = slack.dtype.type(0), slack.dtype.type(0), slack.dtype.type(0), slack.dtype.type(0)
    scale = lmbda / most if most > lmbda else slack.dtype.type(1)
    for t in range(count):
        against += values[t] * corr[active[t]]
        kept += values[t] * slack[active[t]]
        l1 += abs(values[t])
        apart += lmbda * abs(values[t]) - scale * values[t] * slack[active[t]]
    residual = max(energy - against - kept, slack.dtype.type(0))  # ||r||^2 = <y, r> - <D s, r>
    primal = residual / 2 + lmbda * l1
    if primal <= 0:
        return slack.dtype.type(0)
    return ((1 - scale) * (1 - scale) * residual / 2 + apart) / primal
