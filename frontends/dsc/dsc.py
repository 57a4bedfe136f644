"""Deep sparse coding (paper 003: Springer, Strauss, Thresher, Kim and Kenyon 2018)."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from sparsecode.checks import check_finite
from sparsecode.full_precision import full_precision
from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.lca_dynamics import FeedbackOn
from sparsefront.common.rules import at_least, check_rules, one_of, positive, settings_of
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.dsc.differentiable import Derivative, DifferentiableDSC
from sparsefront.frontends.dsc.image_scale import ImageScale, Normalise
from sparsefront.frontends.dsc.layer import DSCLayer
from sparsefront.frontends.dsc.learning import DSCLearning
from sparsefront.frontends.dsc.placement import place_layers
from sparsefront.frontends.dsc.solver import DSCSolver, Solver

Output = Literal["reconstruction", "code"]

FACES = (DSCLayer(128, 8, 4, 1.0), DSCLayer(256, 4, 4, 0.3), DSCLayer(512, lmbda=0.1))
"""V1, VP1 and P1 for images of 64 by 64 pixels; the sizes are ours, see `DSC`."""


class DSCCodes(NamedTuple):
    """What deep sparse coding makes of a batch.

    Attributes:
        layers: codes (B, *shape) of each of `layers`, the shared top last; of absent images the top alone.
        second_layers: codes of each of `second_layers`; none where that modality is absent.
        converged: (B,) bool, whose codes came to rest.
    """

    layers: list[Tensor]
    second_layers: list[Tensor]
    converged: Tensor


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

    Solvers: `proximal` minimises E by accelerated proximal steps; `euler` runs the published dynamics, which end at the
    same codes much later. An image stops by itself where none of its codes would move by more than `tolerance` times
    its layer's threshold if its potential were in balance. One warning a call (`sparsecode.NotConverged`) says how many
    did not get there, `infer` and the log of learning say it too.

    Learning, without labels, all layers together, is `DSCLearning`. With a second modality batches must bring it as
    `second`, beside the images.

    What the paper leaves open, and where it is said here: sizes, strides and thresholds of the layers, in `layers`
    (ours); whether potentials or codes are pulled, `feedback_on` (equation 5 says potentials); the weight of that pull
    (`feedback` of a layer, 1 in equation 6); whether codes may be negative, `positive` (not in equation 2); the scale
    of images, `normalise`; and `tau` and `max_steps`. The layer above reads the code a, as in `s` above; equation 5
    would also allow the potential.

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
        second_shape: (C, H, W) of the second modality; absent: there is none.
        second_layers: its own layers, from the bottom up; the last of `layers` lies above them.
        positive: only codes at or above 0, as equation 2 says.
        feedback_on: `potential`, as in equation 5, or `code`: what is pulled towards the layer above.
        normalise: `deviation`: less its mean and by its standard deviation before it is coded; `mean`; or `none`.
        solver: `proximal` or `euler`.
        tolerance: of rest.
        max_steps: most steps of the solver.
        tau: time constant of `euler`, in steps; absent: the shortest that is sure to be stable.
        output: what `forward` returns, the `reconstruction` or the top layer's `code`.
        n_iterations: batches that dictionaries learn from (ours).
        learning_rate: share of the way to the least residual that an atom goes at once (ours).
        learning_tolerance: of the codes that are learned from (ours).
        seed: of the patches that atoms start from.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "implicit"
    bounds: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        layers: Sequence[DSCLayer] = FACES,
        second_shape: tuple[int, int, int] | None = None,
        second_layers: Sequence[DSCLayer] = (),
        positive: bool = True,
        feedback_on: FeedbackOn = "potential",
        normalise: Normalise = "deviation",
        solver: Solver = "proximal",
        tolerance: float = 1e-2,
        max_steps: int = 5000,
        tau: float | None = None,
        output: Output = "reconstruction",
        n_iterations: int = 100,
        learning_rate: float = 0.3,
        learning_tolerance: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(image_shape)
        self.layers, self.second_layers = tuple(layers), tuple(second_layers)
        self.second_shape = None if second_shape is None else (second_shape[0], second_shape[1], second_shape[2])
        self.positive, self.feedback_on, self.output = positive, feedback_on, output
        self.n_iterations, self.learning_rate, self.learning_tolerance = n_iterations, learning_rate, learning_tolerance
        self.seed = seed
        self._check_settings()
        self.scale, self.solver = ImageScale(normalise), DSCSolver(solver, tolerance, max_steps, tau)
        self.n_learning_steps = n_iterations
        self.plans = place_layers(self.image_shape, self.layers, self.second_shape, self.second_layers)
        for number, plan in enumerate(self.plans):
            self.register_buffer(f"dictionary_{number}", torch.zeros(plan.atoms_shape))
        self.register_buffer("bounds", torch.zeros(len(self.plans)))
        self.learned.fill_(False)

    def _check_settings(self) -> None:
        rules = [
            *at_least(1, n_iterations=self.n_iterations),
            *positive(**settings_of(self, "learning_rate", "learning_tolerance")),
            *one_of(get_args(FeedbackOn), feedback_on=self.feedback_on),
            *one_of(get_args(Output), output=self.output),
        ]
        check_rules(rules)

    def dictionary(self, number: int) -> Tensor:
        """The unit-norm atoms of a layer, (K, C, n, n) or (K, m): `layers` but the last, `second_layers`, the last."""
        found: Tensor = getattr(self, f"dictionary_{number}")
        return found

    def hierarchy(self, image: bool = True, second: bool = False, dtype: torch.dtype = torch.float32) -> Hierarchy:
        """The layers that take part where these modalities are present."""
        own = len(self.layers) - 1
        branches = [(image, range(own)), (second, range(own, len(self.plans) - 1))]
        numbers = [number for present, branch in branches if present for number in branch]
        place = {number: index for index, number in enumerate(numbers)}
        levels = []
        for number in [*numbers, len(self.plans) - 1]:
            plan, atoms, below = self.plans[number], self.dictionary(number).to(dtype), self.plans[number].below
            norms = atoms.flatten(1).norm(dim=1)  # rounded to half precision they are not 1
            atoms = atoms / norms.clamp_min(torch.finfo(dtype).tiny).view(-1, *[1] * (atoms.ndim - 1))
            if len(below) > 1:  # of the atoms of the shared top the part of a modality that is present
                parts = atoms.split([prod(self.plans[child].code_shape) for child in below], dim=1)
                chosen = [index for index, child in enumerate(below) if child in place]
                atoms, below = torch.cat([parts[index] for index in chosen], 1), tuple(below[i] for i in chosen)
            levels.append(plan.level(atoms, self.bounds[number], tuple(place[child] for child in below)))
        return Hierarchy(levels, self.positive, self.feedback_on)

    @property
    def out_channels(self) -> int:
        """Channels of images, or atoms of the top layer."""
        return self.image_shape[0] if self.returns_images else self.layers[-1].n_atoms

    @property
    def returns_images(self) -> bool:
        """Whether the output is the reconstruction."""
        return self.output == "reconstruction"

    # codes

    @torch.no_grad()
    def infer(self, images: Tensor | None = None, second: Tensor | None = None) -> DSCCodes:
        """The codes of (B, C, H, W) images in [0, 1], of the second modality, or of both together."""
        model, codes, converged = self._infer(images, second)
        parts = model.split(codes)
        own = len(self.layers) - 1 if images is not None else 0
        return DSCCodes([*parts[:own], parts[-1]], parts[own:-1], converged)

    @torch.no_grad()
    def encode(self, images: Tensor | None = None, second: Tensor | None = None) -> Tensor:
        """The top layer's code, flat (B, K): what a read-out sees."""
        return self.infer(images, second).layers[-1].flatten(1)

    @torch.no_grad()
    @full_precision
    def energy(self, images: Tensor | None = None, second: Tensor | None = None) -> Tensor:
        """E of the codes of each image, (B,): the sum over groups of layers that feedback joins."""
        model, codes, _ = self._infer(images, second)
        return model.energy(codes, model.given(self.signals(images, second))).sum(dim=1)

    @torch.no_grad()
    @full_precision
    def reconstruct(self, images: Tensor) -> Tensor:
        """D_1 a_1 of (B, C, H, W) images, brought back to their means and deviations, in [0, 1]."""
        model, codes, _ = self._infer(images)
        return self.rebuild(model, model.split(codes)[0], images).clamp(0, 1).to(images.dtype)

    def rebuild(self, model: Hierarchy, code: Tensor, images: Tensor) -> Tensor:
        """What the first layer's code says, on the scale of the images that it is of."""
        return self.scale.images(model.operators[0].synthesise(code), images.to(code.dtype))

    @full_precision
    def _infer(self, images: Tensor | None, second: Tensor | None = None) -> tuple[Hierarchy, Tensor, Tensor]:
        """The layers that take part, their codes, flat, and which images came to rest."""
        self.check_learned()
        signals = self.signals(images, second)
        model = self.hierarchy(images is not None, second is not None, signals[0].dtype)
        codes = signals[0].new_zeros(len(signals[0]), sum(model.sizes))
        converged = torch.ones(len(codes), dtype=torch.bool, device=codes.device)
        for rows in self.solver.runs(model, codes):
            codes[rows], converged[rows] = self.solver.solve(model, model.given([part[rows] for part in signals]))
        self.solver.report(converged)
        return model, codes, converged

    def signals(self, images: Tensor | None, second: Tensor | None = None) -> list[Tensor]:
        """What the lowest layers of the modalities present read, in float32 at least.

        Raises:
            ValueError: neither is there, one has another shape, or they differ in number.
        """
        if second is not None and self.second_shape is None:
            raise ValueError("`second` must be left out where there is no `second_shape`, found one.")
        found, numbers = [], []
        for name, given, shape in (("images", images, self.image_shape), ("second", second, self.second_shape)):
            if given is None:
                continue
            if given.ndim != 4 or given.shape[1:] != shape or not given.is_floating_point():
                raise ValueError(
                    f"`{name}` must be floating point of shape (B, *{shape}) for this {type(self).__name__}, found "
                    f"{given.dtype} {tuple(given.shape)}; resize them, or build it for theirs."
                )
            working = given.to(torch.promote_types(given.dtype, torch.float32))
            check_finite(**{name: working})
            found.append(self.scale.signals(working))
            numbers.append(len(given))
        if len(set(numbers)) != 1:
            raise ValueError(
                f"`images` and `second` must be as many as each other and not both be absent, found {numbers}."
            )
        return found

    # what is deployed

    def forward(self, images: Tensor) -> Tensor:
        """Rebuild (B, C, H, W) images in [0, 1], or code them; differentiable as in `implicit`, at these codes."""
        return DifferentiableDSC(self, Derivative())(images)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`implicit`, `unrolled`, of reconstructions `identity`, and of codes `potential`."""
        modes: dict[str, Callable[..., ImageMap]] = {"implicit": self._implicit, "unrolled": self._unrolled}
        return modes | ({"identity": self._identity} if self.returns_images else {"potential": self._potential})

    def _implicit(self, tolerance: float = 1e-3, past_clamp: bool = True, warm: bool = False) -> ImageMap:
        return DifferentiableDSC(self, Derivative(None, tolerance, past_clamp), warm)

    def _unrolled(
        self, steps: int = 30, tolerance: float = 1e-3, past_clamp: bool = True, warm: bool = False
    ) -> ImageMap:
        return DifferentiableDSC(self, Derivative(steps, tolerance, past_clamp), warm)

    def _potential(self, tolerance: float = 1e-3, warm: bool = False) -> ImageMap:
        return DifferentiableDSC(self, Derivative(None, tolerance, silent=True), warm)

    def _identity(self, warm: bool = False) -> ImageMap:
        return DifferentiableDSC(self, None, warm)

    def atoms(self) -> Tensor:
        """The first layer's dictionary as pictures (K, C, n, n), or (K, C, H, W) where it is fully connected."""
        shape = self.image_shape if self.layers[0].size is None else self.dictionary(0).shape[1:]
        return self.dictionary(0).detach().view(-1, *shape)

    # learning

    def learn_from_batch(self, batch: Any) -> dict[str, float]:
        """Learn from a batch's images and, where there is a second modality, from what it calls `second`."""
        second = getattr(batch, "second", None)
        if self.second_shape is not None and second is None:
            raise ValueError(
                "`second_shape` wants batches that bring the second modality as `second`, found none; choose data that "
                "has two, or leave `second_shape` and `second_layers` out."
            )
        return self.learn_from(batch[0], second if self.second_shape is not None else None)

    @full_precision
    def learn_from(self, images: Tensor, second: Tensor | None = None) -> dict[str, float]:
        """Move the atoms of all layers along their residuals on a batch (B, C, H, W)."""
        if self._learner is None:
            self._learner = DSCLearning(self)
        metrics: dict[str, float] = self._learner.step(self.signals(images, second))
        return metrics
