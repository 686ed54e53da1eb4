"""DeepGaze checkpoints as checkpoints of ours, with a model card for people.

Every number stays as it is; what changes is the layout, which holds only what predictions need.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import foregaze
from foregaze.backbones.downloads import cached_download, file_sha256
from foregaze.backbones.weights import is_ready_offline, resolve_weights
from foregaze.config import make_config
from foregaze.errors import ShapeError, UnknownNameError, WeightsError
from foregaze.inference.centerbias import checked_centerbias, read_log_density
from foregaze.inference.published import read_deepgaze, with_networks
from foregaze.inference.zoo import ZOO
from foregaze.models import MODELS, DeepGazeMSDB
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.checkpoint_file import CHECKPOINT_SUFFIX, read_header
from foregaze.models.deepgaze import DeepGaze
from foregaze.models.deepgaze3 import DeepGaze3Config
from foregaze.models.deepgaze_config import DeepGazeConfig
from foregaze.models.deepgaze_release import RELEASES

_THESIS = "Morello (2025), MSc thesis"
CITATIONS = {
    "deepgaze1": "Kümmerer, Theis & Bethge (2015), Deep Gaze I: boosting saliency prediction with "
    "feature maps trained on ImageNet, arXiv:1411.1045; the version that was retrained for PyTorch",
    "deepgaze2": "Kümmerer, Wallis & Bethge (2016), DeepGaze II: reading fixations from deep "
    "features trained on object recognition, arXiv:1610.01563",
    "deepgaze2e": "Linardos, Kümmerer, Press & Bethge (2021), DeepGaze IIE: calibrated prediction "
    "in and out-of-domain for state-of-the-art saliency modeling, ICCV, arXiv:2105.12441",
    "deepgaze3": "Kümmerer, Bethge & Wallis (2022), DeepGaze III: modeling free-viewing human "
    "scanpaths with deep learning, Journal of Vision 22(5):7",
    "deepgaze-msdb": "Kümmerer, Khanuja & Bethge (2025), Modeling saliency dataset bias, ICCV, "
    "arXiv:2505.10169",
    "dinogaze": f"{_THESIS}, DinoGaze",
    "dinogaze-spade": f"{_THESIS}, DinoGaze-SPADE",
    "deepgaze-spade-static": f"{_THESIS}, DeepGaze III-SPADE with learned embeddings",
    "deepgaze-spade-dynamic": f"{_THESIS}, DeepGaze III-SPADE with semantic painting",
    "deepgaze-spade-hybrid": f"{_THESIS}, DeepGaze III-SPADE with painting by DINOv2",
}

_SCHEMES = ("package", "shipped", "hub", "http", "https", "random")
"""What sources of weights that are no paths begin with (see `foregaze.backbones.weights`)."""


@dataclass(frozen=True, eq=False)
class Converted:
    """A model on its way into a checkpoint of ours."""

    name: str
    """Of the architecture."""
    model: DeepGaze | DeepGazeMSDB
    card: Mapping[str, Any]
    """What the checkpoint will say of its origin."""

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        save_checkpoint(self.model, path, self.card)

    def page(self, path: Path) -> str:
        """The model card in Markdown, for the checkpoint with a path."""
        rows = {
            "architecture": f"`{self.name}`: {ZOO[self.name].description}",
            "source": f"`{self.card['source']}`",
            "SHA-256 of the source": f"`{self.card['source_sha256']}`",
            "licence": self.card["licence"],
            "paper": self.card["citation"],
            "converted by": self.card["converted_by"],
            "networks": self._networks(),
            "images": self._resolution(),
            "center bias": self._centerbias(),
            "history": self._history(),
        }
        table = "\n".join(f"| {what} | {_cell(text)} |" for what, text in rows.items())
        return (
            f"# {path.name}\n\n"
            "A DeepGaze checkpoint in the format of foregaze; no number was changed.\n\n"
            f"| | |\n|---|---|\n{table}\n\n"
            "## How to load it\n\n"
            f"```python\nimport foregaze\n\nmodel = foregaze.load_model({json.dumps(path.name)})\n"
            f"prediction = model.predict({self._call()})\n```\n\n"
            f"```sh\nforegaze predict photo.jpg --model {path.name}\n```\n"
        )

    def _networks(self) -> str:
        config = self.model.config
        elsewhere = [f"{b.name} from `{b.source}`" for b in config.backbones if b.source]
        inside = [b.name for b in config.backbones if b.source is None]
        parts = [f"{', '.join(inside)} in this file"] if inside else []
        if elsewhere:
            parts.append(f"not in this file, which holds their SHA-256: {', '.join(elsewhere)}")
        return "; ".join(parts)

    def _resolution(self) -> str:
        config = self.model.config
        if isinstance(self.model, DeepGazeMSDB):
            return "any; give `pixels_per_degree`, which the model needs"
        if config.working_size is not None:
            height, width = config.working_size
            return f"any; brought to the area of {width}x{height} pixels"
        if config.px_per_dva is None:
            return "any, seen as they are"
        return (
            f"{config.px_per_dva:g} pixels per degree of visual angle, such as 1024x768; others "
            "are rescaled where `pixels_per_degree` is given"
        )

    def _centerbias(self) -> str:
        size = self.model.config.centerbias_size
        if size is None:
            return (
                "none in this file: save centerbias_mit1003.npy beside it, which is then used "
                "where `centerbias` is not given"
            )
        from_file = "centerbias" in self.card
        origin = f"from {self.card['centerbias']}" if from_file else "of its training"
        return (
            f"in this file, {size[1]}x{size[0]}, {origin}; resized to the image, and used where "
            "`centerbias` is not given"
        )

    def _history(self) -> str:
        config = self.model.config
        if not isinstance(config, DeepGaze3Config):
            return "none"
        return (
            f"the last {config.history} fixations, oldest first; where none are given, "
            "one at the image's center"
        )

    def _call(self) -> str:
        arguments = ['"photo.jpg"']
        if self.model.sees_history:
            arguments.append("x_hist=[400, 120], y_hist=[300, 80]")
        if isinstance(self.model, DeepGazeMSDB) or self.model.config.px_per_dva is not None:
            arguments.append("pixels_per_degree=35")
        return ", ".join(arguments)


def read_for_conversion(
    name: str,
    source: str,
    centerbias: Path | None = None,
    networks: Mapping[str, str] | None = None,
) -> Converted:
    """Read all that is to be converted.

    Args:
        name: Of a DeepGaze model.
        source: A published checkpoint or one of ours (see `foregaze.backbones.weights`).
        centerbias: A .npy file with the log density that shall be the model's own center bias.
        networks: Sources of the weights of networks that are not part of a published file, by the
            networks' names; where they were published where left out.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If weights are missing, or the checkpoint is not one of the model.
        DataError: If the center bias cannot be read.
        ShapeError: If it does not sum to one.
    """
    if name not in CITATIONS:
        raise UnknownNameError("DeepGaze model", name, CITATIONS)
    own = None if centerbias is None else _read_centerbias(centerbias)
    path = resolve_weights(source)
    _need_frozen_weights(name, path, networks or {})
    model, card = read_deepgaze(name, path, networks)
    published = path.suffix != CHECKPOINT_SUFFIX
    licence = RELEASES[name].licence if published else "not stated"
    card = {"licence": licence, "citation": CITATIONS[name]} | card
    card |= {
        "source": source.partition("#")[0] if "://" in source else path.name,
        "source_sha256": file_sha256(path),
        "converted_by": f"foregaze {foregaze.__version__}",
    }
    model.config = _with_absolute_paths(model.config)
    if own is not None and centerbias is not None:
        model.config = model.config.model_copy(update={"centerbias_size": tuple(own.shape)})
        model.register_buffer("centerbias", own)
        card["centerbias"] = centerbias.name
    return Converted(name, model, card)


def _read_centerbias(path: Path) -> torch.Tensor:
    log_density = read_log_density(path)
    height, width = log_density.shape
    try:
        checked = checked_centerbias(log_density, (height, width))
    except ShapeError as error:
        raise ShapeError(f"{path}: {error}") from error
    if not np.isfinite(checked).all():
        raise ShapeError(
            f"{path}: is minus infinity somewhere, which cannot be resized: mix in a little of "
            "the uniform density"
        )
    return torch.from_numpy(checked).float()


def _with_absolute_paths(config: DeepGazeConfig) -> DeepGazeConfig:
    """The same, with local weights of networks found from any working folder."""
    backbones = []
    for backbone in config.backbones:
        source = backbone.source
        if source is not None and not _is_remote(source):
            backbone = backbone.model_copy(update={"weights": str(Path(source).absolute())})
        backbones.append(backbone)
    return config.model_copy(update={"backbones": tuple(backbones)})


def _is_remote(source: str) -> bool:
    return source.partition(":")[0] in _SCHEMES and ":" in source


def _need_frozen_weights(name: str, path: Path, networks: Mapping[str, str]) -> None:
    """Have the weights that the checkpoint will name by their SHA-256.

    Raises:
        WeightsError: Names all that cannot be had, and where they belong.
    """
    kind = MODELS[name]
    config = kind.Config()
    if path.suffix == CHECKPOINT_SUFFIX:
        header = read_header(path)
        if header.architecture != name:
            return  # which reading it will say
        config = make_config(kind.Config, header.config, str(path))
    missing = []
    for source in with_networks(config, networks).frozen_weights:
        try:
            if not is_ready_offline(source):
                resolve_weights(source)
        except WeightsError as error:
            place = f" (save it as {cached_download(source)})" if "://" in source else f" ({error})"
            missing.append(source.partition("#")[0] + place)
    if missing:
        raise WeightsError(
            f"the networks of {name!r} are not part of its checkpoint, which is to name them by "
            f"their SHA-256; {len(missing)} cannot be had: {'; '.join(missing)}"
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
