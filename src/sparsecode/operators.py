"""Dictionaries as linear operators: what first-order solvers know of a dictionary."""

from functools import cached_property
from numbers import Integral
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_finite

# tr(M^p)^(1/p) with p = 2^6 exceeds the largest eigenvalue of a d x d matrix by d^(1/64) at most: 8 % at d = 192.
_SQUARINGS = 6


class Operator(Protocol):
    """A linear map from codes to signals.

    Attributes:
        atoms: the tensor that the map is made of.
        signal_shape: of one signal.
        code_shape: of one code.
    """

    @property
    def atoms(self) -> Tensor:
        """The tensor that the map is made of."""

    @property
    def signal_shape(self) -> tuple[int, ...]:
        """Shape of one signal."""

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code."""

    def synthesise(self, codes: Tensor) -> Tensor:
        """Codes (N, *code_shape) -> signals (N, *signal_shape)."""

    def analyse(self, signals: Tensor) -> Tensor:
        """Signals (N, *signal_shape) -> codes (N, *code_shape), the adjoint of `synthesise`."""

    def lipschitz(self) -> float:
        """An upper bound of the largest eigenvalue of synthesis then analysis, close to it."""

    def to(self, dtype: torch.dtype) -> Self:
        """The same operator in another precision, on the same autograd graph."""

    def detached(self) -> Self:
        """The same operator, a constant to autograd."""


class Dense:
    """Codes (N, K) -> signals (N, m) by s -> D s.

    Args:
        dictionary: (m, K), columns of any norm.

    Raises:
        ValueError: a dictionary that is not (m, K), is empty or is not finite.
    """

    def __init__(self, dictionary: Tensor) -> None:
        if dictionary.ndim != 2 or not dictionary.numel():
            raise ValueError(f"`dictionary` must have shape (m, K), m and K above 0, found {tuple(dictionary.shape)}.")
        check_finite(dictionary=dictionary)
        self.dictionary = dictionary

    @property
    def atoms(self) -> Tensor:
        """The dictionary D (m, K), its atoms as columns."""
        return self.dictionary

    @property
    def signal_shape(self) -> tuple[int, ...]:
        """Shape (m,) of one signal."""
        return (self.dictionary.shape[0],)

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape (K,) of one code."""
        return (self.dictionary.shape[1],)

    def synthesise(self, codes: Tensor) -> Tensor:
        """Codes (N, K) -> signals (N, m)."""
        return codes @ self.dictionary.T

    def analyse(self, signals: Tensor) -> Tensor:
        """Signals (N, m) -> codes (N, K)."""
        return signals @ self.dictionary

    @cached_property
    def gram(self) -> Tensor:
        """D^T D, (K, K), a constant to autograd."""
        atoms = self.dictionary.detach()
        return atoms.T @ atoms

    def lipschitz(self) -> float:
        """Upper bound of the largest eigenvalue of D^T D."""
        atoms = self.dictionary.detach()
        return _largest_eigenvalue(atoms @ atoms.T if len(atoms) <= atoms.shape[1] else self.gram)

    def to(self, dtype: torch.dtype) -> "Dense":
        """The same dictionary in another precision."""
        return self if dtype == self.dictionary.dtype else Dense(self.dictionary.to(dtype))

    def detached(self) -> "Dense":
        """The same dictionary, a constant to autograd."""
        return Dense(self.dictionary.detach())


