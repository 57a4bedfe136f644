"""Deep sparse coding (paper 003: Springer, Strauss, Thresher, Kim and Kenyon 2018)."""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from frontends.base import FrontEnd, ImageMap
from frontends.dsc_layer import DSCLayer
from frontends.dsc_learning import DSCLearning
from frontends.found_again import found_again
from frontends.hierarchy import FeedbackOn, Hierarchy, Level
from frontends.previous_codes import PreviousCodes
from frontends.rules import at_least, check_rules, one_of, positive, settings_of
from sparsecode.checks import check_finite, warn_unless
from sparsecode.full_precision import full_precision

Solver = Literal["proximal", "euler"]
Normalise = Literal["deviation", "mean", "none"]
Output = Literal["reconstruction", "code"]

_MAX_BYTES = 2**28  # of working memory; images are taken in runs to keep it
_MAPS = 6  # of the size of codes, twice, and of what they reconstruct that an image of a run needs at once
_FLAT = 1e-3  # least deviation that images are divided by, in [0, 1] pixel units

FACES = (DSCLayer(128, 8, 2, 0.5), DSCLayer(256, 6, 4, 0.1), DSCLayer(512, lmbda=0.05))
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

    Each layer reconstructs the codes of the layer below it, the first one the image. Its potentials charge from below,
    inhibit each other and are pulled towards the reconstruction by the layer above (equations 4 to 6); see
    `frontends.hierarchy.Hierarchy` for these dynamics and the energy that they descend,

        E = sum_l w_l (1/2 ||s_l - D_l a_l||^2 + m_l lmbda_l ||a_l||_1),

    s_l the image or the code below, w_1 = 1, w_{l+1} = beta_l w_l, m_l = 1 + beta_l below the top layer and 1 there.
    T(x) = D_1 a_1, brought back to the image's mean and deviation and clamped to [0, 1].

    A second modality, such as a picture of the name, may have layers of its own below the same top layer, which then
    reconstructs both codes side by side. Either may be absent at test time: its layers, and its share of the top
    layer's atoms, are then left out of E. `forward` reads images alone.

    Solvers: `proximal` minimises E by accelerated proximal steps; `euler` runs the published dynamics, which end at the
    same codes much later. An image's codes are at rest where none would move by more than `tolerance` times its
    layer's threshold if its potential were in balance; each image stops by itself. One warning a call
    (`sparsecode.NotConverged`) says how many did not get there, `infer` and the log of learning say it too.

    Learning, without labels, all layers together: codes of a batch at rest, then every atom moves along its layer's
    residuals at the places where it was active, divided by how active it has been, and is brought to unit norm. The
    first atoms are patches of the first batch's images and codes. With a second modality batches must bring it as
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
    * `identity(warm)`: the gradient of handing the image on; only of reconstructions.

    `past_clamp` passes gradients through the clamp as if it were not there. `warm: true` starts each image from the
    codes of the image nearest to it in the call before, as in successive steps of an attack. What counts is scored by
    `forward`, which starts cold. The paper's own estimate, by changes of single pixels, needs no mode: attacks that
    only ask for answers make it (`attacks.ZOO`; `attacks.NES`, also as SPSA).

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
        n_iterations: int = 300,
        learning_rate: float = 0.3,
        learning_tolerance: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(image_shape)
        self.layers, self.second_layers = tuple(layers), tuple(second_layers)
        self.second_shape = None if second_shape is None else (second_shape[0], second_shape[1], second_shape[2])
        self.positive, self.feedback_on, self.normalise = positive, feedback_on, normalise
        self.solver, self.tolerance, self.max_steps, self.tau, self.output = solver, tolerance, max_steps, tau, output
        self.n_iterations, self.learning_rate, self.learning_tolerance = n_iterations, learning_rate, learning_tolerance
        self.seed = seed
        self._check_settings()
        self.n_learning_steps = n_iterations
        self.plans = self._plan()
        for number, plan in enumerate(self.plans):
            self.register_buffer(f"dictionary_{number}", torch.zeros(plan.atoms_shape))
        self.register_buffer("bounds", torch.zeros(len(self.plans)))
        self.learned.fill_(False)

    def _check_settings(self) -> None:
        rules = [
            *at_least(1, **settings_of(self, "max_steps", "n_iterations")),
            *positive(**settings_of(self, "tolerance", "learning_rate", "learning_tolerance")),
            *(positive(tau=self.tau) if self.tau is not None else []),
            *one_of(get_args(FeedbackOn), feedback_on=self.feedback_on),
            *one_of(get_args(Normalise), normalise=self.normalise),
            *one_of(get_args(Solver), solver=self.solver),
            *one_of(get_args(Output), output=self.output),
            (bool(self.layers), "`layers` must name at least one layer, found none."),
            (
                self.tau is None or self.solver == "euler",
                f"`tau` must be left out with `solver: proximal`, which has no time, found {self.tau}.",
            ),
            (
                (self.second_shape is None) == (not self.second_layers),
                f"`second_shape` and `second_layers` must be given together or not at all, found {self.second_shape} "
                f"and {len(self.second_layers)} layers.",
            ),
            (
                self.second_shape is None or (len(self.layers) > 1 and self.layers[-1].size is None),
                "`layers` must end in a fully connected layer above at least one other, for a second modality to share "
                "it, found otherwise; leave out the last one's `size`.",
            ),
        ]
        for name, layers in (("layers", self.layers), ("second_layers", self.second_layers)):
            connected = [layer.size is None for layer in layers]
            rules.append(
                (
                    connected == sorted(connected),
                    f"`{name}` must have no filters above a fully connected layer, found layer "
                    f"{connected.index(True) + 2 if True in connected else 0} to have some; leave out its `size`.",
                )
            )
        check_rules(rules)

    def _plan(self) -> list["_Plan"]:
        """All layers, each after those below it, the shared top last."""
        plans: list[_Plan] = []
        roots: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        branches = [(self.image_shape, self.layers[:-1]), (self.second_shape, self.second_layers)]
        for read, layers in branches:
            if read is None:
                continue
            shape: tuple[int, ...] = read
            below: tuple[int, ...] = ()
            for layer in layers:
                plans.append(_Plan.of(layer, shape, below))
                shape, below = plans[-1].code_shape, (len(plans) - 1,)
            roots.append((shape, below))
        if len(roots) == 1:
            ((shape, below),) = roots
        else:
            shape = (sum(prod(root) for root, _ in roots),)
            below = tuple(number for _, (number,) in roots)
        return [*plans, _Plan.of(self.layers[-1], shape, below)]

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
            plan = self.plans[number]
            atoms = self.dictionary(number).to(dtype)
            norms = atoms.flatten(1).norm(dim=1)  # rounded to half precision they are not 1
            atoms = atoms / norms.clamp_min(torch.finfo(dtype).tiny).view(-1, *[1] * (atoms.ndim - 1))
            below, shape = plan.below, plan.shape
            if len(below) > 1 and not (image and second):
                sizes = [prod(self.plans[child].code_shape) for child in below]
                atoms = atoms.split(sizes, dim=1)[0 if image else 1]
                below, shape = (below[0 if image else 1],), (atoms.shape[1],)
            levels.append(
                Level(
                    atoms.contiguous(),
                    shape,
                    plan.layer.lmbda,
                    1.01 * float(self.bounds[number]),
                    tuple(place[child] for child in below),
                    plan.layer.feedback,
                    plan.layer.stride,
                    plan.padding,
                )
            )
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
    def energy(self, images: Tensor | None = None, second: Tensor | None = None) -> Tensor:
        """E of the codes of each image, (B,): the sum over groups of layers that feedback joins."""
        model, codes, _ = self._infer(images, second)
        return model.energy(codes, model.given(self._signals(images, second))).sum(dim=1)

    @full_precision
    def _infer(self, images: Tensor | None, second: Tensor | None) -> tuple[Hierarchy, Tensor, Tensor]:
        """The layers that take part, their codes, flat, and which images came to rest."""
        self.check_learned()
        signals = self._signals(images, second)
        model = self.hierarchy(images is not None, second is not None, signals[0].dtype)
        codes = signals[0].new_zeros(len(signals[0]), sum(model.sizes))
        converged = torch.ones(len(codes), dtype=torch.bool, device=codes.device)
        for rows in self.runs(model, codes):
            codes[rows], converged[rows] = self._solve(model, [part[rows] for part in signals], codes[rows], True)
        self._report(converged)
        return model, codes, converged

    def _signals(self, images: Tensor | None, second: Tensor | None) -> list[Tensor]:
        """What the lowest layers of the modalities present read, in float32 at least.

        Raises:
            ValueError: neither is there, one has another shape, or they differ in number.
        """
        if second is not None and self.second_shape is None:
            raise ValueError("`second` must be left out where there is no `second_shape`, found one.")
        pairs = [("images", images, self.image_shape), ("second", second, self.second_shape)]
        present = [(name, given, shape) for name, given, shape in pairs if given is not None]
        for name, given, shape in present:
            if given.ndim != 4 or given.shape[1:] != shape or not given.is_floating_point():
                raise ValueError(
                    f"`{name}` must be floating point of shape (B, *{shape}) for this {type(self).__name__}, found "
                    f"{given.dtype} {tuple(given.shape)}; resize them, or build it for theirs."
                )
        numbers = [len(given) for _, given, _ in present]
        if len(set(numbers)) != 1:
            raise ValueError(
                f"`images` and `second` must be as many as each other and not both be absent, found {numbers}."
            )
        found = []
        for _, given, _ in present:
            working = given.to(torch.promote_types(given.dtype, torch.float32))
            check_finite(images=working)
            mean, deviation = self._moments(working)
            found.append((working - mean) / deviation)
        return found

    def _moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What images are lessened and divided by, each (B, 1, 1, 1)."""
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        if self.normalise == "none":
            return torch.zeros_like(mean), torch.ones_like(mean)
        if self.normalise == "mean":
            return mean, torch.ones_like(mean)
        deviation = (images - mean).square().mean(dim=(1, 2, 3), keepdim=True).clamp_min(_FLAT**2).sqrt()
        return mean, deviation

    def runs(self, model: Hierarchy, images: Tensor) -> tuple[Tensor, ...]:
        """The images' numbers, as many at a time as memory holds."""
        size = 2 * sum(model.sizes) + sum(prod(level.shape) for level in model.levels)
        each = _MAPS * size * images.element_size()
        return torch.arange(len(images), device=images.device).split(max(_MAX_BYTES // each, 1)) if len(images) else ()

    def _solve(
        self, model: Hierarchy, signals: list[Tensor], start: Tensor, cold: bool, tolerance: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Codes at rest up to the deployed tolerance by the deployed solver, or up to another; and which rest."""
        given = model.given(signals)
        if self.solver == "proximal" or tolerance is not None:
            return self.minimise(model, given, start, self.tolerance if tolerance is None else tolerance)
        potentials = start if cold else model.balance(start, given)
        return model.settle(potentials, given, self.tau or model.tau(), self.tolerance, self.max_steps)

    def minimise(
        self, model: Hierarchy, given: list[Tensor | None], start: Tensor, tolerance: float
    ) -> tuple[Tensor, Tensor]:
        """Codes at rest up to a tolerance, by proximal steps, and which rest."""
        return model.minimise(start, given, tolerance, self.max_steps, _MAX_BYTES)

    def _report(self, converged: Tensor) -> None:
        """Warn of images whose codes are not at rest."""
        mend = "raise `max_steps` or `tolerance`"
        warn_unless(converged, "DSC", f"{mend}, or `tau` where it does not rest at all" if self.tau else mend)

    # what is deployed

    def forward(self, images: Tensor) -> Tensor:
        """Rebuild (B, C, H, W) images in [0, 1], or code them; differentiable as in `implicit`, at these codes."""
        wants = images.requires_grad and torch.is_grad_enabled()
        return self._map(images, _Derivative(None, None, False) if wants else None)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`implicit`, `unrolled` and, of reconstructions, `identity`."""
        modes: dict[str, Callable[..., ImageMap]] = {"implicit": self._implicit, "unrolled": self._unrolled}
        return {**modes, "identity": self._handing_on} if self.returns_images else modes

    def _implicit(self, tolerance: float = 1e-3, past_clamp: bool = True, warm: bool = False) -> ImageMap:
        return self._standing_in(_Derivative(None, tolerance, past_clamp), warm)

    def _unrolled(
        self, steps: int = 30, tolerance: float = 1e-3, past_clamp: bool = True, warm: bool = False
    ) -> ImageMap:
        check_rules(at_least(1, steps=steps))
        return self._standing_in(_Derivative(steps, tolerance, past_clamp), warm)

    def _handing_on(self, warm: bool = False) -> ImageMap:
        memory = PreviousCodes() if warm else None

        def passing(images: Tensor) -> Tensor:
            with torch.no_grad():
                value = self._map(images, None, memory)
            return value + (images - images.detach())  # what is added is exactly 0

        return passing

    def _standing_in(self, derivative: "_Derivative", warm: bool) -> ImageMap:
        tolerance = derivative.tolerance
        if tolerance is not None:
            check_rules(positive(tolerance=tolerance))
        memory = PreviousCodes() if warm else None
        return lambda images: self._map(
            images, derivative if images.requires_grad and torch.is_grad_enabled() else None, memory
        )

    @full_precision
    def _map(self, images: Tensor, derivative: "_Derivative | None", memory: PreviousCodes | None = None) -> Tensor:
        """T of (B, C, H, W) images, a bounded number at a time."""
        self.check_learned()
        signals = self._signals(images.detach(), None)[0]
        model = self.hierarchy(dtype=signals.dtype)
        groups = torch.zeros(len(images), dtype=torch.long, device=images.device)
        starts = None if memory is None else memory.match(images, groups)
        runs = self.runs(model, signals)
        parts, codes = [], []
        rests: list[Tensor] = []
        for rows in runs:
            start = None if memory is None or starts is None else memory.codes(starts[rows])
            kept: list[Tensor] = []
            run = partial(self._map_run, model, derivative, start, kept, rests)
            # Where one run cannot hold them, codes are found again in the backward pass, rather than kept for all.
            again = derivative is not None and len(runs) > 1
            parts.append(found_again(run, images[rows]) if again else run(images[rows]))
            codes += kept[:1]
        if not parts:
            shape = self.image_shape if self.returns_images else model.operators[-1].code_shape
            return images.sum() + images.new_zeros(0, *_as_picture(shape))
        self._report(torch.cat(rests))
        if memory is not None:
            memory.keep(images, groups, torch.cat([part.to_sparse() for part in codes]))
        return torch.cat(parts).to(images.dtype)

    def _map_run(
        self,
        model: Hierarchy,
        derivative: "_Derivative | None",
        start: Tensor | None,
        kept: list[Tensor],
        rests: list[Tensor],
        images: Tensor,
    ) -> Tensor:
        """T of some images; `kept` takes their codes, (B, K, 1, 1), `rests` which of them came to rest."""
        (signals,) = self._signals(images, None)
        constant = [signals.detach()]
        blank = signals.new_zeros(len(signals), sum(model.sizes))
        with torch.no_grad():
            begin = blank if start is None else start.flatten(1)
            codes, converged = self._solve(model, constant, begin, start is None)
        kept.append(codes[:, :, None, None])
        if derivative is None or not torch.is_grad_enabled():
            rests.append(converged)
            return self._finish(model, codes, images, past_clamp=False)
        value = self._finish(model, codes, images.detach(), past_clamp=False)
        if derivative.tolerance is not None and derivative.tolerance < self.tolerance:
            with torch.no_grad():
                codes, closer = self._solve(model, constant, codes, False, derivative.tolerance)
            converged = converged & closer
        rests.append(converged)
        given = model.given([signals])
        if derivative.steps is not None and self.solver == "euler":
            codes = model.repeat(codes, given, self.tau or model.tau(), derivative.steps)
        else:
            codes = model.differentiate(codes, given, derivative.steps, _MAX_BYTES)
        smooth = self._finish(model, codes, images, derivative.past_clamp)
        return value + (smooth - smooth.detach())  # what is added is exactly 0

    def _finish(self, model: Hierarchy, codes: Tensor, images: Tensor, past_clamp: bool) -> Tensor:
        parts = model.split(codes)
        if not self.returns_images:
            return parts[-1].view(len(codes), *_as_picture(tuple(parts[-1].shape[1:])))
        mean, deviation = self._moments(images.to(codes.dtype))
        whole = mean + deviation * model.operators[0].synthesise(parts[0]).view(len(codes), *self.image_shape)
        clamped = whole.clamp(0, 1)
        return clamped.detach() + (whole - whole.detach()) if past_clamp else clamped

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

    def learn_from(self, images: Tensor, second: Tensor | None = None) -> dict[str, float]:
        """Move the atoms of all layers along their residuals on a batch (B, C, H, W)."""
        if self._learner is None:
            self._learner = DSCLearning(self)
        metrics: dict[str, float] = self._learner.step(self._signals(images, second))
        return metrics


class _Plan(NamedTuple):
    """A layer in its place.

    Attributes:
        layer: its settings.
        shape: of what it reconstructs, (C, H, W) or (m,).
        below: numbers of the layers that it reconstructs.
        padding: of its filters.
        atoms_shape: of its dictionary.
        code_shape: of its code.
    """

    layer: DSCLayer
    shape: tuple[int, ...]
    below: tuple[int, ...]
    padding: tuple[int, int]
    atoms_shape: tuple[int, ...]
    code_shape: tuple[int, ...]

    @classmethod
    def of(cls, layer: DSCLayer, shape: tuple[int, ...], below: tuple[int, ...]) -> "_Plan":
        padding = (0, 0) if layer.size is None else layer.padding((shape[1], shape[2]))
        atoms_shape, code_shape = layer.shapes(shape)
        return cls(layer, (prod(shape),) if layer.size is None else shape, below, padding, atoms_shape, code_shape)


class _Derivative(NamedTuple):
    """How codes are differentiated (through steps, or implicitly), at which tolerance, past the clamp or not."""

    steps: int | None
    tolerance: float | None
    past_clamp: bool


def _as_picture(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(K,) -> (K, 1, 1)."""
    return (*shape, *[1] * (3 - len(shape)))
