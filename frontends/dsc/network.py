"""The network of deep sparse coding: its layers, their dictionaries, and the codes at rest."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sparsecode.checks import check_finite
from sparsecode.full_precision import full_precision
from sparsecode.hierarchy import Hierarchy, eigenvalue_bound
from sparsecode.lca_dynamics import FeedbackOn
from sparsefront.frontends.dsc.image_scale import ImageScale
from sparsefront.frontends.dsc.layer import DSCLayer
from sparsefront.frontends.dsc.placement import place_layers
from sparsefront.frontends.dsc.second_modality import SecondModality
from sparsefront.frontends.dsc.solver import DSCSolver


class AtRest(NamedTuple):
    """Codes of a batch.

    Attributes:
        hierarchy: the layers that take part.
        codes: (B, sum of the hierarchy's `sizes`), layer by layer.
        converged: (B,) bool, whose codes came to rest.
    """

    hierarchy: Hierarchy
    codes: Tensor
    converged: Tensor


class DSCNetwork(nn.Module):
    """Layers of competing neurons above an image, and above a second modality, with their dictionaries.

    Images (B, C, H, W) in [0, 1] -> signals at their own scale -> codes at rest -> images. Dictionaries are buffers,
    zeros until they are learned.

    Args:
        image_shape: (C, H, W) of the images.
        layers: from the image up.
        second: the second modality; absent: there is none.
        positive: only codes at or above 0.
        feedback_on: `potential` or `code`: what is pulled towards the layer above.
        scale: of images.
        solver: brings codes to rest.

    Attributes:
        plans: the layers in their places: `layers` but the last, the second modality's, the last.
        bounds: (number of layers,) upper bounds of the largest eigenvalue of each dictionary's D^T D.

    Raises:
        ValueError: layers that cannot lie above each other.
    """

    bounds: Tensor
    _built: tuple[object, Hierarchy, list[Tensor]] | None = None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        layers: Sequence[DSCLayer],
        second: SecondModality | None,
        positive: bool,
        feedback_on: FeedbackOn,
        scale: ImageScale,
        solver: DSCSolver,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.second_shape = None if second is None else tuple(second.shape)
        self.positive = positive
        self.feedback_on: FeedbackOn = feedback_on
        self.scale = scale
        self.solver = solver
        self.plans = place_layers(image_shape, tuple(layers), second)
        self.n_image_layers = len(layers) - 1  # below the top, which a second modality shares
        for index, plan in enumerate(self.plans):
            self.register_buffer(f"dictionary_{index}", torch.zeros(plan.atoms_shape))
        self.register_buffer("bounds", torch.zeros(len(self.plans)))

    def dictionary(self, index: int) -> Tensor:
        """The unit-norm atoms of a layer, (K, C, n, n) or (K, m), in the order of `plans`."""
        atoms: Tensor = getattr(self, f"dictionary_{index}")
        return atoms

    def update_bound(self, index: int) -> None:
        """Bound the eigenvalues of a dictionary that has changed."""
        plan = self.plans[index]
        self.bounds[index] = eigenvalue_bound(self.dictionary(index), plan.shape, plan.layer.stride, plan.padding)

    def hierarchy(self, image: bool = True, second: bool = False, dtype: torch.dtype = torch.float32) -> Hierarchy:
        """The layers that take part where these modalities are present, with atoms in this precision.

        The same as the last time, with the tables it has made since, while the dictionaries are; a change through
        `.data`, which torch does not count, is not seen.
        """
        buffers = [self.bounds, *(self.dictionary(index) for index in range(len(self.plans)))]
        # One may have a graph, changes of the other are not counted.
        if any(buffer.requires_grad or buffer.is_inference() for buffer in buffers):
            return self._build(image, second, dtype)
        state = (image, second, dtype, *((id(buffer), buffer._version) for buffer in buffers))
        built = self._built
        if built is None or built[0] != state:
            with torch.inference_mode(False):  # what is made there could not be differentiated later
                built = self._built = state, self._build(image, second, dtype), buffers  # kept: their ids stay theirs
        return built[1]

    def __getstate__(self) -> dict[str, Any]:
        """Without the layers that were built, which a copy builds of its own dictionaries."""
        return self.__dict__ | {"_built": None}

    def _build(self, image: bool, second: bool, dtype: torch.dtype) -> Hierarchy:
        top = len(self.plans) - 1
        branches = [(image, range(self.n_image_layers)), (second, range(self.n_image_layers, top))]
        lower = [index for is_there, branch in branches if is_there for index in branch]
        place = {index: level for level, index in enumerate(lower)}
        levels = []
        for index in [*lower, top]:
            plan = self.plans[index]
            below = plan.below
            atoms = _unit_norm(self.dictionary(index).to(dtype))
            if len(below) > 1:  # of the atoms of the shared top the part of a modality that is present
                of_children = atoms.split([prod(self.plans[child].code_shape) for child in below], dim=1)
                present = [slot for slot, child in enumerate(below) if child in place]
                atoms = torch.cat([of_children[slot] for slot in present], 1)
                below = tuple(below[slot] for slot in present)
            levels.append(plan.level(atoms, self.bounds[index], tuple(place[child] for child in below)))
        return Hierarchy(levels, self.positive, self.feedback_on)

    def signals(self, images: Tensor | None, second: Tensor | None = None) -> list[Tensor]:
        """What the lowest layers of the modalities present read, in float32 at least.

        Args:
            images: (B, C, H, W) in [0, 1].
            second: (B, *second.shape).

        Raises:
            ValueError: neither is there, one has another shape, or they differ in number.
        """
        if second is not None and self.second_shape is None:
            raise ValueError("`second` must be left out where the front end has no `second` modality, found one.")
        signals: list[Tensor] = []
        for name, given, shape in (("images", images, self.image_shape), ("second", second, self.second_shape)):
            if given is None:
                continue
            if given.ndim != 4 or given.shape[1:] != shape or not given.is_floating_point():
                raise ValueError(
                    f"`{name}` must be floating point of shape (B, *{shape}) for this DSC, found "
                    f"{given.dtype} {tuple(given.shape)}; resize them, or build it for theirs."
                )
            working = given.to(torch.promote_types(given.dtype, torch.float32))
            check_finite(**{name: working})
            signals.append(self.scale.signals(working))
        counts = [len(signal) for signal in signals]
        if len(set(counts)) != 1:
            raise ValueError(
                f"`images` and `second` must be as many as each other and not both be absent, found {counts}."
            )
        return signals

    @full_precision
    def solve(self, images: Tensor | None, second: Tensor | None = None) -> AtRest:
        """The codes of images in [0, 1], of the second modality, or of both together; shapes as in `signals`."""
        signals = self.signals(images, second)
        hierarchy = self.hierarchy(images is not None, second is not None, signals[0].dtype)
        codes = signals[0].new_zeros(len(signals[0]), sum(hierarchy.sizes))
        converged = torch.ones(len(codes), dtype=torch.bool, device=codes.device)
        for rows in self.solver.runs(hierarchy, codes):
            given = hierarchy.given([signal[rows] for signal in signals])
            codes[rows], converged[rows] = self.solver.solve(hierarchy, given)
        self.solver.report(converged)
        return AtRest(hierarchy, codes, converged)

    def rebuild(self, hierarchy: Hierarchy, code: Tensor, images: Tensor) -> Tensor:
        """What the first layer's code says, (B, C, H, W), on the scale of the images that it is of."""
        return self.scale.images(hierarchy.operators[0].synthesise(code), images.to(code.dtype))


def _unit_norm(atoms: Tensor) -> Tensor:
    """Atoms of norm 1, which rounded to half precision they are not."""
    norms: Tensor = atoms.flatten(1).norm(dim=1)
    return atoms / norms.clamp_min(torch.finfo(atoms.dtype).tiny).view(-1, *[1] * (atoms.ndim - 1))
