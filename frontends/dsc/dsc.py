"""Deep sparse coding (paper 003: Springer, Strauss, Thresher, Kim and Kenyon 2018)."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from sparsecode.full_precision import full_precision
from sparsecode.lca_dynamics import FeedbackOn
from sparsefront.common.rules import check_rules, one_of
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.dsc.codes import DSCCodes
from sparsefront.frontends.dsc.differentiable import Derivative, DifferentiableDSC
from sparsefront.frontends.dsc.image_scale import ImageScale, Normalise
from sparsefront.frontends.dsc.layer import DSCLayer
from sparsefront.frontends.dsc.learning import DSCLearning
from sparsefront.frontends.dsc.learning_settings import DSCLearningSettings
from sparsefront.frontends.dsc.network import DSCNetwork
from sparsefront.frontends.dsc.second_modality import SecondModality
from sparsefront.frontends.dsc.solver import DSCSolver

Output = Literal["reconstruction", "code"]

FACES = (DSCLayer(128, 8, 4, 1.0), DSCLayer(256, 4, 4, 0.3), DSCLayer(512, lmbda=0.1))
"""V1, VP1 and P1 for images of 64 by 64 pixels; the sizes are ours, see `DSC`."""
_SOLVER = DSCSolver()
_LEARNING = DSCLearningSettings()


class DSC(FrontEnd):
    """Rebuilds images from the fixed point of layers of competing neurons with feedback from above (paper 003).

    Each layer reconstructs the codes of the layer below it, the first one the image, and is pulled towards the
    reconstruction by the layer above (equations 4 to 6). `Hierarchy` has the dynamics. They descend

        E = sum_l w_l (1/2 ||s_l - D_l a_l||^2 + m_l lmbda_l ||a_l||_1),

    s_l the image or the code below, w_1 = 1, w_{l+1} = beta_l w_l, m_l = 1 + beta_l below the top layer and 1 there.
    T(x) = D_1 a_1, brought back to the image's mean and deviation and clamped to [0, 1].

    A second modality, such as a picture of the name, may have layers of its own below the same top layer. Either may be
    absent at test time: its layers, and its share of the top layer's atoms, are then left out of E. `forward` reads
    images alone.

    An image stops by itself where none of its codes would move by more than the solver's `tolerance` times its layer's
    threshold if its potential were in balance. One warning a call (`sparsecode.NotConverged`) says how many did not get
    there, `infer` and the log of learning say it too.

    Learning, without labels, all layers together, is `DSCLearning`. With a second modality batches must bring it as
    `second`, beside the images.

    What the paper leaves open, and where it is said here: sizes, strides and thresholds of the layers, in `layers`
    (ours); whether potentials or codes are pulled, `feedback_on` (equation 5 says potentials); the weight of that pull
    (`feedback` of a layer, 1 in equation 6); whether codes may be negative, `positive` (not in equation 2); the scale
    of images, `normalise`; and the `solver`'s `tau` and `max_steps`. The layer above reads the code a, as in `s` above;
    equation 5 would also allow the potential.

    Backward modes:

    * `implicit(tolerance, past_clamp, warm)` (the default): the derivative of the fixed point on its support, through
      all layers, by conjugate gradients. `tolerance` is that of the codes it is taken at.
    * `unrolled(steps, tolerance, past_clamp, warm)`: through the last `steps` steps of the solver.
    * `potential(tolerance, warm)`: as `implicit`, but a silent neuron of the code has the gradient of its potential,
      where `implicit` has none: which way it would begin to speak; only of codes.
    * `identity(warm)`: the gradient of handing the image on; only of reconstructions.

    `past_clamp` passes gradients through the clamp as if it were not there. `warm: true` starts each image from the
    codes of the image nearest to it in the call before; `forward`, which scores, starts cold. The paper's own estimate,
    by changes of single pixels, needs no mode: `attacks.ZOO` and `attacks.NES` only ask for answers.

    Args:
        image_shape: (C, H, W) of the images, which must have this size.
        layers: from the image up.
        second: a second modality, its shape and its own layers below the last of `layers`; absent: there is none.
        positive: only codes at or above 0, as equation 2 says.
        feedback_on: `potential`, as in equation 5, or `code`: what is pulled towards the layer above.
        normalise: `deviation`: less its mean and by its standard deviation before it is coded; `mean`; or `none`.
        output: what `forward` returns, the `reconstruction` or the top layer's `code`.
        solver: how codes are brought to rest, see `DSCSolver`.
        learning: how dictionaries are learned, see `DSCLearningSettings`.

    Attributes:
        network: the layers and their dictionaries.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "implicit"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        layers: Sequence[DSCLayer] = FACES,
        second: SecondModality | None = None,
        positive: bool = True,
        feedback_on: FeedbackOn = "potential",
        normalise: Normalise = "deviation",
        output: Output = "reconstruction",
        solver: DSCSolver = _SOLVER,
        learning: DSCLearningSettings = _LEARNING,
    ) -> None:
        super().__init__(image_shape)
        rules = [*one_of(get_args(FeedbackOn), feedback_on=feedback_on), *one_of(get_args(Output), output=output)]
        check_rules(rules)
        self.network = DSCNetwork(
            self.image_shape, layers, second, positive, feedback_on, ImageScale(normalise), solver
        )
        self.output = output
        self.learning = learning
        self.n_learning_steps = learning.n_iterations
        self.learned.fill_(False)

    @property
    def out_channels(self) -> int:
        """Channels of images, or atoms of the top layer."""
        return self.image_shape[0] if self.returns_images else self.network.plans[-1].layer.n_atoms

    @property
    def returns_images(self) -> bool:
        """Whether the output is the reconstruction."""
        return self.output == "reconstruction"

    @torch.no_grad()
    def infer(self, images: Tensor | None = None, second: Tensor | None = None) -> DSCCodes:
        """The codes of (B, C, H, W) images in [0, 1], of the second modality, or of both together."""
        self.check_learned()
        hierarchy, codes, converged = self.network.solve(images, second)
        by_layer = hierarchy.split(codes)
        below_top = self.network.n_image_layers if images is not None else 0
        return DSCCodes([*by_layer[:below_top], by_layer[-1]], by_layer[below_top:-1], converged)

    @torch.no_grad()
    def encode(self, images: Tensor | None = None, second: Tensor | None = None) -> Tensor:
        """The top layer's code, flat (B, K): what a read-out sees."""
        return self.infer(images, second).layers[-1].flatten(1)

    @torch.no_grad()
    @full_precision
    def energy(self, images: Tensor | None = None, second: Tensor | None = None) -> Tensor:
        """E of the codes of each image, (B,): the sum over groups of layers that feedback joins."""
        self.check_learned()
        hierarchy, codes, _ = self.network.solve(images, second)
        return hierarchy.energy(codes, hierarchy.given(self.network.signals(images, second))).sum(dim=1)

    @torch.no_grad()
    @full_precision
    def reconstruct(self, images: Tensor) -> Tensor:
        """D_1 a_1 of (B, C, H, W) images, brought back to their means and deviations, in [0, 1]."""
        self.check_learned()
        hierarchy, codes, _ = self.network.solve(images)
        return self.network.rebuild(hierarchy, hierarchy.split(codes)[0], images).clamp(0, 1).to(images.dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Rebuild (B, C, H, W) images in [0, 1], or code them; differentiable as in `implicit`, at these codes."""
        return self._differentiable(Derivative())(images)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`implicit`, `unrolled`, of reconstructions `identity`, and of codes `potential`."""
        modes: dict[str, Callable[..., ImageMap]] = {"implicit": self._implicit, "unrolled": self._unrolled}
        return modes | ({"identity": self._identity} if self.returns_images else {"potential": self._potential})

    def _implicit(self, tolerance: float = 1e-3, past_clamp: bool = True, warm: bool = False) -> ImageMap:
        return self._differentiable(Derivative(None, tolerance, past_clamp), warm)

    def _unrolled(
        self, steps: int = 30, tolerance: float = 1e-3, past_clamp: bool = True, warm: bool = False
    ) -> ImageMap:
        return self._differentiable(Derivative(steps, tolerance, past_clamp), warm)

    def _potential(self, tolerance: float = 1e-3, warm: bool = False) -> ImageMap:
        return self._differentiable(Derivative(None, tolerance, silent=True), warm)

    def _identity(self, warm: bool = False) -> ImageMap:
        return self._differentiable(None, warm)

    def _differentiable(self, derivative: Derivative | None, warm: bool = False) -> ImageMap:
        image_map = DifferentiableDSC(self.network, self.returns_images, derivative, warm)

        def learned_map(images: Tensor) -> Tensor:
            self.check_learned()
            return image_map(images)

        return learned_map

    def atoms(self) -> Tensor:
        """The first layer's dictionary as pictures (K, C, n, n), or (K, C, H, W) where it is fully connected."""
        dictionary = self.network.dictionary(0).detach()
        shape = self.image_shape if dictionary.ndim == 2 else dictionary.shape[1:]
        return dictionary.view(-1, *shape)

    def learn_from_batch(self, batch: Any) -> dict[str, float]:
        """Learn from a batch's images and, where there is a second modality, from what it calls `second`."""
        second = getattr(batch, "second", None)
        if self.network.second_shape is None:
            return self.learn_from(batch[0])
        if second is None:
            raise ValueError(
                "`second` wants batches that bring the second modality as `second`, found none; choose data that has "
                "two, or leave `second` out."
            )
        return self.learn_from(batch[0], second)

    @full_precision
    def learn_from(self, images: Tensor, second: Tensor | None = None) -> dict[str, float]:
        """Move the atoms of all layers along their residuals on a batch (B, C, H, W)."""
        if self._learner is None:
            self._learner = DSCLearning(self.network, self.learning, self.processes)
        return self._learner.step(self.network.signals(images, second))
