"""Convolutional dictionary learning from images that stay in memory."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2
from torch.nn import functional as F

from sparsecode._cbpdn_admm import RELAXATION
from sparsecode._circular import convolve
from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_filters_fit
from sparsecode.coded import Coded
from sparsecode.convolutional_dictionary import unit_filters, worst_patches
from sparsecode.dead_atoms import dead_atoms, replace_atoms, worst_signals
from sparsecode.full_precision import full_precision


class ConsensusConvolutionalDictionary:
    """Learns filters of unit norm: min over D, z of the sum over images y of 1/2 ||y - D z||^2 + lmbda ||z||_1.

    The learner of paper 002, by ADMM consensus (Sorel and Sroubek 2016; Garcia-Cardona and Wohlberg 2018). A step codes
    all images from where their codes were, then moves the filters: every image n has filters D_n of its own, as large
    as the image, which ADMM brings to agree with the common ones G,

        D_n <- argmin 1/2 ||z_n * D_n - y_n||^2 + sigma/2 ||D_n - G + U_n||^2,  one division a frequency;
        G   <- mean of D_n + U_n, cut to the filters' size, each of unit norm;    U_n <- U_n + D_n - G.

    Only the mean is common, so processes that add up theirs learn the filters that one process learns from all images.
    Nothing is drawn at random. For K filters and C channels an image takes K C times its pixels of memory: for images
    that do not fit, and in general for speed, `OnlineConvolutionalDictionary` is the choice.

    Filters that no image uses, or that nearly equal another, make room for the parts represented worst.

    Args:
        images: (N, C, H, W), this process's; N may differ between processes, not be 0.
        filters: (K, C, h, w) to start from, e.g. random patches; each is brought to unit norm.
        coder: codes images with filters from an earlier state, e.g. `partial(cbpdn, lmbda=0.2, tolerance=2e-2)`.
        iterations: of ADMM on the filters in a step.
        max_bytes: working memory beside what is kept for every image; more images are taken in parts.

    Attributes:
        filters: (K, C, h, w) of unit norm, at least float32.

    Raises:
        ValueError: images that are not (N, C, H, W) with N > 0, filters of another C or larger than they, a zero
            filter, or `iterations` below 1.
    """

    @named_kinds
    def __init__(
        self,
        images: Tensor,
        filters: Tensor,
        coder: Callable[..., Coded],
        *,
        iterations: int = 10,
        max_bytes: int = 2**30,
    ) -> None:
        self.filters = unit_filters(filters)
        if images.ndim != 4 or not len(images) or images.shape[1] != filters.shape[1]:
            raise ValueError(
                f"`images` must have shape (N, C, H, W) with N > 0 and the filters' C, found {tuple(images.shape)} "
                f"for filters {tuple(filters.shape)}."
            )
        check_filters_fit(images, filters)
        if iterations < 1:
            raise ValueError(f"`iterations` must be at least 1, found {iterations}.")
        self.images, self.coder, self.iterations = images.detach().to(self.filters), coder, iterations
        one = len(filters) * self.images[0].numel() * self.images.element_size()
        self._at_once = max(max_bytes // (8 * one), 1)
        self._state, self._sigma = None, self.filters.new_zeros(())
        # D_n + U_n of every image; U_n is what it has beyond G.
        self._own = self._padded(self.filters).expand(len(images), -1, -1, -1, -1).clone()

    def _padded(self, filters: Tensor) -> Tensor:
        height, width = self.images.shape[2:]
        return F.pad(filters, (0, width - filters.shape[3], 0, height - filters.shape[2]))

    @full_precision
    @torch.no_grad()
    def step(self, reduce: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> dict[str, float]:
        """Code all images, then move the filters.

        Args:
            reduce: sums a tensor over the processes; all of them must call `step` together.

        Returns:
            Means over the images before the move: `half_residual` 1/2 ||y - D z||^2, `l1` ||z||_1 and `nonzeros`; and
            `replaced`, the number of filters.
        """
        codes, _, self._state = self.coder(self.images, self.filters, start=self._state)
        residuals = self.images - convolve(codes, self.filters)
        usage = codes.square().sum(dim=(0, 2, 3))
        counts = [residuals.square().sum() / 2, codes.abs().sum(), (codes != 0).sum(), usage.new_tensor(len(codes))]
        sums = reduce(torch.cat([torch.stack([count.to(usage) for count in counts]), usage]))
        usage, number = sums[4:], sums[3]
        if self._sigma == 0:
            self._sigma = usage.sum() / number  # the mean over frequencies of |z|^2, which sigma competes with
        if self._sigma > 0:
            for _ in range(self.iterations):
                self._iterate(codes, number, reduce)
        replaced = self._replace(usage, residuals, reduce)
        half_residual, l1, nonzeros = (sums[:3] / number).tolist()
        return {"half_residual": half_residual, "l1": l1, "nonzeros": nonzeros, "replaced": replaced}

    def _iterate(self, codes: Tensor, number: Tensor, reduce: Callable[[Tensor], Tensor]) -> None:
        """One iteration of ADMM on the filters, after which sigma follows the ratio of its residuals."""
        common = self._padded(self.filters)
        size = (codes.shape[2], codes.shape[3])
        primal, scale = codes.new_zeros(()), codes.new_zeros(())
        total = torch.zeros_like(common)
        for i in range(0, len(codes), self._at_once):
            some = slice(i, i + self._at_once)
            dual = self._own[some] - common
            maps, own = rfft2(codes[some])[:, :, None], rfft2(common - dual)
            misfit = rfft2(self.images[some]) - (maps * own).sum(dim=1)
            own += maps.conj() * (misfit / (self._sigma + maps.abs().square().sum(dim=1)))[:, None]
            filters = irfft2(own, s=size)
            primal, scale = primal + (filters - common).square().sum(), scale + filters.square().sum()
            self._own[some] = RELAXATION * filters + (1 - RELAXATION) * common + dual
            total += self._own[some].sum(dim=0)
        sums = reduce(torch.cat([total.flatten(), torch.stack([primal, scale])]))
        mean = (sums[:-2] / number).view_as(common)[..., : self.filters.shape[2], : self.filters.shape[3]]
        norms = mean.flatten(1).norm(dim=1)[:, None, None, None]
        self.filters = torch.where(norms > 0, mean / norms.clamp_min(torch.finfo(norms.dtype).tiny), self.filters)
        self._balance(common, number, sums[-2], sums[-1], reduce)

    def _balance(
        self, before: Tensor, number: Tensor, primal: Tensor, scale: Tensor, reduce: Callable[[Tensor], Tensor]
    ) -> None:
        """Change sigma by the ratio of the relative residuals, at most by a fifth, and U_n against it."""
        common = self._padded(self.filters)
        dual = sum(((own - common).square().sum() for own in self._own), start=primal.new_zeros(()))
        dual = (common - before).square().sum() * number / reduce(dual).clamp_min(1e-30)
        ratio = (primal / scale.clamp_min(1e-30) / dual.clamp_min(1e-30)).sqrt().sqrt().clamp(1 / 1.2, 1.2)
        self._sigma = self._sigma * ratio
        for own in self._own:
            own.sub_(common).div_(ratio).add_(common)

    def _replace(self, usage: Tensor, residuals: Tensor, reduce: Callable[[Tensor], Tensor]) -> int:
        """Give dead filters the directions of the worst represented patches, on which all images then agree."""
        atoms = self.filters.flatten(1).T.clone()
        dead = dead_atoms(atoms, usage, signed=True)
        if not dead.any():
            return 0
        patches, errors = worst_patches(residuals, self.filters.shape)
        replaced = replace_atoms(atoms, dead, worst_signals(patches, errors, int(dead.sum()), reduce))
        self.filters = atoms.T.reshape(self.filters.shape).contiguous()
        self._own[:, replaced] = self._padded(self.filters)[replaced]
        return len(replaced)
