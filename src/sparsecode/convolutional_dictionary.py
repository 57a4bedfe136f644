"""Convolutional dictionary learning from a stream of images."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode._circular import convolve, correlate_pairs
from sparsecode._named_kinds import named_kinds
from sparsecode._unit_norm import unit_norm
from sparsecode.checks import whole_number
from sparsecode.coded import Coded
from sparsecode.dead_atoms import dead_atoms, replace_atoms, worst_signals
from sparsecode.full_precision import full_precision

_GATHERED = 2**27  # bytes of codes around nonzeros that are looked at together


class OnlineConvolutionalDictionary:
    """Learns filters from a stream: min over D of the mean over y of min over z of 1/2 ||y - D z||^2 + lmbda ||z||_1.

    As Mairal et al. (2009) for patches, and for convolution Liu, Garcia-Cardona and Wohlberg (2018): code a batch, add
    its statistics to those of the batches before, step to the filters of unit norm that are best for all of them.
    The statistics are kept for shifts rather than frequencies (Degraux et al. 2017), so that they do not depend on the
    images' size, which may change from batch to batch: A_kl[d] = sum_p z_k[p] z_l[p + d] and B_k[q] = sum_p z_k[p]
    y[p + q]. Old images are forgotten: before batch t, both are multiplied by (1 - 1/t)^rho.

    They are sums over images, so several processes that add theirs up learn the filters that one process learns from
    all images. Nothing is drawn at random: the same start and stream give the same filters.

    Filters that none of the last `dead_after` images used, or that nearly equal another, make room for the parts of
    the last batch that are represented worst.

    Args:
        filters: (K, C, h, w) to start from, e.g. random patches; each is brought to unit norm.
        coder: codes images (N, C, H, W) with filters, e.g. `partial(cbpdn, lmbda=0.2, tolerance=2e-2)`.
        rho: how fast old images are forgotten; 0 never.
        dead_after: images between two looks for dead filters; infinity never looks.

    Attributes:
        filters: (K, C, h, w) of unit norm, at least float32.

    Raises:
        ValueError: filters that are not (K, C, h, w), a zero filter, `rho` below 0 or `dead_after` below 1.
    """

    @named_kinds
    def __init__(
        self,
        filters: Tensor,
        coder: Callable[[Tensor, Tensor], Coded],
        *,
        rho: float = 2.0,
        dead_after: float = 256,
    ) -> None:
        self.filters = unit_filters(filters)
        if not rho >= 0:
            raise ValueError(f"`rho` must be at least 0, found {rho}.")
        if not dead_after >= 1:
            raise ValueError(f"`dead_after` must be at least 1 image, found {dead_after}; infinity never looks.")
        self.coder, self.rho, self.dead_after = coder, rho, dead_after
        self.batches = 0
        number, _, tall, wide = self.filters.shape
        self._a = self.filters.new_zeros(number, number, 2 * tall - 1, 2 * wide - 1)
        self._b = torch.zeros_like(self.filters)
        self._start_window()

    @full_precision
    @torch.no_grad()
    def step(self, images: Tensor, reduce: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> dict[str, float]:
        """Learn from one batch of images.

        Args:
            images: (N, C, H, W), this process's share of the batch; N may differ between processes and be 0.
            reduce: sums a tensor over the processes; all of them must call `step` together.

        Returns:
            Means over the batch before the update: `half_residual` 1/2 ||y - D z||^2, `l1` ||z||_1 and `nonzeros`; and
            `replaced`, the number of filters.
        """
        images = images.detach().to(self.filters)
        a, b, counts, residuals = self._statistics(images)
        sums = reduce(torch.cat([a.flatten(), b.flatten(), counts]))
        a, b, counts = sums.split([a.numel(), b.numel(), len(counts)])
        a, b = a.view_as(self._a), b.view_as(self._b)
        self.batches += 1
        kept = (1 - 1 / self.batches) ** self.rho
        self._a, self._b = kept * self._a + a, kept * self._b + b
        self.filters = update_filters(self.filters, self._a, self._b)
        self._usage += a[:, :, 0, 0].diagonal()
        self._seen += counts[3]
        replaced = self._replace(residuals, reduce) if self._seen >= self.dead_after else 0
        half_residual, l1, nonzeros, number = counts.tolist()
        number = max(number, 1)
        means = {"half_residual": half_residual / number, "l1": l1 / number, "nonzeros": nonzeros / number}
        return {**means, "replaced": replaced}

    def _start_window(self) -> None:
        """Forget what was seen since the last look for dead filters."""
        self._usage, self._seen = self.filters.new_zeros(len(self.filters)), self.filters.new_zeros(())

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A, B, sums of half residuals, l1 norms, nonzeros and images, and the residuals, of this process."""
        if not len(images):
            return torch.zeros_like(self._a), torch.zeros_like(self._b), self._b.new_zeros(4), images
        codes = self.coder(images, self.filters)[0].to(images)
        size = (self.filters.shape[2], self.filters.shape[3])
        residuals = images - convolve(codes, self.filters)
        counts = [residuals.square().sum() / 2, codes.abs().sum(), (codes != 0).sum(), codes.new_tensor(len(codes))]
        a, b = shifted_products(codes, size), correlate_pairs(codes, images, size)
        return a, b, torch.stack([count.to(images) for count in counts]), residuals

    def _replace(self, residuals: Tensor, reduce: Callable[[Tensor], Tensor]) -> int:
        """Give dead filters the directions of the worst represented patches; their past is forgotten."""
        atoms = self.filters.flatten(1).T.clone()
        dead = dead_atoms(atoms, self._usage, signed=True)
        self._start_window()
        if not dead.any():
            return 0
        patches, errors = worst_patches(residuals, self.filters.shape)
        replaced = replace_atoms(atoms, dead, worst_signals(patches, errors, int(dead.sum()), reduce))
        self.filters = atoms.T.reshape(self.filters.shape).contiguous()
        self._a[replaced], self._a[:, replaced], self._b[replaced] = 0, 0, 0
        return len(replaced)


