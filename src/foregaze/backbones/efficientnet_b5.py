"""EfficientNet-B5 under the names and with the padding of its first PyTorch port.

Tan & Le (2019), arXiv:1905.11946: width 1.6 and depth 2.2 times those of B0, squeeze-and-excitation
in every block. The port (lukemelas/EfficientNet-PyTorch) pads every convolution as a 456-pixel
input needs it, whatever the size of the input: `_PADDING`. Other ports pad symmetrically, or by
the input's size, and see other pixels.
"""

from torch import Tensor, nn

from foregaze.backbones.cutting import Traced

_STAGES = (
    # blocks, kernel, first stride, output channels, expansion
    (3, 3, 1, 24, 1),
    (5, 3, 2, 40, 6),
    (5, 5, 2, 64, 6),
    (7, 3, 2, 128, 6),
    (7, 5, 1, 176, 6),
    (9, 5, 2, 304, 6),
    (3, 3, 1, 512, 6),
)
_STEM_CHANNELS, _HEAD_CHANNELS = 48, 2048
_PADDING = {
    # (kernel, stride): left, right, top, bottom
    (1, 1): (0, 0, 0, 0),
    (3, 1): (1, 1, 1, 1),
    (5, 1): (2, 2, 2, 2),
    (3, 2): (0, 1, 0, 1),
    (5, 2): (1, 2, 1, 2),
}


class EfficientNetB5(nn.Module):
    """The whole classifier, for normalized images."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _convolution(3, _STEM_CHANNELS, kernel=3, stride=2)
        self._bn0 = _batch_norm(_STEM_CHANNELS)
        blocks: list[Block] = []
        c_in = _STEM_CHANNELS
        for n, kernel, first_stride, c_out, expansion in _STAGES:
            for number in range(n):
                stride = first_stride if number == 0 else 1
                blocks.append(Block(c_in, c_out, kernel, stride, expansion))
                c_in = c_out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _convolution(c_in, _HEAD_CHANNELS, kernel=1)
        self._bn1 = _batch_norm(_HEAD_CHANNELS)
        self._swish = nn.SiLU()
        self._pool = nn.AdaptiveAvgPool2d(1)
        self._fc = nn.Linear(_HEAD_CHANNELS, 1000)

    def forward(self, x: Traced) -> Traced:
        """Logits of ImageNet's classes."""
        x = self._swish(self._bn0(self._conv_stem(x)))  # (B, 48, H/2, W/2)
        for block in self._blocks:
            x = block(x)
        x = self._swish(self._bn1(self._conv_head(x)))  # (B, 2048, H/32, W/32)
        x = self._pool(x).flatten(1)  # (B, 2048)
        logits: Traced = self._fc(x)
        return logits


class Block(nn.Module):
    """Inverted bottleneck: expand, filter each channel, weigh the channels, project."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        c = c_in * expansion
        self.expands = expansion > 1
        self.skips = stride == 1 and c_in == c_out
        if self.expands:
            self._expand_conv = _convolution(c_in, c, kernel=1)
            self._bn0 = _batch_norm(c)
        self._depthwise_conv = _convolution(c, c, kernel, stride, groups=c)
        self._bn1 = _batch_norm(c)
        self._pool = nn.AdaptiveAvgPool2d(1)
        self._se_reduce = nn.Conv2d(c, c_in // 4, kernel_size=1)
        self._se_expand = nn.Conv2d(c_in // 4, c, kernel_size=1)
        self._project_conv = _convolution(c, c_out, kernel=1)
        self._bn2 = _batch_norm(c_out)
        self._swish = nn.SiLU()
        self._gate = nn.Sigmoid()

    def forward(self, x: Traced) -> Traced:
        """Output on the input's grid, or on one half as fine."""
        block_input = x
        if self.expands:
            x = self._swish(self._bn0(self._expand_conv(x)))
        x = self._swish(self._bn1(self._depthwise_conv(x)))
        weights = self._se_expand(self._swish(self._se_reduce(self._pool(x))))  # (B, C, 1, 1)
        projected = self._bn2(self._project_conv(self._gate(weights) * x))
        output: Traced = projected + block_input if self.skips else projected
        return output


class PaddedConv2d(nn.Conv2d):
    """Convolution of a zero-padded input that may be padded more on one side."""

    def __init__(self, *args: int, sides: tuple[int, int, int, int], **kwargs: int | bool) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.sides = sides

    def forward(self, x: Tensor) -> Tensor:
        """Pad by `sides` (left, right, top, bottom), then convolve."""
        return super().forward(nn.functional.pad(x, self.sides))


def _convolution(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    left, right, top, bottom = sides = _PADDING[kernel, stride]
    if left == right and top == bottom:
        return nn.Conv2d(c_in, c_out, kernel, stride, (top, left), groups=groups, bias=False)
    return PaddedConv2d(c_in, c_out, kernel, stride, groups=groups, bias=False, sides=sides)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
