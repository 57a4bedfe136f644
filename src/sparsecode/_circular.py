"""Convolution of codes with filters on images that go on at the opposite border."""

from collections.abc import Sequence

from torch import Tensor, addcmul, cat, channels_last, einsum, stack
from torch import complex as complex_of
from torch.fft import irfft2, rfft2
from torch.nn.functional import conv2d, pad


def convolve(codes: Tensor, filters: Tensor) -> Tensor:
    """The images that codes stand for, circular at the borders.

    y_c[p] = sum_k sum_q d_{k,c}[q] z_k[p - q], p - q taken modulo the image's size. This is D z; its adjoint is
    `correlate`. Differentiable in both.

    Args:
        codes: (N, K, H, W).
        filters: (K, C, h, w), no larger than H by W.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: shapes that do not fit.
    """
    _check(codes, "codes", filters, len(filters))
    spectra = rfft2(filters, s=tuple(codes.shape[-2:]))
    return _from_spectra(mix(_to_spectra(codes), spectra.transpose(0, 1)), codes.shape[-2:])


def correlate(images: Tensor, filters: Tensor) -> Tensor:
    """How much of every filter is at every pixel, circular at the borders.

    g_k[p] = sum_c sum_q d_{k,c}[q] y_c[p + q], p + q taken modulo the image's size. This is D^T y, the adjoint of
    `convolve`. Differentiable in both.

    Args:
        images: (N, C, H, W).
        filters: (K, C, h, w), no larger than H by W.

    Returns:
        (N, K, H, W).

    Raises:
        ValueError: shapes that do not fit.
    """
    _check(images, "images", filters, filters.shape[1])
    spectra = rfft2(filters, s=tuple(images.shape[-2:]))
    return _from_spectra(mix(_to_spectra(images), spectra.conj()), images.shape[-2:])


def _to_spectra(maps: Tensor) -> Tensor:
    """`rfft2`, of no maps as well, which MKL refuses under torch 2.8."""
    if len(maps):
        spectra: Tensor = rfft2(maps)
        return spectra
    nothing = maps.sum()  # with a gradient of 0
    return complex_of(nothing, nothing).expand(*maps.shape[:-1], maps.shape[-1] // 2 + 1)


def _from_spectra(spectra: Tensor, size: Sequence[int]) -> Tensor:
    """`irfft2` to maps of this size (H, W), of no maps as well."""
    if len(spectra):
        maps: Tensor = irfft2(spectra, s=tuple(size))
        return maps
    return spectra.real.sum().expand(*spectra.shape[:-2], *size)


def _check(maps: Tensor, name: str, filters: Tensor, count: int) -> None:
    fits = maps.ndim == filters.ndim == 4 and maps.shape[1] == count
    if not fits or maps.shape[2] < filters.shape[2] or maps.shape[3] < filters.shape[3]:
        raise ValueError(
            f"`{name}` must be (N, {count}, H, W), no smaller than the `filters`, for filters (K, C, h, w) of shape "
            f"{tuple(filters.shape)}, found {tuple(maps.shape)}."
        )


def correlate_pairs(codes: Tensor, images: Tensor, size: tuple[int, int]) -> Tensor:
    """Inner products of codes with shifted images, summed over both: the derivative of <y, D z> by the filters.

    g_{k,c}[q] = sum_n sum_p z_{n,k}[p] y_{n,c}[p + q], circular at the borders.

    Args:
        codes: (N, K, H, W).
        images: (N, C, H, W).
        size: h, w of the filters.

    Returns:
        (K, C, h, w).
    """
    spectra = einsum("nkij,ncij->kcij", _to_spectra(codes).conj(), _to_spectra(images))
    gradient: Tensor = irfft2(spectra, s=tuple(images.shape[-2:]))[..., : size[0], : size[1]]
    return gradient


def filter_gram(filters: Tensor) -> Tensor:
    """(K, 2h-1, 2w-1, K): in [k, d + (h-1, w-1), l], the inner product of filter k at p and filter l at p + d.

    Half of it is computed; the other half is the same products seen from the other filter.
    """
    tall, wide = filters.shape[2] - 1, filters.shape[3] - 1
    padded = pad(filters, (wide, wide, 0, tall)).contiguous(memory_format=channels_last)  # which is faster
    below = conv2d(padded, filters.contiguous(memory_format=channels_last)).permute(0, 2, 3, 1)
    above = below[:, 1:].flip(1, 2).transpose(0, 3)
    return cat([above, below], dim=1).contiguous()


def mix(maps: Tensor, weights: Tensor) -> Tensor:
    """At every frequency, out_o = sum_i weights[o, i] maps[i]: (N, I, ...) and (O, I, ...) -> (N, O, ...).

    Sums run over the longer side at once and over the shorter one by one: of C channels and K filters C is small, and
    products of whole maps are several times faster than one small matrix a frequency.
    """
    outs, ins = weights.shape[:2]
    if outs <= ins:
        return stack([(maps * row).sum(dim=1) for row in weights], dim=1)
    mixed = maps[:, :1] * weights[:, 0]
    for i in range(1, ins):
        mixed = addcmul(mixed, maps[:, i : i + 1], weights[:, i])
    return mixed
