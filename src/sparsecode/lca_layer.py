"""The layer that deep sparse coding stacks."""

from torch import Tensor, nn

from sparsecode._choices import Gradient
from sparsecode._named_kinds import named_kinds
from sparsecode.checks import check_finite, warn_unless
from sparsecode.coded import Coded
from sparsecode.full_precision import full_precision
from sparsecode.lca import MEND, operator_of, settled_code
from sparsecode.lca_dynamics import FeedbackOn, LCADynamics, Threshold
from sparsecode.operators import Operator


class LCALayer(nn.Module):
    """Locally competing neurons that charge from the layer below and are pulled by the layer above.

    tau u' = D^T x - u - (D^T D a - a) - beta (u - t), a = threshold(u): x is the layer below, t what the layer above
    reconstructs of this one (paper 003, equations 4 to 6). A hierarchy takes one `step` of every layer in turn, handing
    each the `code` of the layer below and the `reconstruct`ion by the layer above; a layer alone runs to rest when
    called. The potentials u are the caller's to keep, so memory does not grow with the steps under `torch.no_grad()`.

    Args:
        dictionary: (m, K); (K, C, h, w), filters. A parameter of the module.
        lmbda: the threshold, positive.
        stride: of filters, see `Convolution`.
        padding: of filters, see `Convolution`.
        threshold: `soft` or `hard`.
        tau: time constant in steps of Euler's method, see `lca`.
        positive: potentials below 0 give no code, as in equation 2.
        feedback: beta, 0 or above; 1 in the paper.
        feedback_on: whether the `potential` u, as in equation 5, or the `code` a is pulled towards t.

    Shapes:
        below (N, m) -> codes and potentials (N, K); below (N, C, H, W) -> (N, K, h', w').

    Raises:
        ValueError: a dictionary or settings that cannot be.
    """

    @named_kinds
    def __init__(
        self,
        dictionary: Tensor,
        lmbda: float,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | str = 0,
        threshold: Threshold = "soft",
        tau: float = 100.0,
        positive: bool = True,
        feedback: float = 1.0,
        feedback_on: FeedbackOn = "potential",
    ) -> None:
        super().__init__()
        if dictionary.ndim not in (2, 4):
            raise ValueError(f"`dictionary` must be (m, K) or (K, C, h, w), found {tuple(dictionary.shape)}.")
        check_finite(dictionary=dictionary)
        self.dictionary = nn.Parameter(dictionary.detach().clone())
        self.stride, self.padding = stride, padding
        self.dynamics = LCADynamics(lmbda, threshold, tau, positive, feedback, feedback_on)

    def operator(self, below: Tensor) -> Operator:
        """The dictionary on signals of this size. Many steps with one dictionary share one operator."""
        return operator_of(self.dictionary, below, self.stride, self.padding)

    def cold(self, below: Tensor) -> Tensor:
        """Potentials at rest, to start from."""
        return below.new_zeros(len(below), *self.operator(below).code_shape)

    def code(self, u: Tensor) -> Tensor:
        """What the layer says to the one above: a = threshold(u)."""
        return self.dynamics.code(u)

    @full_precision
    def reconstruct(self, u: Tensor, operator: Operator) -> Tensor:
        """D a, what the layer says to the one below."""
        return operator.synthesise(self.code(u))

    @full_precision
    def step(
        self, u: Tensor, below: Tensor, top_down: Tensor | None = None, *, operator: Operator | None = None
    ) -> Tensor:
        """Potentials one step of Euler's method later.

        Args:
            u: potentials now.
            below: x.
            top_down: t, of the potentials' shape; no feedback if absent.
            operator: of `operator(below)`, to save its making.
        """
        return self.dynamics.step(u, below, operator or self.operator(below), top_down)

    @full_precision
    def energy(
        self, u: Tensor, below: Tensor, top_down: Tensor | None = None, *, operator: Operator | None = None
    ) -> Tensor:
        """(N,), which steps lower while x and t stay, see `LCADynamics`."""
        return self.dynamics.energy(u, below, operator or self.operator(below), top_down)

    @full_precision
    def forward(
        self,
        below: Tensor,
        top_down: Tensor | None = None,
        *,
        n_steps: int = 2000,
        tolerance: float = 1e-3,
        start: Tensor | None = None,
        gradient: Gradient = "none",
        unrolled_steps: int = 100,
        max_bytes: int = 2**30,
    ) -> Coded:
        """Run the layer to rest while x and t stay; arguments, result and errors are those of `lca`."""
        operator = self.operator(below)
        coded = settled_code(
            self.dynamics, below, operator, start, top_down, n_steps, tolerance, gradient, unrolled_steps, max_bytes
        )
        if tolerance:
            warn_unless(coded.converged, "The LCA layer", MEND)
        return coded
