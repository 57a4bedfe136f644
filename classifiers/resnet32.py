"""The pre-activation ResNet-32 of paper 001."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.classifiers.parts.normalize import Normalize
from sparsefront.classifiers.parts.weights import load_weights
from sparsefront.common.rules import at_least, check_rules
from sparsefront.common.settings import checked_settings

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2471, 0.2435, 0.2616)
SLOPE = 0.1


class Unit(nn.Module):
    """Batch norm, leaky ReLU, convolution, twice, beside a shortcut without weights (He et al. 2016b).

    Where the size halves the shortcut is average-pooled and its new channels are zeros, half in front and half behind.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: 1, or 2 where the size halves.
        first: the network's first unit: its shortcut carries the activated map while its residual branch reads the
            map as it is. Published weights of paper 001 depend on it.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.stride, self.first, self.extra = stride, first, outputs - inputs

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        activated = F.leaky_relu(self.bn1(maps), SLOPE)
        shortcut, branch = (activated, maps) if self.first else (maps, activated)
        if self.stride > 1:
            shortcut = F.avg_pool2d(shortcut, self.stride, ceil_mode=True)
        if self.extra:
            front = self.extra // 2
            shortcut = F.pad(shortcut, (0, 0, 0, 0, front, self.extra - front))
        branch = self.conv1(branch)
        summed: Tensor = self.conv2(F.leaky_relu(self.bn2(branch), SLOPE)) + shortcut
        return summed


@checked_settings
class ResNet32(nn.Module):
    """Three stages of five units with 16, 32 and 64 channels: (B, C, H, W) in [0, 1] -> logits (B, K).

    Args:
        in_chans: C.
        num_classes: K.
        mean: per channel, subtracted from the pixels; null: CIFAR-10's for three channels, else 0.
        std: per channel, then divided by; null: CIFAR-10's for three channels, else 1.
        checkpoint_path: weights to start from.

    Raises:
        ValueError: a mean or std of another length, or weights of another network.
        FileNotFoundError: no file at `checkpoint_path`.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        checkpoint_path: str | None = None,
    ) -> None:
        super().__init__()
        check_rules(at_least(1, in_chans=in_chans, num_classes=num_classes))
        self.normalize = Normalize.of_channels(in_chans, mean, std, (CIFAR10_MEAN, CIFAR10_STD))
        self.conv1 = nn.Conv2d(in_chans, 16, 3, 1, 1, bias=False)
        self.block1 = self._stage(16, 16, 1, first=True)
        self.block2 = self._stage(16, 32, 2)
        self.block3 = self._stage(32, 64, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, SLOPE, mode="fan_out", nonlinearity="leaky_relu")
        if checkpoint_path is not None:
            load_weights(self, checkpoint_path)

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int, first: bool = False) -> nn.Sequential:
        units = [Unit(inputs, outputs, stride, first)]
        return nn.Sequential(*units, *(Unit(outputs, outputs, 1, False) for _ in range(4)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        maps = self.conv1(self.normalize(images))
        maps = self.block3(self.block2(self.block1(maps)))
        logits: Tensor = self.linear(torch.mean(F.leaky_relu(self.bn1(maps), SLOPE), dim=(2, 3)))
        return logits
