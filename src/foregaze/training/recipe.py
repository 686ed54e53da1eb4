"""Recipes: everything that decides what a training run makes, as data.

This file has what all recipes share and those of our own models; `foregaze.training.recipes` reads
a file whatever it trains.

A recipe trains one model per part: each fold's model on the images of the other folds, and the
model to ship on all images. The branches of a model are trained independently of each other.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from foregaze.config import Config
from foregaze.models.trunk_mixture import BranchConfig, TrunkMixtureConfig
from foregaze.ops.working_size import SIZE_MULTIPLE_PX, WorkingGrid


def _divides_working_sizes(stride: int) -> int:
    if SIZE_MULTIPLE_PX % stride:
        raise ValueError(
            f"must divide {SIZE_MULTIPLE_PX}, of which the sides of working sizes are multiples"
        )
    return stride


DensityStride = Annotated[int, Field(ge=1), AfterValidator(_divides_working_sizes)]
"""Pixels of the working size per cell of the grid on which densities are made."""


class DataConfig(Config):
    """What is trained on."""

    name: str = "osie"
    """Data set of the final stage, which folds, validation and reports are made of."""
    root: Path
    exclude: Path | None = None
    """Text file with names of images that no part may see, such as a benchmark's test images; their
    copies are left out as well."""
    folds: int = Field(5, ge=2)
    validation_images: int = Field(0, ge=0)
    """Images of each part's training set that are held back; the epoch that is best on them is
    kept. With 0 the last epoch is kept."""
    target_size: tuple[int, int] = (300, 400)
    """Height and width of the grid on which the likelihood is computed in training."""
    fold_scheme: Literal["hashed", "published"] = "hashed"
    """How images are dealt to folds: by a hash of their names, copies of one picture together, or
    as in the published DeepGaze III training: shuffled once and cut into equal chunks, a part's
    validation images being the chunk before its test images."""
    mirror: bool = True
    """Show half of the images mirrored left to right."""
    variants: int = Field(0, ge=0)
    """Views of each image besides the whole one, cropped and recolored; an epoch shows any."""
    crop_area: float = Field(0.6, gt=0, le=1)
    """Least part of the image's area that a variant shows."""
    color: float = Field(0.2, ge=0, lt=1)
    """Brightness, contrast and saturation of variants differ by up to this factor from 1."""
    centerbias_sigma_px: float = Field(26.0, gt=0)
    """Kernel width of the center bias, in pixels of an image 800 px wide."""


class Stage(Config):
    """One stretch of training; the next one goes on from its weights."""

    name: str
    dataset: str | None = None
    """Data set of the same images to fit, such as their mouse traces; the recipe's where None."""
    epochs: int = Field(ge=1)
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(5e-4, gt=0)
    """Of the readout. All rates rise over `warmup_steps` and fall as a cosine to zero."""
    tuned_learning_rate: float = Field(1e-4, ge=0)
    """Of the tuned stages of the backbone."""
    scalar_learning_rate: float = Field(5e-3, ge=0)
    """Of the blur's width and the center bias's weight."""
    weight_decay: float = Field(0.01, ge=0)
    warmup_steps: int = Field(50, ge=0)
    milestones: tuple[int, ...] = ()
    """Epochs after which all rates fall by `decay`, in place of the cosine."""
    decay: float = Field(0.1, gt=0, lt=1)
    min_learning_rate: float = Field(0.0, ge=0)
    """With milestones: training ends when the rate of the readout falls below."""
    patience: int | None = Field(None, ge=1)
    """Training ends after so many epochs without a better validation likelihood."""
    accumulate: int = Field(1, ge=1)
    """Batches whose gradients make one step."""
    clip_gradient_norm: float | None = Field(1.0, gt=0)
    """Largest norm of all gradients together; None for no limit."""
    histories_per_image: int = Field(0, ge=0)
    """For models that see past fixations: fixations of an image that are predicted from those
    before them in each epoch, drawn anew. With 0 all are predicted from the image alone."""
    validation_histories: int | None = Field(None, ge=1)
    """As many of each validation image at most, the same in each epoch; where None as many as in
    training."""

    @model_validator(mode="after")
    def _milestones_ascend(self) -> "Stage":
        if list(self.milestones) != sorted({m for m in self.milestones if m > 0}):
            raise ValueError(f"milestones must be epochs in ascending order, not {self.milestones}")
        if self.min_learning_rate and not self.milestones:
            raise ValueError("min_learning_rate needs milestones: give some, or leave it out")
        return self