def unit_filters(filters: Tensor) -> Tensor:
    """Filters (K, C, h, w) brought to unit norm, in float32 at least.

    Raises:
        ValueError: not four dimensions, not finite, or a zero filter.
    """
    if filters.ndim != 4:
        raise ValueError(f"`filters` must have shape (K, C, h, w), found {tuple(filters.shape)}.")
    return unit_norm(filters.flatten(1).T).T.reshape(filters.shape).contiguous()


def shifted_products(codes: Tensor, size: tuple[int, int]) -> Tensor:
    """Products of codes with shifted codes, A_kl[d] = sum_n sum_p z_k[p] z_l[p + d], circular at the borders.

    Only the surroundings of nonzeros are looked at, of which codes have few.

    Args:
        codes: (N, K, H, W).
        size: h, w of the filters, no larger than the images.

    Returns:
        (K, K, 2h - 1, 2w - 1); d is taken modulo 2h - 1 and 2w - 1, so that shift 0 comes first.
    """
    if codes.device.type != "cpu":
        return surroundings_products(codes, size)
    from sparsecode._native.shifted_products import add_shifted_products

    products = codes.new_zeros(codes.shape[1], codes.shape[1], 2 * size[0] - 1, 2 * size[1] - 1)
    add_shifted_products(codes.contiguous().numpy(), products.numpy())
    return products


