"""The top-T patch quantiser (paper 001, "Sparse coding front end for robust neural networks")."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from sparsecode import (
    OnlineDictionary,
    extract_patches,
    largest_magnitudes,
    lasso,
    overcomplete_dct,
    sample_patches,
    value_with_gradient_of,
)
from sparsefront.common.changes.sign_codes import SignCodes
from sparsefront.common.changes.step import Step
from sparsefront.common.changes.steps_of import steps_of
from sparsefront.common.random import generator_of
from sparsefront.common.rules import at_least, between, check_rules, fitting, positive
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.parts.decoded_nonzeros import decoded_nonzeros, decodes_nonzeros
from sparsefront.frontends.parts.decoders import Decoder, build_decoder
from sparsefront.frontends.parts.first_atoms import first_atoms
from sparsefront.frontends.parts.patch_learner import PatchLearner
from sparsefront.frontends.settings.top_t_learning import TopTLearning
from sparsefront.frontends.settings.top_t_quantizer import TopTQuantizer

Slope = Callable[[Tensor, Tensor], Tensor]

_LEARNING, _QUANTIZER = TopTLearning(), TopTQuantizer()


class TopT(FrontEnd):
    """Patch projections, the T largest kept, quantised to their signs, decoded by a small network (paper 001, sec. 3).

    For a patch p of the image and unit-norm atoms d_l, l = 1..L: x(l) = <d_l, p>; of x only the T entries of largest
    |x(l)| survive; a survivor becomes sign(x(l)) ||d_l||_1 if |x(l)| >= beta eps ||d_l||_1, else 0 (equation 3). An
    Linf perturbation of size eps moves x(l) by at most eps ||d_l||_1, so with beta > 1 it cannot turn a sign. The
    decoder (section 3.3) is trained together with the classifier; the dictionary is learned before, without labels
    (equation 2: min over D, a of 1/2 ||p - D a||^2 + lmbda ||a||_1, online: Mairal et al. 2009, but that earlier
    batches are forgotten, by (1 - 1/t)^2 before batch t, and that atoms that nothing uses make room for patches).

    Defaults are the paper's for CIFAR-10 (appendix A.3). The paper's code learns from batches of 5 patches; measured,
    that ends worse than random patches, so each iteration here sees `learning.patches_per_iteration` of them.

    Backward modes (sections 4, A.2, A.4, A.5), with f the derivative used for the activation:

    * `smooth(steepness, top_u)`: f(x) = s/2 [sech^2(s(x/||d||_1 - beta eps)) + sech^2(s(x/||d||_1 + beta eps))], x the
      surviving projection; the paper's strongest, with its s = 4 and U = 2T, is the default.
    * `identity(top_u)`: f = 1.
    * `exact`: the true derivative, which is 0 almost everywhere unless there is no `quantizer`. An attack through it is
      blind: use it to show masking, not robustness.

    The gradient passes through the U >= T largest projections (`top_u`, default 2T; U = `n_atoms` passes all).

    Args:
        image_shape: (C, H, W) of the images.
        n_atoms: L, number of atoms.
        patch_size: side n of the square patches, in pixels.
        stride: step S between patches, in pixels.
        top_t: T, projections kept a patch; None keeps all (ablation "no top-T").
        quantizer: the threshold of equation 3, see `TopTQuantizer`; null keeps the surviving projections as they are
            (ablation "no activation").
        decoder: `transposed` (the paper's), `small`, `deep`, `resize` or `identity` (the classifier reads the codes).
        dictionary: `learned` without labels (the paper's), `trainable`: learned and then trained on with the
            classifier through the smooth stand-in, or `dct`: overcomplete cosines, nothing to learn.
        learning: how the dictionary is learned, see `TopTLearning`; does not count with `dictionary: dct`.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    _learner: PatchLearner | None = None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_atoms: int = 500,
        patch_size: int = 4,
        stride: int = 2,
        top_t: int | None = 15,
        quantizer: TopTQuantizer | None = _QUANTIZER,
        decoder: Decoder = "transposed",
        dictionary: Literal["learned", "trainable", "dct"] = "learned",
        learning: TopTLearning = _LEARNING,
    ) -> None:
        super().__init__(image_shape)
        self.n_atoms, self.patch_size, self.stride = n_atoms, patch_size, stride
        self.top_t = n_atoms if top_t is None else top_t
        self.quantizer = quantizer
        self.default_backward = "identity" if quantizer is None else "smooth"  # without it nothing needs smoothing
        self.dictionary_kind, self.learning, self.n_learning_steps = dictionary, learning, learning.n_iterations
        self._check_settings()
        channels = self.image_shape[0]
        if dictionary == "dct":
            atoms = overcomplete_dct(n_atoms, channels, patch_size)
        else:
            atoms = torch.zeros(channels * patch_size**2, n_atoms)
            self.learned.fill_(False)
        if dictionary == "trainable":
            self.dictionary = torch.nn.Parameter(atoms)
        else:
            self.register_buffer("dictionary", atoms)
        self.decoder = build_decoder(decoder, n_atoms, self.image_shape, patch_size, stride)
        self.decodes = decoder != "identity"

    def _check_settings(self) -> None:
        keep_all = "lower it, raise `n_atoms`, or write null to keep all"
        rules = [
            *at_least(1, n_atoms=self.n_atoms, stride=self.stride),
            *fitting(self.image_shape, patch_size=self.patch_size),
            *between(1, ("n_atoms", self.n_atoms), keep_all, top_t=self.top_t),
        ]
        check_rules(rules)

    @property
    def out_channels(self) -> int:
        """The image's channels, or L when the codes themselves are handed on."""
        return self.image_shape[0] if self.decodes else self.n_atoms

    @property
    def returns_images(self) -> bool:
        """Whether a decoder restores the image."""
        return self.decodes

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to decoded images of the same shape, or to codes (B, L, h, w)."""
        if self.training and self.dictionary_kind == "trainable" and self.quantizer is not None:
            return self._smooth(self.quantizer)(images)
        return self._exact()(images)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`exact`, `identity(top_u)` and, with the quantiser on, `smooth(steepness, top_u)`."""
        modes = {**super().backward_modes(), "identity": self._identity}  # of codes, too
        return modes if self.quantizer is None else {**modes, "smooth": partial(self._smooth, self.quantizer)}

    def _exact(self) -> ImageMap:
        constant = torch.ones_like if self.quantizer is None else torch.zeros_like
        return self._with_slope(lambda survivors, _norms: constant(survivors), self.top_t)

    def _identity(self, top_u: int | None = None) -> ImageMap:
        return self._with_slope(lambda survivors, _norms: torch.ones_like(survivors), self._checked_top_u(top_u))

    def _smooth(self, quantizer: TopTQuantizer, steepness: float = 4.0, top_u: int | None = None) -> ImageMap:
        check_rules(positive("the paper's is 4", steepness=steepness))
        return self._with_slope(partial(quantizer.smooth_slope, steepness=steepness), self._checked_top_u(top_u))

    def _checked_top_u(self, top_u: int | None) -> int:
        top_u = min(2 * self.top_t, self.n_atoms) if top_u is None else top_u
        bounds = ("top_t", self.top_t), ("n_atoms", self.n_atoms)
        check_rules(between(*bounds, "the paper's strongest is 2 * `top_t`", top_u=top_u))
        return top_u

    def _with_slope(self, slope: Slope, top_u: int) -> ImageMap:
        """The front end with d code / d projection = slope(survivors, l1 norms) at the `top_u` largest, 0 elsewhere."""

        def run(images: Tensor) -> Tensor:
            projections = self.project(images)
            if not projections.requires_grad:
                return self._decode(*self._coded(projections), images)
            index = self._largest(projections, top_u)
            passing, norms = projections.gather(-1, index), self._l1_norms()[index]
            with torch.no_grad():
                survivors = passing * (torch.arange(top_u, device=index.device) < self.top_t)
                codes, slopes = self._activate(survivors, norms), slope(survivors, norms)
            return self._decode(index, value_with_gradient_of(slopes * passing, codes), images)

        return run

    def project(self, images: Tensor) -> Tensor:
        """Projections x (B, P, L) of the P = h * w patches of (B, C, H, W) images onto the L atoms."""
        self.check_learned()
        self.check_kind(images, self.patch_size)
        return extract_patches(images, self.patch_size, self.stride) @ self.dictionary

    def _l1_norms(self) -> Tensor:
        return self.dictionary.detach().abs().sum(dim=0)

    def _largest(self, projections: Tensor, count: int) -> Tensor:
        """Indices (B, P, `count`) of the projections of largest magnitude of each patch, in descending order."""
        if count == self.top_t == self.n_atoms:
            return torch.arange(count, device=projections.device).expand_as(projections)  # their order is of no meaning
        return largest_magnitudes(projections, count)

    def _coded(self, projections: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (B, P, T) of the atoms that survive, and their codes (B, P, T)."""
        index = self._largest(projections, self.top_t)
        return index, self._activate(projections.gather(-1, index), self._l1_norms()[index])

    def _activate(self, survivors: Tensor, norms: Tensor) -> Tensor:
        return survivors if self.quantizer is None else self.quantizer(survivors, norms)

    def codes(self, images: Tensor) -> Tensor:
        """Quantised codes (B, P, L) of (B, C, H, W) images: equation 3."""
        return self._spread_out(*self._coded(self.project(images)))

    def _spread_out(self, index: Tensor, codes: Tensor) -> Tensor:
        """Codes (B, P, L) of those at some atoms (B, P, T)."""
        return codes.new_zeros(*codes.shape[:-1], self.n_atoms).scatter(-1, index, codes)

    def _decode(self, index: Tensor, codes: Tensor, images: Tensor) -> Tensor:
        """Decode codes (B, P, T) at some atoms (B, P, T)."""
        rows = (images.shape[-2] - self.patch_size) // self.stride + 1
        if decodes_nonzeros(self.decoder, codes):
            return decoded_nonzeros(self.decoder, index.unflatten(1, (rows, -1)), codes.unflatten(1, (rows, -1)))
        # (B, P, L) is already the channels-last layout that convolutions are fastest in.
        spread = self._spread_out(index, codes).unflatten(1, (rows, -1)).permute(0, 3, 1, 2)
        decoded: Tensor = self.decoder(spread)
        return decoded

    def change_steps(self) -> list[Step] | None:
        """Codes patch by patch, then the decoder layer by layer; None of a decoder that resizes or continues maps."""
        steps, rest = steps_of([self.decoder])
        sides = [(side - self.patch_size) // self.stride + 1 for side in self.image_shape[1:]]
        for layer in self.decoder.modules():
            if isinstance(layer, torch.nn.ConvTranspose2d):
                sides = [(side - 1) * layer.stride[0] + layer.kernel_size[0] for side in sides]
        smaller = any(side < full for side, full in zip(sides, self.image_shape[1:], strict=True))
        if rest or (self.decodes and smaller):
            return None
        limits = None if self.quantizer is None else self.quantizer.threshold * self._l1_norms()
        codes = SignCodes(self.codes, self.dictionary, self.patch_size, self.stride, self.top_t, limits)
        return [codes, *steps]

    def atoms(self) -> Tensor:
        """The dictionary as pictures (L, C, n, n)."""
        channels = self.image_shape[0]
        return self.dictionary.detach().T.reshape(self.n_atoms, channels, self.patch_size, self.patch_size)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """One iteration of the dictionary learner on random patches of (B, C, H, W) images."""
        if self._learner is None:
            self._learner = self._start_learner(images)
        n_patches = self.processes.share(self.learning.patches_per_iteration)
        patches = sample_patches(
            images, self.patch_size, self.stride, n_patches, self.learning_draws(self.learning.seed)
        )
        metrics = self._learner.step(patches)
        self.dictionary.copy_(self._learner.dictionary)
        return {"objective": metrics["half_residual"] + self.learning.lmbda * metrics["l1"], **metrics}

    def _start_learner(self, images: Tensor) -> PatchLearner:
        """Start from patches of the first batch."""
        patches = sample_patches(
            images, self.patch_size, self.stride, self.n_atoms, generator_of(self.learning.seed, -1)
        )
        atoms = first_atoms(patches, self.n_atoms, self.processes, lacking="empty")
        coder = partial(lasso, lmbda=self.learning.lmbda, tolerance=1e-2)
        return PatchLearner(OnlineDictionary(atoms.T, coder), self.processes)
