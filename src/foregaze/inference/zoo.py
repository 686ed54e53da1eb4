"""Models by name: what there is, where its weights come from, and how it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foregaze.backbones.weights import is_ready_offline, resolve_weights
from foregaze.config import make_config
from foregaze.errors import ConfigError, UnknownNameError, WeightsError
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.inference.predictor import Predictor
from foregaze.inference.published import PRECISIONS, load_deepgaze
from foregaze.inference.scanpath_predictor import ScanpathPredictor
from foregaze.inference.trunk_predictor import TrunkPredictor
from foregaze.models import MODELS, DeepGaze, DeepGazeMSDB, ScanpathMixture, TrunkMixture
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.checkpoint_file import CHECKPOINT_SUFFIX, read_header
from foregaze.models.deepgaze_config import DeepGazeConfig
from foregaze.models.deepgaze_release import RELEASES
from foregaze.ops.device import device_named


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be loaded by name."""

    weights: str | None
    """Source of its checkpoint (see `foregaze.backbones.weights`); None where none is published."""
    description: str
    licence: str
    architecture: str = "trunk-mixture"
    """Of our own models; DeepGaze models have their name's."""
    mirrored: bool = False
    """Whether it averages the densities of an image and of its mirror image."""


ZOO: dict[str, ModelEntry] = {
    "default": ModelEntry(
        "shipped:default.safetensors",
        "where people look; one pass of EfficientNet-Lite2 at 768x576",
        "MIT",
    ),
    "default-best": ModelEntry(
        "shipped:default-best.safetensors",
        "two branches, averaged over the image and its mirror image; 2.5 times the time",
        "MIT",
        mirrored=True,
    ),
    "default-fast": ModelEntry(
        "shipped:default-fast.safetensors",
        "one pass of EfficientNet-Lite0 at 416x320; a fifth of the time",
        "MIT",
    ),
    "default-scanpath": ModelEntry(
        "shipped:default-scanpath.safetensors",
        "where people look next and for how long; the default model's one pass for all steps",
        "MIT",
        architecture="scanpath-mixture",
    ),
    "deepgaze1": ModelEntry(
        RELEASES["deepgaze1"].source,
        "DeepGaze I: a linear readout of AlexNet",
        RELEASES["deepgaze1"].licence,
    ),
    "deepgaze2": ModelEntry(
        None, "DeepGaze II: a deep readout of VGG-19, to be trained", "none published"
    ),
    "deepgaze2e": ModelEntry(
        RELEASES["deepgaze2e"].source,
        "DeepGaze IIE: 120 readouts of four networks",
        RELEASES["deepgaze2e"].licence,
    ),
    "deepgaze3": ModelEntry(
        RELEASES["deepgaze3"].source,
        "DeepGaze III: the next fixation after the last four, on DenseNet-201",
        RELEASES["deepgaze3"].licence,
    ),
    "deepgaze-msdb": ModelEntry(
        RELEASES["deepgaze-msdb"].source,
        "DeepGaze MSDB: CLIP and DINOv2 at ten scales, parameters for five data sets",
        RELEASES["deepgaze-msdb"].licence,
    ),
    "dinogaze": ModelEntry(
        None, "DinoGaze: DeepGaze III's networks on DINOv2, to be trained", "none published"
    ),
    "dinogaze-spade": ModelEntry(
        None, "DinoGaze-SPADE: guided by the image's segments, to be trained", "none published"
    ),
    "deepgaze-spade-static": ModelEntry(
        None, "DeepGaze III guided by learned segment vectors, to be trained", "none published"
    ),
    "deepgaze-spade-dynamic": ModelEntry(
        None, "DeepGaze III guided by segments in its own features, to be trained", "none published"
    ),
    "deepgaze-spade-hybrid": ModelEntry(
        None,
        "DeepGaze III guided by segments in DINOv2's features, to be trained",
        "none published",
    ),
}


def shipped_models() -> list[str]:
    """Names of the models whose weights are part of foregaze."""
    return sorted(n for n, e in ZOO.items() if e.weights and e.weights.startswith("shipped:"))


def list_models() -> list[str]:
    """Names that `load_model` knows."""
    return sorted(ZOO)


def ready_offline(name: str) -> bool:
    """Whether all weights of a model of the zoo are here, those of its networks included."""
    weights = ZOO[name].weights
    config = deepgaze_config(name)
    sources = () if config is None else config.frozen_weights
    return weights is not None and all(map(is_ready_offline, (weights, *sources)))


