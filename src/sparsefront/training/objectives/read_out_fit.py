"""One epoch that solves a read-out."""

import pytorch_lightning as pl
import torch
from torch import Tensor

from sparsefront.classifiers import CodeReader, ReadOut
from sparsefront.common.processes import Processes
from sparsefront.frontends import FrontEnd


class ReadOutFit:
    """Keeps what a front end makes of an epoch's training images, and lets a `ReadOut` learn from all of it at once.

    One epoch is enough: the solver sees every image's codes, and more epochs would bring the same ones again. So
    `begin` ends the training after it, whatever `max_epochs` says. Several processes solve once, on the first of them.
    No image counts twice, whether the sampler repeats some to share them out evenly or the data repeats rare ones.
    """

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    def begin(self, trainer: pl.Trainer, read_out: ReadOut) -> None:
        """Have one epoch, whose validation alone asks the read-out for logits.

        Raises:
            ValueError: a precision that scales gradients, of which there are none here, or a validation in mid-epoch.
        """
        name = type(read_out).__name__
        if trainer.scaler is not None:
            raise ValueError(
                f"`trainer.precision` must not scale gradients where {name} is solved without any, found "
                f"{trainer.precision}; write 32 or bf16-mixed."
            )
        if trainer.val_check_interval not in (None, 1.0):
            raise ValueError(
                f"`trainer.val_check_interval` must be left out where {name} is solved when the epoch's last batch has "
                f"come, found {trainer.val_check_interval}."
            )
        self._batches.clear()
        if trainer.max_epochs != 1 and trainer.is_global_zero and not read_out.learned:
            print(f"{name} is solved on the codes of one epoch: the training ends after it.", flush=True)
        trainer.fit_loop.max_epochs = 1
        trainer.num_sanity_val_steps = 0

    def add(self, codes: Tensor, labels: Tensor, indices: Tensor) -> None:
        """Keep a batch on the CPU.

        Args:
            codes: (B, n_copies, K), the means over the positions.
            labels: (B,).
            indices: (B,), the images' numbers in the training set.
        """
        self._batches.append((codes.float().cpu(), labels.cpu(), indices.cpu()))

    def solve(self, trainer: pl.Trainer, read_out: ReadOut) -> tuple[Tensor, Tensor]:
        """Let `read_out` learn from the batches of all processes, and forget them.

        Returns:
            This process's own codes (N, n_copies, K) and labels (N,).

        Raises:
            ValueError: the read-out refuses these codes; on every process.
        """
        own, self._batches = _joined(self._batches), []
        shares = Processes().gathered(own)
        refusal: ValueError | None = None
        if trainer.is_global_zero:
            try:
                _learn(read_out, shares)
            except ValueError as error:  # the others wait for an answer
                refusal = error
        refusal = trainer.strategy.broadcast(refusal)
        if refusal is not None:
            raise refusal
        state = {name: tensor.cpu() for name, tensor in read_out.state_dict().items()}
        read_out.load_state_dict(trainer.strategy.broadcast(state))
        return own[0].to(read_out.linear.weight), own[1].to(read_out.linear.weight.device)


def check_read_out(classifier: torch.nn.Module, frontend: FrontEnd) -> None:
    """Raise a ValueError if what reads codes is put behind a front end that has none, or leaves something to train."""
    if not isinstance(classifier, CodeReader):
        return
    name, before = type(classifier).__name__, type(frontend).__name__
    if frontend.returns_images:
        raise ValueError(
            f"`classifier` {name} reads codes, found {before} before it, which returns images; let it return its codes "
            "(`output: code` of DSC), or take a classifier of images."
        )
    trained = [name for name, parameter in frontend.named_parameters() if parameter.requires_grad]
    if isinstance(classifier, ReadOut) and trained:
        raise ValueError(
            f"`classifier` {name} is solved and sends no gradient, found {before} before it, which leaves "
            f"{len(trained)} tensors to train, {trained[0]} first; take Logistic or MLP."
        )


def _joined(batches: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    codes, labels, indices = (torch.cat(columns) for columns in zip(*batches, strict=True))
    return codes, labels, indices


def _learn(read_out: ReadOut, shares: list[tuple[Tensor, Tensor, Tensor]]) -> None:
    codes, labels, indices = _joined(shares)
    order = indices.argsort(stable=True)  # the same for any number of processes
    ordered = indices[order]
    order = order[torch.cat([torch.tensor([True]), ordered[1:] != ordered[:-1]])]
    n_copies = codes.shape[1]
    read_out.learn(codes[order].flatten(0, 1), labels[order].repeat_interleave(n_copies))
