"""The residual networks of the field's CIFAR-10 baselines."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.classifiers.parts.normalize import Normalize
from sparsefront.classifiers.parts.weights import load_weights
from sparsefront.common.rules import at_least, check_rules
from sparsefront.common.settings import checked_settings

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BasicBlock(nn.Module):
    """Convolution, batch norm, ReLU, convolution, batch norm beside a shortcut without weights, then ReLU.

    Where the size halves the shortcut takes every second pixel and its new channels are zeros, half in front and half
    behind (option A).

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: 1, or 2 where the size halves.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        front = self.extra // 2
        shortcut = F.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, front, self.extra - front))
        return F.relu(shortcut + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps))))))


@checked_settings
class CIFARResNet(nn.Module):
    """ResNet-20, 32, 44, 56 or 110 for small images (He et al. 2016, section 4.2): (B, C, H, W) -> logits (B, K).

    Three stages of blocks with 16, 32 and 64 channels. Names are those of the weights that are published for it most
    often (github.com/akamaster/pytorch_resnet_cifar10), which take pixels in [0, 1] with ImageNet's mean and std.

    Args:
        in_chans: C.
        num_classes: K.
        depth: 6 n + 2, for n blocks a stage.
        mean: per channel, subtracted from the pixels; null: ImageNet's for three channels, else 0.
        std: per channel, then divided by; null: ImageNet's for three channels, else 1.
        checkpoint_path: weights to start from.

    Raises:
        ValueError: a depth that is not 6 n + 2, a mean or std of another length, or weights of another network.
        FileNotFoundError: no file at `checkpoint_path`.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        depth: int = 32,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        checkpoint_path: str | None = None,
    ) -> None:
        super().__init__()
        check_rules(at_least(1, in_chans=in_chans, num_classes=num_classes))
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f"`depth` must be 6 n + 2 for n blocks a stage, e.g. 20, 32 or 56, found {depth}.")
        self.normalize = Normalize.of_channels(in_chans, mean, std, (IMAGENET_MEAN, IMAGENET_STD))
        self.conv1 = nn.Conv2d(in_chans, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        blocks = (depth - 2) // 6
        self.layer1 = self._stage(16, 16, 1, blocks)
        self.layer2 = self._stage(16, 32, 2, blocks)
        self.layer3 = self._stage(32, 64, 2, blocks)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        if checkpoint_path is not None:
            load_weights(self, checkpoint_path)

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int, blocks: int) -> nn.Sequential:
        return nn.Sequential(
            BasicBlock(inputs, outputs, stride), *(BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1))
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        maps = F.relu(self.bn1(self.conv1(self.normalize(images))))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        logits: Tensor = self.linear(maps.mean(dim=(2, 3)))
        return logits