def deepgaze_config(name: str) -> DeepGazeConfig | None:
    """Configuration of a DeepGaze model, by its name or its checkpoint's path; None for others."""
    architecture = _deepgaze_architecture(name)
    if architecture is None:
        return None
    kind = MODELS[architecture].Config
    config = kind() if name in ZOO else make_config(kind, read_header(Path(name)).config, name)
    assert isinstance(config, DeepGazeConfig)
    return config


def _deepgaze_architecture(name: str) -> str | None:
    architecture = name
    if name not in ZOO:
        path = Path(name)
        if not name.endswith(CHECKPOINT_SUFFIX) or not path.is_file():
            return None
        architecture = read_header(path).architecture
    kind = MODELS.get(architecture, TrunkMixture)
    return architecture if issubclass(kind, DeepGaze | DeepGazeMSDB) else None


def load_model(
    name: str = "default",
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    mirrored: bool | None = None,
    precision: str = "float32",
    compiled: bool = False,
    networks: Mapping[str, str] | None = None,
) -> Predictor:
    """A model ready to predict.

    Our own models run in ONNX Runtime on the CPU where the checkpoint holds a graph, elsewhere in
    PyTorch; log densities agree within 1e-4. Published DeepGaze models are downloaded when they
    are first loaded by name without a checkpoint.

    Args:
        name: A name from `list_models`, or the path of one of our checkpoints.
        checkpoint: Weights to use in place of those that the named model comes with: a file of
            ours, or for DeepGaze models a published one, as a path or another source.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU where there is one.
        mirrored: Average the density with that of the mirror image, at twice the time; None for
            what the named model does. Not for DeepGaze models.
        precision: "float32", or "bfloat16" or "float16" for the backbone of DeepGaze models.
        compiled: Compile the backbone of DeepGaze models with `torch.compile`: the first images of
            a size take long, later ones less time.
        networks: For `deepgaze-msdb` and others whose networks are not part of the checkpoint,
            sources of their weights by name, such as
            `{"clip_rn50x64": "open_clip_model.safetensors"}`, in place of where they were
            published or the checkpoint says.

    Raises:
        UnknownNameError: If there is neither such a name nor such a file.
        WeightsError: If weights are missing or do not fit.
        ConfigError: If the device is not there, or an option is not for this model.
    """
    target = device_named(device)
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if _deepgaze_architecture(name) is not None:
        if mirrored:
            raise ConfigError(f"model {name!r} is not averaged over mirror images")
        return load_deepgaze(
            name,
            None if checkpoint is None else str(checkpoint),
            ZOO[name].weights if name in ZOO else name,
            target,
            precision=precision,
            compiled=compiled,
            networks=networks,
        )
    if precision != "float32" or compiled or networks:
        raise ConfigError(
            f"precision, compiled and networks are for DeepGaze models, not for {name!r}"
        )
    path = _checkpoint_path(name, checkpoint)
    loaded = load_checkpoint(path)
    model = loaded.model
    kind = MODELS[ZOO[name].architecture] if name in ZOO else TrunkMixture | ScanpathMixture
    if not isinstance(model, kind):
        raise WeightsError(
            f"{path}: is a checkpoint of another architecture than {name!r}; give its path as the "
            "model"
        )
    if target.type == "cpu" and loaded.graph is not None:
        engine = OnnxEngine(loaded.graph, model.state_dict())
    else:
        engine = None
        model.to(target)
    if isinstance(model, ScanpathMixture):
        if mirrored:
            raise ConfigError(f"model {name!r} is not averaged over mirror images")
        return ScanpathPredictor(name, model, engine or model, target, loaded.card)
    if mirrored is None:
        mirrored = name in ZOO and ZOO[name].mirrored
    return TrunkPredictor(name, model, engine or model, target, loaded.card, mirrored=mirrored)


def _checkpoint_path(name: str, checkpoint: str | Path | None) -> Path:
    if name in ZOO:
        return resolve_weights(str(ZOO[name].weights if checkpoint is None else checkpoint))
    if checkpoint is None and name.endswith(CHECKPOINT_SUFFIX):
        return resolve_weights(name)
    if checkpoint is not None and name.endswith(CHECKPOINT_SUFFIX):
        raise WeightsError(f"model {name!r} is a checkpoint itself; give one of the two")
    raise UnknownNameError("model", name, [*ZOO, f"(path of a {CHECKPOINT_SUFFIX} file)"])
