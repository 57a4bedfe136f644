"""One step of training, whole: draw, augment, forward, backward, update."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.gpu.floor import counted
from benchmarks.gpu.options import StepKind
from benchmarks.gpu.training.augmented import augmented
from benchmarks.gpu.training.momentum_sgd import MomentumSGD

Objective = Callable[[Tensor, Tensor], Tensor]
_WARM_UP = 3  # steps before a capture, on a stream of their own, as torch asks


@dataclass(frozen=True)
class TrainingData:
    """Images on the device.

    Attributes:
        images: (N, C, H + 8, W + 8) uint8, `padded`.
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor


class TrainingStep:
    """Moves a model's parameters by one batch.

    What a step reads lies in tensors that stay where they are, so that a CUDA graph can be replayed on other batches.

    Args:
        model: in training mode.
        objective: images (B, C, H, W) in [0, 1] and labels (B,) -> the loss, 0-dimensional; it may draw random numbers.
        data: what batches are of.
        optimizer: of the model's parameters.
        batch_size: B.

    Attributes:
        kind: how it runs, once it is `readied`.
        refused: why it does not run as it was asked to.
        total: the sum of the losses since it was last set to 0.
    """

    def __init__(
        self, model: nn.Module, objective: Objective, data: TrainingData, optimizer: MomentumSGD, batch_size: int
    ) -> None:
        device = data.images.device
        self.model, self.objective, self.data, self.optimizer = model, objective, data, optimizer
        self.rows = torch.zeros(batch_size, dtype=torch.int64, device=device)
        self.offsets = torch.zeros(batch_size, 2, dtype=torch.int64, device=device)
        self.flips = torch.zeros(batch_size, dtype=torch.bool, device=device)
        self.total = torch.zeros((), device=device)
        self.kind: StepKind = "plain"
        self.refused: str | None = None
        self._run: Callable[[], None] = self.plainly

    def __call__(self, rows: Tensor, offsets: Tensor, flips: Tensor, rate: float) -> None:
        """Take a step on the images `rows` (B,), cropped and flipped as `augmented` does."""
        self.rows.copy_(rows)
        self.offsets.copy_(offsets)
        self.flips.copy_(flips)
        self.optimizer.rate.fill_(rate)
        self._run()

    def plainly(self) -> None:
        """Operation by operation."""
        images = augmented(self.data.images, self.rows, self.offsets, self.flips)
        loss = self.objective(images.contiguous(memory_format=torch.channels_last), self.data.labels[self.rows])
        self.optimizer.step(torch.autograd.grad(loss, self.optimizer.parameters))
        self.total += loss.detach()

    def readied(self, kind: StepKind) -> "TrainingStep":
        """This step, made to run as a CUDA graph, `compiled` before or not; plainly where that fails, and says why."""
        objective = self.objective
        with self._unchanged():
            try:
                if kind == "compiled":
                    self.objective = torch.compile(lambda images, labels: objective(images, labels))
                if kind != "plain":
                    with _fastest_convolutions():
                        self._run = self._captured()
                    self.kind = kind
            except Exception as error:  # the compiler's, the driver's, or a model's that looks at a value
                self.objective, self._run, self.kind = objective, self.plainly, "plain"
                self.refused = f"{kind}: {type(error).__name__}: {error}"
        return self

    def flops(self) -> float:
        """Floating-point operations of a step's products and convolutions."""
        with self._unchanged():
            return sum(counted(self.plainly).values())

    def state(self) -> list[Tensor]:
        """All that a step changes."""
        return [*self.model.parameters(), *self.model.buffers(), *self.optimizer.velocities, self.total]

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Steps taken inside are taken back."""
        kept = [tensor.clone() for tensor in self.state()]
        yield
        with torch.no_grad():
            for tensor, before in zip(self.state(), kept, strict=True):
                tensor.copy_(before)

    def _captured(self) -> Callable[[], None]:
        if self.total.device.type != "cuda":
            raise RuntimeError("only a GPU captures graphs")
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self.plainly()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.plainly()
        return graph.replay


@contextmanager
def _fastest_convolutions() -> Iterator[None]:
    """Inside, cuDNN tries its algorithms, which a captured step then keeps to."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
