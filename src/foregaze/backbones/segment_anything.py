"""Segment Anything's networks, as transformers has them: what belongs to a point of an image.

Kirillov et al. (2023), arXiv:2304.02643; Ravi et al. (2024), arXiv:2408.00714. The image goes
through the encoder once, points in batches through the decoder, which proposes three regions for
each. `P` points, `N` regions, `h w` the wanted grid.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from foregaze.backbones.downloads import file_sha256, first_line
from foregaze.backbones.weights import resolve_weights
from foregaze.errors import ConfigError, ShapeError, WeightsError
from foregaze.ops.device import device_named
from foregaze.types import ImageArray, Size

FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
"""What a checkpoint consists of."""

KINDS = {
    "sam": ("SamModel", "SamImageProcessor"),
    "sam2": ("Sam2Model", "Sam2ImageProcessor"),
    "sam2_video": ("Sam2Model", "Sam2ImageProcessor"),  # released checkpoints; its image half
}
"""Classes of transformers by a checkpoint's `model_type`."""

_MOST_ASPECT = 256
_INSTALL = "pip install 'foregaze[segment-anything]'"
_LAYOUT = "a folder with " + ", ".join(FILES)

Regions = tuple[Float[Tensor, "N h w"], Float[Tensor, " N"]]
"""Logits, and scores: the overlap that the network expects each region to have with a true one."""
Proposals = Callable[[Float[Tensor, "P 2"], Size, float], Regions]
"""From points, in shares of width and height, and a grid to the regions that score above a number,
the three of the first point first."""


class SegmentAnythingNetwork:
    """A checkpoint, ready for images.

    Raises:
        ConfigError: If transformers is not installed, or there is no such device.
        WeightsError: If the checkpoint is not there or does not fit.
    """

    def __init__(self, source: str, device: str = "auto") -> None:
        _import_transformers()
        self.source = source
        self.device = device_named(device)
        folder = _folder(source)
        self.network, self.processor = _load(folder, source)
        self.network.to(self.device)
        self.made_with = {
            "transformers": version("transformers"),
            "device": self.device.type,
            **{f"{Path(file).stem}_sha256": file_sha256(folder / file) for file in FILES},
        }

    @torch.inference_mode()
    def on(self, image: ImageArray) -> Proposals:
        """Run the encoder on an image, and give what answers for points.

        Raises:
            ShapeError: If the image is a strip that its network cannot see.
        """
        height, width = image.shape[:2]
        if max(height, width) > _MOST_ASPECT * min(height, width):
            raise ShapeError(
                f"an image of {width}x{height} pixels is too narrow to be segmented; expected "
                f"sides of at most 1 to {_MOST_ASPECT}"
            )
        image = np.array(image)  # PyTorch warns of arrays that cannot be written to
        seen = self.processor(images=image, input_data_format="channels_last", return_tensors="pt")
        pixels = seen["pixel_values"]
        try:
            embeddings = self.network.get_image_embeddings(pixels.to(self.device))
        except ValueError as error:  # of its own on sizes
            raise WeightsError(
                f"{self.source}: the network refuses what its preprocessor_config.json asks for "
                f"({first_line(error)})"
            ) from error
        padded: Size = (pixels.shape[-2], pixels.shape[-1])
        inner: Size | None = None
        if "reshaped_input_sizes" in seen:  # the image lies in the padded square's corner
            tall, wide = (int(side) for side in seen["reshaped_input_sizes"][0])
            inner = tall, wide

        @torch.inference_mode()
        def propose(points: Float[Tensor, "P 2"], size: Size, above: float) -> Regions:
            tall, wide = inner or padded
            places = (points * torch.tensor([wide, tall])).to(self.device)[None, :, None]
            found = self.network(
                image_embeddings=embeddings, input_points=places, multimask_output=True
            )
            scores = found.iou_scores[0].float().flatten()
            good = scores > above
            logits = found.pred_masks[0].float().flatten(0, 1)[good][:, None]  # (N, 1, ...)
            if inner is not None and len(logits):
                logits = F.interpolate(logits, padded, mode="bilinear")
                logits = logits[..., : inner[0], : inner[1]]
            if len(logits):
                logits = F.interpolate(logits, size, mode="bilinear")
            return logits.reshape(-1, *size).cpu(), scores[good].cpu()

        return propose


def point_grid(per_side: int) -> Float[Tensor, "P 2"]:
    """Points x, y at the centers of equal cells, row after row, in shares of the image's sides."""
    along = (np.arange(per_side) + 0.5) / per_side
    y, x = np.meshgrid(along, along, indexing="ij")
    return torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1)).float()


def _import_transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(
            f"segment-anything needs the package transformers ({first_line(error)}): {_INSTALL}"
        ) from error
    if int(transformers.__version__.split(".")[0]) < 5:
        raise ConfigError(
            f"segment-anything needs transformers 5 or later, not {transformers.__version__}: "
            f"{_INSTALL}"
        )
    return transformers


def _folder(source: str) -> Path:
    """Where a checkpoint's files lie, downloaded first where the source names a repository."""
    folder = Path(source)
    if folder.is_dir():
        missing = [file for file in FILES if not (folder / file).is_file()]
        if missing:
            raise WeightsError(f"{source}: has no {' and no '.join(missing)}; expected {_LAYOUT}")
        return folder
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", source) or ".." in source:
        raise WeightsError(
            f"{source}: no such folder; expected {_LAYOUT}, or a repository of the Hugging Face "
            "hub, such as facebook/sam-vit-large"
        )
    try:
        folders = {resolve_weights(f"hub:{source}/{file}").parent for file in FILES}
    except WeightsError as error:
        reason = str(error).partition("; offline")[0]
        raise WeightsError(
            f"{source}: is no folder here, and cannot be had from the Hugging Face hub ({reason}); "
            f"offline, download {', '.join(FILES)} from https://huggingface.co/{source} elsewhere "
            "and give the folder that they are in, as model=FOLDER"
        ) from error
    if len(folders) > 1:
        raise WeightsError(
            f"{source}: its cached files are of different revisions, in "
            f"{' and '.join(map(str, sorted(folders)))}; delete these folders"
        )
    return folders.pop()


def _load(folder: Path, source: str) -> tuple[Any, Any]:
    """Network and image processor of a checkpoint; nothing is drawn at random for what it lacks."""
    transformers = _import_transformers()
    try:
        kind = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder / FILES[0]}: says no model_type ({error})") from error
    if kind not in KINDS:
        raise WeightsError(
            f"{source}: is a checkpoint of type {kind!r}; known: {', '.join(sorted(KINDS))}"
        )
    network_class, processor_class = (getattr(transformers, name) for name in KINDS[kind])
    with _quiet(transformers):
        try:
            network, found = network_class.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
            processor = processor_class.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # damaged files raise anything
            raise WeightsError(
                f"{source}: cannot be loaded ({first_line(error)}); download it again"
            ) from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise WeightsError(
            f"{source}: lacks {len(missing)} of the network's tensors (first: {missing[0]!r})"
        )
    return network.eval().requires_grad_(False), processor


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers from logging, and from drawing bars, while it loads."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
