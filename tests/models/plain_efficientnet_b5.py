"""EfficientNet-B5, plain, under the keys of the lukemelas port (shared/spec/deepgaze.md, 9.1).

Padding is that of a 456-pixel input whatever the input's size.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# kernel, first stride, output channels, expansion, blocks
STAGES = (
    (3, 1, 24, 1, 3),
    (3, 2, 40, 6, 5),
    (5, 2, 64, 6, 5),
    (3, 2, 128, 6, 7),
    (5, 1, 176, 6, 7),
    (5, 2, 304, 6, 9),
    (3, 1, 512, 6, 3),
)
# zeros left, right, top and bottom, by (kernel, stride)
PADDING = {
    (1, 1): (0, 0, 0, 0),
    (3, 1): (1, 1, 1, 1),
    (5, 1): (2, 2, 2, 2),
    (3, 2): (0, 1, 0, 1),
    (5, 2): (1, 2, 1, 2),
}


class PaddedConv2d(nn.Conv2d):
    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B out _ _"]:
        padding = PADDING[self.kernel_size[0], self.stride[0]]
        return super().forward(F.pad(x, padding) if any(padding) else x)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConvBlock(nn.Module):
    def __init__(
        self, channels: int, out: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide, squeezed = channels * expansion, int(channels * 0.25)
        self.expands = expansion != 1
        self.skips = stride == 1 and channels == out
        if self.expands:
            self._expand_conv = PaddedConv2d(channels, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = PaddedConv2d(
            wide, wide, kernel, stride=stride, groups=wide, bias=False
        )
        self._bn1 = _norm(wide)
        self._se_reduce = PaddedConv2d(wide, squeezed, 1)
        self._se_expand = PaddedConv2d(squeezed, wide, 1)
        self._project_conv = PaddedConv2d(wide, out, 1, bias=False)
        self._bn2 = _norm(out)

    def forward(self, block_input: Float[Tensor, "B C h w"]) -> Float[Tensor, "B out _ _"]:
        x = block_input
        if self.expands:
            x = F.silu(self._bn0(self._expand_conv(x)))
        x = F.silu(self._bn1(self._depthwise_conv(x)))
        gate = F.silu(self._se_reduce(F.adaptive_avg_pool2d(x, 1)))
        x = torch.sigmoid(self._se_expand(gate)) * x
        x = self._bn2(self._project_conv(x))
        return x + block_input if self.skips else x


class EfficientNetB5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = PaddedConv2d(3, 48, 3, stride=2, bias=False)
        self._bn0 = _norm(48)
        self._blocks = nn.ModuleList()
        channels = 48
        for kernel, first_stride, out, expansion, blocks in STAGES:
            for i in range(blocks):
                stride = 1 if i else first_stride
                self._blocks.append(
                    MBConvBlock(channels, out, kernel=kernel, stride=stride, expansion=expansion)
                )
                channels = out
        self._conv_head = PaddedConv2d(channels, 2048, 1, bias=False)
        self._bn1 = _norm(2048)
        self._fc = nn.Linear(2048, 1000)

    def forward(self, image: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B 1000"]:
        x = F.silu(self._bn0(self._conv_stem(image)))
        for block in self._blocks:
            x = block(x)
        x = F.silu(self._bn1(self._conv_head(x)))
        return self._fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
