"""Time `predict` against bare passes of the backbone, all in one run.

For each shipped model: the median time of `predict` for one 800x600 image (an array in memory,
model loaded), of its own backbone passes alone in the same runtime, and of one pass of Lite2 at
768x576 plus one at 384x288. Prints ratios, whose parts alternate so that the machine's drift
cancels, and milliseconds. Of the scanpath model it times the next fixation, its image ready. Run
with OMP_NUM_THREADS=1 for one core.
"""

import argparse
import io
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
from foregaze.inference.conditional import Extent
from foregaze.inference.zoo import shipped_models
from foregaze.models.trunk_mixture import TrunkMixtureConfig
from timing import medians_ms

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


def time_spatial(name: str, image: np.ndarray, reference: dict[str, Pass], runs: int) -> None:
    """Print what a prediction costs, against bare passes."""
    model = foregaze.load_model(name, device="cpu")
    config: TrunkMixtureConfig = model.model.config
    own = backbone_pass(config.backbone, config.input_size)
    passes: dict[str, Pass] = {"predict": lambda: model.predict(image), "bare": own, **reference}
    ms = medians_ms(passes, runs)
    pair = ms["large"] + ms["small"]
    print(
        f"{name}: predict {ms['predict']:.1f} ms; {ms['predict'] / ms['bare']:.2f}x its backbone "
        f"pass alone ({ms['bare']:.1f} ms); {ms['predict'] / pair:.2f}x Lite2 at 768x576 plus "
        f"384x288 ({pair:.1f} ms)"
    )


def time_scanpaths(name: str, image: np.ndarray, runs: int) -> None:
    """Print what another fixation of all scanpaths costs, against what the image costs once."""
    model = foregaze.load_model(name, device="cpu")
    conditional = model.on(image)
    nothing = np.empty((0, 2))
    passes: dict[str, Pass] = {
        "image": lambda: model.on(image),
        "predict": lambda: conditional(nothing),
        **{
            f"{n} {length}": lambda n=n, length=length: conditional.viewings(
                nothing, n, Extent(length=length), 0
            )
            for n in (10, 100)
            for length in (1, 11)
        },
    }
    ms = medians_ms(passes, runs)
    ten, hundred = ((ms[f"{n} 11"] - ms[f"{n} 1"]) / 10 for n in (10, 100))
    print(
        f"{name}: one more fixation and its duration of 10 scanpaths {ten:.1f} ms, of 100 "
        f"{hundred:.1f} ms; the image {ms['image']:.1f} ms, once; a density after a history "
        f"{ms['predict']:.1f} ms"
    )


def main() -> None:
    """Print one line per shipped model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osie", type=Path, required=True, help="folder of OSIE")
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    image = read_image(sorted((arguments.osie / "stimuli").glob("*.jpg"))[0])
    lite2 = "tf_efficientnet_lite2"
    reference = {
        "large": backbone_pass(lite2, (576, 768)),
        "small": backbone_pass(lite2, (288, 384)),
    }
    print(f"{torch.get_num_threads()} thread(s), medians of {arguments.runs} runs")
    for name in shipped_models():
        if name == "default-scanpath":
            time_scanpaths(name, image, arguments.runs)
        else:
            time_spatial(name, image, reference, arguments.runs)


if __name__ == "__main__":
    main()
