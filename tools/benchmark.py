"""Time `predict` against bare passes of the backbone, all in one run.

For each shipped model: the median time of `predict` for one 800x600 image (an array in memory,
model loaded), of its own backbone passes alone in the same runtime, and of one pass of Lite2 at
768x576 plus one at 384x288. Prints ratios, whose parts alternate so that the machine's drift
cancels, and milliseconds. Run with OMP_NUM_THREADS=1 for one core.
"""

import argparse
import io
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

import foregaze
from foregaze.backbones.staged import create_backbone, default_weights
from foregaze.images import read_image
from foregaze.inference.zoo import shipped_models
from foregaze.models.trunk_mixture import TrunkMixtureConfig

Pass = Callable[[], object]


class Stages(nn.Module):
    """The stages of a backbone, and nothing else."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.stages = create_backbone(name, default_weights(name)).stages

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Output of the last stage."""
        for stage in self.stages:
            x = stage(x)
        return x


def backbone_pass(name: str, size: tuple[int, int]) -> Pass:
    """One pass of a backbone in ONNX Runtime, with as many threads as PyTorch has."""
    x = torch.zeros(1, 3, *size)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Stages(name).eval(), (x,), buffer, input_names=["x"], opset_version=18, dynamo=False
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        buffer.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    inputs = {"x": np.random.default_rng(0).random(x.shape, dtype=np.float32)}
    return lambda: session.run(None, inputs)


def medians_ms(passes: list[Pass], runs: int) -> list[float]:
    """Median time of each pass in milliseconds; the passes take turns."""
    times: list[list[float]] = [[] for _ in passes]
    for run in range(runs + 2):
        for each, one in zip(times, passes, strict=True):
            start = time.perf_counter()
            one()
            if run >= 2:  # two rounds to warm up
                each.append(time.perf_counter() - start)
    return [1000 * statistics.median(each) for each in times]


def main() -> None:
    """Print one line per shipped model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osie", type=Path, required=True, help="folder of OSIE")
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    image = read_image(sorted((arguments.osie / "stimuli").glob("*.jpg"))[0])
    lite2 = "tf_efficientnet_lite2"
    reference = [backbone_pass(lite2, (576, 768)), backbone_pass(lite2, (288, 384))]
    print(f"{torch.get_num_threads()} thread(s), medians of {arguments.runs} runs")
    for name in shipped_models():
        model = foregaze.load_model(name, device="cpu")
        config: TrunkMixtureConfig = model.model.config
        own = backbone_pass(config.backbone, config.input_size)
        predict, bare, large, small = medians_ms(
            [lambda model=model: model.predict(image), own, *reference], arguments.runs
        )
        print(
            f"{name}: predict {predict:.1f} ms; {predict / bare:.2f}x its backbone pass alone "
            f"({bare:.1f} ms); {predict / (large + small):.2f}x Lite2 at 768x576 plus 384x288 "
            f"({large + small:.1f} ms)"
        )


if __name__ == "__main__":
    main()