class TrainerConfig(Config):
    """How a branch is fitted: options of Lightning's trainer under its own names."""

    accelerator: str = "auto"
    devices: int = Field(1, ge=1)
    """Processes of a branch on each machine, each with a device of its own; a batch is shared
    between them."""
    num_nodes: int = Field(1, ge=1)
    """Machines; see `foregaze.training.machines`."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """The blur, the center bias and the density stay in single precision."""

    @property
    def processes(self) -> int:
        """That fit one branch together."""
        return self.devices * self.num_nodes


class BranchPlan(Config):
    """How branches of one kind are trained; one for each seed."""

    name: str
    stages: tuple[Stage, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "BranchPlan":
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must differ, not {self.seeds}")
        if len({stage.name for stage in self.stages}) != len(self.stages):
            raise ValueError("stages must have different names")
        return self


def part_without(folds: Sequence[int]) -> str:
    """Name of the part that is trained on all folds but some."""
    if not folds:
        return "all"
    return "-".join(["fold" if len(folds) == 1 else "folds", *map(str, sorted(folds))])


class RunPlan(Config):
    """What all training runs have in common, whatever they train."""

    name: str
    """What the model is called in reports."""
    architecture: str
    """From `foregaze.models.MODELS`; it decides what else a recipe holds."""
    branches: tuple[BranchPlan, ...] = Field(min_length=1)
    data: DataConfig
    parts: tuple[str, ...] = ("folds", "all")
    """"folds", "fold-0", "fold-1", ...: models to be scored; "all": the model to ship; "pairs",
    "folds-0-1", "folds-0-2", ...: models on the images of all folds but two, which give whatever is
    trained on predictions some that are out of sample."""
    metrics: tuple[str, ...] | None = None
    """Metrics of the reports; the usual ones where None. Models that see past fixations predict
    every fixation by itself, and take the longer the more metrics there are."""
    workers: int = Field(2, ge=1)
    """Branches trained at a time, each in a process of its own."""
    threads_per_worker: int = Field(1, ge=1)
    store: Path = Path("runs/features")
    """Folder of the feature store."""
    trainer: TrainerConfig = TrainerConfig()

    @model_validator(mode="after")
    def _parts_are_known(self) -> "RunPlan":
        folds, pairs = self._of_kind("folds"), self._of_kind("pairs")
        known = ["folds", "all", "pairs", *folds, *pairs]
        wrong = [part for part in self.parts if part not in known]
        if wrong or not self.parts:
            given = repr(wrong[0]) if wrong else "none"
            raise ValueError(
                f"parts: {given} is given; expected all, folds, pairs, {folds[0]} to {folds[-1]}, "
                f"or a pair such as {pairs[0]}"
            )
        if len({branch.name for branch in self.branches}) != len(self.branches):
            raise ValueError("branches must have different names")
        return self

    @model_validator(mode="after")
    def _histories_are_seen(self) -> "RunPlan":
        stages = [stage for branch in self.branches for stage in branch.stages]
        if not self.sees_history and any(stage.histories_per_image for stage in stages):
            raise ValueError(
                f"{self.architecture} does not see past fixations, so that histories_per_image "
                "must be 0"
            )
        return self

    @property
    def sees_history(self) -> bool:
        """Whether the model's density depends on past fixations."""
        return False

    def part_names(self) -> list[str]:
        """The parts with "folds" and "pairs" spelled out."""
        names = [name for part in self.parts for name in self._of_kind(part)]
        return list(dict.fromkeys(names))

    def _of_kind(self, part: str) -> list[str]:
        held_out = {"folds": 1, "pairs": 2}
        if part not in held_out:
            return [part]
        return [part_without(k) for k in combinations(range(self.data.folds), held_out[part])]

    @model_validator(mode="after")
    def _machines_fit_one_branch(self) -> "RunPlan":
        if self.trainer.num_nodes > 1 and self.workers > 1:
            raise ValueError(
                "several machines fit one branch at a time: with trainer.num_nodes above 1, "
                "workers must be 1"
            )
        return self

    @model_validator(mode="after")
    def _patience_has_images(self) -> "RunPlan":
        stages = [stage for branch in self.branches for stage in branch.stages]
        folds = self._of_kind("folds")
        held = self.data.fold_scheme == "published" and set(self.part_names()) <= set(folds)
        if any(stage.patience for stage in stages) and not (held or self.data.validation_images):
            raise ValueError("patience needs validation images: give data.validation_images")
        return self

    def features_of(self, number: int) -> TrunkMixtureConfig:
        """Backbone, input size and frozen stages that branch `number` is trained on."""
        raise NotImplementedError

    def grid_of(self, number: int) -> WorkingGrid:
        """Sizes that branch `number` works at."""
        return self.features_of(number)


class BranchRecipe(BranchPlan):
    """A branch of a trunk mixture."""

    config: BranchConfig


class Recipe(RunPlan):
    """A training run that makes a trunk mixture."""

    architecture: Literal["trunk-mixture"] = "trunk-mixture"
    backbone: str = "tf_efficientnet_lite2"
    backbone_weights: str | None = None
    input_size: tuple[int, int] = (576, 768)
    density_stride: DensityStride = 4
    branches: tuple[BranchRecipe, ...] = Field(min_length=1)

    def model_config_of(self, branches: Sequence[BranchConfig]) -> TrunkMixtureConfig:
        """The configuration of a model with some branches."""
        return TrunkMixtureConfig(
            backbone=self.backbone,
            backbone_weights=self.backbone_weights,
            input_size=self.input_size,
            density_stride=self.density_stride,
            branches=tuple(branches),
        )

    def features_of(self, number: int) -> TrunkMixtureConfig:
        """See `RunPlan`: what all branches need, since all have the same frozen stages."""
        return self.mixture

    @property
    def mixture(self) -> TrunkMixtureConfig:
        """The configuration of the model that the recipe makes."""
        return self.model_config_of([b.config for b in self.branches for _ in b.seeds])