def surroundings_products(codes: Tensor, size: tuple[int, int]) -> Tensor:
    """Compute `shifted_products` in torch operations, on any device."""
    tall, wide = size[0] - 1, size[1] - 1
    products = codes.new_zeros(codes.shape[1], codes.shape[1], 2 * tall + 1, 2 * wide + 1)
    # Circular even where an image is smaller than the shifts.
    rows = torch.arange(-tall, codes.shape[2] + tall, device=codes.device) % codes.shape[2]
    columns = torch.arange(-wide, codes.shape[3] + wide, device=codes.device) % codes.shape[3]
    around = codes.permute(0, 2, 3, 1)[:, rows][:, :, columns].unfold(1, 2 * tall + 1, 1).unfold(2, 2 * wide + 1, 1)
    at_once = max(_GATHERED // (products[0].numel() * codes.element_size()), 1)
    for image, k, row, column in (part.unbind(dim=1) for part in codes.nonzero().split(at_once)):
        products.index_add_(0, k, around[image, row, column] * codes[image, k, row, column][:, None, None, None])
    return products.roll((-tall, -wide), dims=(2, 3))


def update_filters(filters: Tensor, a: Tensor, b: Tensor, steps: int = 50) -> Tensor:
    """Go towards the minimiser of 1/2 <D, A D> - <B, D> over filters of at most unit norm, then bring them to it.

    Accelerated projected gradient with restart (Beck and Teboulle 2009, O'Donoghue and Candes 2015). Each filter has
    its own step: at every frequency A is below the diagonal matrix of its rows' absolute sums.

    Args:
        filters: (K, C, h, w) of unit norm.
        a: (K, K, 2h - 1, 2w - 1) as from `shifted_products`.
        b: (K, C, h, w), sum of codes times shifted images.
        steps: of the gradient.

    Returns:
        (K, C, h, w) of unit norm; filters that nothing was coded with stay.
    """
    tall, wide = filters.shape[2:]
    spectra = torch.fft.rfft2(a)
    curvature = spectra.abs().sum(dim=1).amax(dim=(1, 2))
    sizes = torch.where(curvature > 0, 1 / curvature, 0.0)[:, None, None, None]
    spectra = spectra.permute(2, 3, 0, 1).contiguous()

    def gradient(filters: Tensor) -> Tensor:
        # (A D)_k[q] = sum_l sum_r A_kl[q - r] d_l[r]; q - r takes 2h - 1 values, so that nothing wraps.
        frequencies = torch.fft.rfft2(filters, s=(a.shape[2], a.shape[3])).permute(2, 3, 0, 1)
        product = torch.fft.irfft2((spectra @ frequencies).permute(2, 3, 0, 1), s=(a.shape[2], a.shape[3]))
        residual: Tensor = product[..., :tall, :wide] - b
        return residual

    current = ahead = filters
    momentum = 1.0
    for _ in range(whole_number(steps, "steps", 0)):
        moved = ahead - sizes * gradient(ahead)
        moved = moved / _norms(moved).clamp_min(1)
        if ((ahead - moved) / sizes.clamp_min(1e-30) * (moved - current)).sum() > 0:  # momentum leads uphill
            momentum = 1.0
        after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = moved + (momentum - 1) / after * (moved - current)
        current, momentum = moved, after
    norms = _norms(current)
    return torch.where(norms > 0, current / norms.clamp_min(torch.finfo(norms.dtype).tiny), filters)


def worst_patches(images: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """The patch of the largest energy of each image, (N, C h w), and that energy, (N,).

    Args:
        images: (N, C, H, W).
        shape: K, C, h, w of the filters.
    """
    tall, wide = shape[2:]
    if not len(images):
        return images.new_zeros(0, shape[1] * tall * wide), images.new_zeros(0)
    energies = F.avg_pool2d(images.square().sum(dim=1, keepdim=True), (tall, wide), 1).mul_(tall * wide)
    places = energies.flatten(1).max(dim=1)
    patches = images.unfold(2, tall, 1).unfold(3, wide, 1)
    row, column = places.indices // energies.shape[3], places.indices % energies.shape[3]
    return patches[torch.arange(len(images), device=images.device), :, row, column].flatten(1), places.values


def _norms(filters: Tensor) -> Tensor:
    norms: Tensor = filters.flatten(1).norm(dim=1)[:, None, None, None]
    return norms
