"""The visual tower of CLIP's RN50x64, without attention pooling, under its published names.

Radford et al. (2021), arXiv:2103.00020. A ResNet with a stem of three convolutions that pools
averages wherever others take strides: every convolution has stride 1 but the first.
"""

from collections import OrderedDict

from torch import nn

from foregaze.backbones.cutting import Traced

_WIDTH = 128
_BLOCKS_PER_LAYER = (3, 15, 36, 10)
_EXPANSION = 4


class ClipResNet50x64(nn.Module):
    """Feature maps of normalized images."""

    def __init__(self) -> None:
        super().__init__()
        half = _WIDTH // 2
        self.conv1 = nn.Conv2d(3, half, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(half, half, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(half, _WIDTH, kernel_size=3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(_WIDTH)
        self.relu3 = nn.ReLU()
        self.avgpool = nn.AvgPool2d(2)
        first, second, third, fourth = _BLOCKS_PER_LAYER
        self.layer1 = _layer(_WIDTH, _WIDTH, first, stride=1)
        self.layer2 = _layer(_WIDTH * 4, _WIDTH * 2, second, stride=2)
        self.layer3 = _layer(_WIDTH * 8, _WIDTH * 4, third, stride=2)
        self.layer4 = _layer(_WIDTH * 16, _WIDTH * 8, fourth, stride=2)

    def forward(self, x: Traced) -> Traced:
        """Output of the last layer, on a grid 32 times coarser."""
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        x = self.relu3(self.bn3(self.conv3(x)))  # (B, 128, H/2, W/2)
        x = self.layer1(self.avgpool(x))
        features: Traced = self.layer4(self.layer3(self.layer2(x)))
        return features


class Bottleneck(nn.Module):
    """Residual block whose stride is an average pooling before the last convolution."""

    def __init__(self, c_in: int, c: int, stride: int) -> None:
        super().__init__()
        c_out = c * _EXPANSION
        self.conv1 = nn.Conv2d(c_in, c, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(c, c, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c)
        self.relu2 = nn.ReLU()
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(c, c_out, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.relu3 = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride > 1 or c_in != c_out:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            convolution = nn.Conv2d(c_in, c_out, kernel_size=1, bias=False)
            layers = {"-1": pool, "0": convolution, "1": nn.BatchNorm2d(c_out)}
            self.downsample = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Traced) -> Traced:
        """Output on the input's grid, or on one half as fine."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        residual = self.bn3(self.conv3(self.avgpool(x)))
        output: Traced = self.relu3(residual + shortcut)
        return output


def _layer(c_in: int, c: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(c_in, c, stride)
    return nn.Sequential(first, *(Bottleneck(c * _EXPANSION, c, 1) for _ in range(blocks - 1)))
