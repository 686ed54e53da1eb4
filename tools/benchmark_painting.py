"""Memory and time of semantic painting against a painted map at the image's size.

`python tools/benchmark_painting.py` paints 1024 channels on 55x74 patches of one image of 768x1024
pixels, with 16 and 64 segments, on a grid of 55x74 cells, and prints for each:

- peak memory over that of the inputs, layout and result included, each version in a process of its
  own that has painted something small before;
- the time of `foregaze.ops.painting` against that of the map at the image's size, layout included,
  in turns, and the same of `paint` alone, for a layout that is kept; medians;
- the largest difference between the two results, whose values vary by about 0.1, and that of some
  channels in double precision: in single precision, interpolation rounds the places of its cells.

Linux; run it on an idle machine with 6 GB to spare.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from foregaze.ops.painting import SegmentLayout, batched, lay_out, paint
from foregaze.types import Size
from timing import medians_ms

CHANNELS = 1024
PATCHES: Size = (55, 74)
SIZE: Size = (768, 1024)
SEGMENTS = (16, 64)
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Has glibc return freed memory at once: else what inputs left behind would be used unseen."""


def inputs(count: int, size: Size, patches: Size) -> tuple[Tensor, Tensor]:
    """Features (1, C, p, q), and segments (H, W): each pixel's nearest of some random points."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, CHANNELS, *patches, generator=generator)
    points = torch.rand(count, 2, generator=generator) * torch.tensor(size)
    columns = torch.arange(size[1])
    rows = [
        ((row - points[:, :1]).square() + (columns - points[:, 1:]).square()).argmin(0)
        for row in range(size[0])
    ]
    return features, torch.stack(rows).int()


def laid_out(features: Tensor, ids: Tensor) -> SegmentLayout:
    """The layout of one image; patches are the cells of the wanted grid, too."""
    grid = (features.shape[-2], features.shape[-1])
    return batched([lay_out(ids, grid, grid)]).matching(features)


def compact(features: Tensor, ids: Tensor) -> Tensor:
    """As the models paint."""
    return paint(features, laid_out(features, ids))


def at_image_size(features: Tensor, ids: Tensor) -> Tensor:
    """By the definition: every pixel in its segment's mean feature, then interpolated."""
    grid = features.shape[-2:]
    patches, count = grid.numel(), int(ids.max()) + 1
    numbers = torch.arange(patches, dtype=torch.float32).view(1, 1, *grid)
    patch = F.interpolate(numbers, size=ids.shape, mode="nearest-exact")[0, 0].long()
    area = torch.bincount((ids * patches + patch).flatten(), minlength=count * patches)
    areas = area.view(count, patches).to(features)
    means = features[0].flatten(1) @ (areas / areas.sum(1, keepdim=True)).T  # (C, S)
    whole = means.index_select(1, ids.flatten()).view(1, -1, *ids.shape)
    return F.interpolate(whole, size=tuple(grid), mode="bilinear", align_corners=False)


VERSIONS = {"compact": compact, "at image size": at_image_size}


def report(count: int, runs: int) -> None:
    """Print the figures for some number of segments."""
    features, ids = inputs(count, SIZE, PATCHES)
    few = features[:, ::64].double()
    single, double = (
        (compact(x, ids) - at_image_size(x, ids)).abs().max().item() for x in (features, few)
    )
    kept = laid_out(features, ids)
    ms = medians_ms(
        {
            "compact": lambda: compact(features, ids),
            "kept": lambda: paint(features, kept),
            "at image size": lambda: at_image_size(features, ids),
        },
        runs,
    )
    mb = {version: peak_mb(version, count) for version in VERSIONS}
    print(
        f"{count} segments: peak memory {mb['compact']:.0f} MB against {mb['at image size']:.0f} "
        f"MB at the image's size, 1/{mb['at image size'] / mb['compact']:.0f}; time "
        f"{ms['compact']:.0f} ms against {ms['at image size']:.0f} ms, "
        f"1/{ms['at image size'] / ms['compact']:.0f}, and {ms['kept']:.1f} ms with a kept "
        f"layout; largest difference {single:.1e}, in double precision {double:.1e}"
    )


def peak_mb(version: str, count: int) -> float:
    """Peak resident memory over that of the inputs, in a process of its own."""
    command = [sys.executable, __file__, "--memory", version, "--segments", str(count)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | GIVEN_BACK
    )
    return float(done.stdout)


def print_peak(version: str, count: int) -> None:
    """Paint once and print what it needed at its peak, in MB."""
    VERSIONS[version](*inputs(count, (48, 64), (4, 5)))
    features, ids = inputs(count, SIZE, PATCHES)
    status = Path("/proc/self/status")
    before = _kilobytes(status, "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    VERSIONS[version](features, ids)
    print((_kilobytes(status, "VmHWM") - before) / 1024)


def _kilobytes(status: Path, key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+)", status.read_text())
    assert found is not None
    return int(found.group(1))


@torch.inference_mode()
def main() -> None:
    """Print a line for each number of segments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--segments", type=int, nargs="+", default=[*SEGMENTS])
    parser.add_argument("--memory", choices=[*VERSIONS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print_peak(arguments.memory, arguments.segments[0])
        return
    print(f"{torch.get_num_threads()} thread(s), medians of {arguments.runs} runs")
    for count in arguments.segments:
        report(count, arguments.runs)


if __name__ == "__main__":
    main()