class Convolution:
    """Codes (N, K, h', w') -> signals (N, C, H, W): one filter placed on every code's position, summed, cropped.

    As a layer, `analyse` is `conv2d(signals, filters, stride, padding)`: h' = floor((H + 2 p - h) / stride) + 1, and
    positions outside the signal are zero. `synthesise` is its exact adjoint.

    Args:
        filters: (K, C, h, w) of any norm.
        size: (H, W) of the signals.
        stride: pixels between neighbouring positions.
        padding: pixels p that positions may reach beyond each border, less than a filter; `same`: half a filter of odd
            size, so that a code has ceil(H / stride) rows.

    Raises:
        ValueError: filters that are not (K, C, h, w), are empty, not finite or larger than the padded signal; a stride
            below 1; a padding that is negative, as large as a filter, or `same` with filters of even size.
    """

    @named_kinds
    def __init__(
        self, filters: Tensor, size: tuple[int, int], stride: int = 1, padding: int | tuple[int, int] | str = 0
    ) -> None:
        if filters.ndim != 4 or not filters.numel():
            raise ValueError(f"`filters` must have shape (K, C, h, w), all above 0, found {tuple(filters.shape)}.")
        check_finite(filters=filters)
        if stride < 1:
            raise ValueError(f"`stride` must be at least 1, found {stride}.")
        taps = (filters.shape[2], filters.shape[3])
        self.filters, self.size, self.stride, self.padding = filters, size, stride, _padding(padding, taps)
        if any(n + 2 * p < t for n, p, t in zip(size, self.padding, taps, strict=True)):
            raise ValueError(f"`filters` must not exceed the padded signal {size} by {self.padding}, found {taps}.")
        self._positions = tuple((n + 2 * p - t) // stride + 1 for n, p, t in zip(size, self.padding, taps, strict=True))
        # Synthesis with a stride is `stride`^2 plain convolutions, one for every phase of a pixel's row and column.
        # With few channels that is 2 to 3 times faster on a CPU than a transposed convolution.
        fronts = [-p % stride for p in self.padding]
        backs = [-(t + front) % stride for t, front in zip(taps, fronts, strict=True)]
        padded = F.pad(filters, (fronts[1], backs[1], fronts[0], backs[0]))
        self._phases = F.pixel_unshuffle(padded, stride)  # (K, C stride^2, rows, columns)
        self._lead = tuple((p + front) // stride for p, front in zip(self.padding, fronts, strict=True))
        self._synthesis = self._phases.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        self._analysis = filters.contiguous(memory_format=torch.channels_last)

    @property
    def atoms(self) -> Tensor:
        """The filters (K, C, h, w)."""
        return self.filters

    @property
    def signal_shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) of one signal, an image."""
        return (self.filters.shape[1], *self.size)

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape (K, h', w') of one code, maps of K atoms."""
        return (self.filters.shape[0], *self._positions)

    def synthesise(self, codes: Tensor) -> Tensor:
        """Codes (N, K, h', w') -> signals (N, C, H, W)."""
        margins = []
        for n, positions, lead, taps in zip(
            reversed(self.size), reversed(self._positions), reversed(self._lead), (-1, -2), strict=True
        ):
            before = self._phases.shape[taps] - 1 - lead
            blocks = -(-n // self.stride)
            margins += [before, blocks - (positions - lead)]
        signals = F.pixel_shuffle(F.conv2d(F.pad(codes, margins), self._synthesis), self.stride)
        return signals[..., : self.size[0], : self.size[1]]

    def analyse(self, signals: Tensor) -> Tensor:
        """Signals (N, C, H, W) -> codes (N, K, h', w')."""
        return F.conv2d(signals, self._analysis, stride=self.stride, padding=self.padding)

    def lipschitz(self) -> float:
        """Upper bound of the largest eigenvalue of synthesis then analysis.

        On a torus so large that no filter wraps round, synthesis then becomes block-diagonal by the Fourier transform,
        with one block of C stride^2 rows a frequency. The signals here are a part of that torus, so their operator is a
        part of its operator, and no larger.
        """
        phases = self._phases.detach().transpose(0, 1)  # (C stride^2, K, rows, columns)
        rows, columns = phases.shape[2:]
        correlation = F.conv2d(phases, phases, padding=(rows - 1, columns - 1))  # of every two phases, at every shift
        torus = [max(p, t) + t - 1 for p, t in zip(self._positions, (rows, columns), strict=True)]
        precision = torch.promote_types(correlation.dtype, torch.float32)
        spectrum = torch.fft.rfft2(correlation.to(precision), s=torus)
        # The zero shift lies at (rows - 1, columns - 1): moved to the origin, each block is Hermitian.
        turns = torch.fft.fftfreq(torus[0], device=spectrum.device)[:, None] * (rows - 1)
        turns = turns + torch.fft.rfftfreq(torus[1], device=spectrum.device) * (columns - 1)
        blocks = (spectrum * torch.exp(2j * torch.pi * turns.to(precision))).flatten(2).permute(2, 0, 1)
        return _largest_eigenvalue(blocks)

    def to(self, dtype: torch.dtype) -> "Convolution":
        """The same filters in another precision."""
        if dtype == self.filters.dtype:
            return self
        return Convolution(self.filters.to(dtype), self.size, self.stride, self.padding)

    def detached(self) -> "Convolution":
        """The same filters, a constant to autograd."""
        return Convolution(self.filters.detach(), self.size, self.stride, self.padding)


def _padding(padding: int | tuple[int, int] | str, taps: tuple[int, int]) -> tuple[int, int]:
    if padding == "same":
        if taps[0] % 2 == 0 or taps[1] % 2 == 0:
            raise ValueError(f"`padding` same needs filters of odd size, found {taps}; give the padding in pixels.")
        return taps[0] // 2, taps[1] // 2
    both: Any = (padding, padding) if isinstance(padding, Integral) else padding
    if isinstance(both, str) or len(both) != 2 or not all(0 <= p < t for p, t in zip(both, taps, strict=True)):
        raise ValueError(f"`padding` must be `same` or from 0 to less than a filter's {taps} pixels, found {padding}.")
    return int(both[0]), int(both[1])


def _largest_eigenvalue(matrices: Tensor) -> float:
    """Upper bound of the largest eigenvalue of Hermitian matrices (..., d, d) without negative ones.

    Power iteration on the whole matrix: it is squared, and the p-th root of the trace of its p-th power is never below
    its largest eigenvalue. A vector's Rayleigh quotient would never be above it.
    """
    tiny = torch.finfo(matrices.dtype).tiny
    logarithm = matrices.new_zeros(matrices.shape[:-2]).real
    power = matrices
    for squaring in range(_SQUARINGS + 1):
        trace = power.diagonal(dim1=-2, dim2=-1).sum(dim=-1).real.clamp_min(tiny)
        logarithm = logarithm + trace.log() / 2**squaring
        power = power / trace[..., None, None]
        if squaring < _SQUARINGS:
            power = power @ power
    return float(logarithm.exp().max()) * (1 + 1e-4)  # for rounding
