"""Learning-rate schedules that know how long the training is."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class OneCycle(LambdaLR):
    """Linear from 0 to the optimizer's rate and back to 0 over `total_steps` (Smith 2017; paper 001, appendix A.3).

    Args:
        optimizer: its `lr` is the peak.
        total_steps: optimizer steps of the whole training.
        peak: share of the steps after which the peak is reached, in (0, 1).

    Raises:
        ValueError: `peak` is not in (0, 1).
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, peak: float = 0.5) -> None:
        if not 0 < peak < 1:
            raise ValueError(f"`peak` must lie in (0, 1), found {peak}.")
        top = peak * total_steps
        super().__init__(optimizer, lambda step: max(0.0, min(step / top, (total_steps - step) / (total_steps - top))))
