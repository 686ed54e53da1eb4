"""One branch of one part, trained through all stages of a recipe; the unit of parallel work."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from foregaze.data.folds import assign_folds, split_validation
from foregaze.errors import DataError
from foregaze.models import AnyModel
from foregaze.models.checkpoint import save_checkpoint
from foregaze.training.components import HeadComponent, component_of, initial_model
from foregaze.training.dataset import training_data
from foregaze.training.examples import Examples, StoredFeatures
from foregaze.training.module import BranchTraining
from foregaze.training.recipe import RunPlan, Stage
from foregaze.training.scanpath_recipe import ScanpathRecipe
from foregaze.training.spatial_maps import FeaturesWithDensity
from foregaze.training.viewer_component import ViewerComponent
from foregaze.types import EyeTrackingDataset


@dataclass(frozen=True)
class Part:
    """The images of one part of a recipe."""

    name: str
    fit: list[int]
    validation: list[int]
    test: list[int]
    """Only ever reported."""
    fold: list[int]
    """Of every image of the data set."""

    @property
    def held_out(self) -> tuple[int, ...]:
        """Folds that are not seen."""
        return tuple(int(number) for number in self.name.split("-")[1:])


def make_part(recipe: RunPlan, dataset: EyeTrackingDataset, name: str) -> Part:
    """Images that a part fits, stops on and reports; the same in every process."""
    fold = list(map(int, assign_folds(dataset, recipe.data.folds)))
    part = Part(name, [], [], [], fold)
    training = [i for i, k in enumerate(fold) if k not in part.held_out]
    test = [i for i, k in enumerate(fold) if k in part.held_out] if len(part.held_out) == 1 else []
    fit, validation = split_validation(dataset, training, recipe.data.validation_images)
    return Part(name, fit, validation, test, fold)


def stored_features(
    recipe: RunPlan, part: Part, number: int, dataset: EyeTrackingDataset
) -> StoredFeatures:
    """The features that a branch of a part is trained on."""
    config = recipe.features_of(number)
    if not isinstance(recipe, ScanpathRecipe):
        return StoredFeatures(config, config.trunk_outputs, dataset, recipe.store)

    def model_of(image: int) -> Path:
        return recipe.spatial_model([*part.held_out, part.fold[image]])

    stage = recipe.branches[number].fixation.stage
    return FeaturesWithDensity(config, stage, dataset, recipe.store, model_of)


def branch_path(output: Path, part: str, branch: str, seed: int) -> Path:
    """Checkpoint of one finished branch."""
    return output / part / f"{branch}-{seed}.safetensors"


def train_branch(
    recipe: RunPlan, output: Path, part: Part, number: int, seed: int, on_epoch: Callable[[], None]
) -> None:
    """Train one branch and save it; goes on from the last finished epoch if there is one.

    Args:
        recipe: The run.
        output: Its folder.
        part: Images to fit and to stop on.
        number: Which of the recipe's branches.
        seed: Of the branch.
        on_epoch: Called after each epoch, those of an earlier, interrupted run included.
    """
    _silence_lightning()
    branch = recipe.branches[number]
    model = initial_model(recipe, number, seed, part.held_out)
    folder = output / part.name / f"{branch.name}-{seed}"
    for stage in branch.stages:
        module = _stage_module(recipe, part, number, stage, seed, model)
        _fit_stage(module, folder / stage.name, on_epoch)
    card = {"part": part.name, "seed": seed}
    save_checkpoint(model, branch_path(output, part.name, branch.name, seed), card)


def _stage_module(
    recipe: RunPlan, part: Part, number: int, stage: Stage, seed: int, model: AnyModel
) -> BranchTraining:
    component = component_of(recipe, number, model)
    dataset = training_data(recipe.data, stage.dataset)
    if stage.dataset is not None:
        images = len(training_data(recipe.data))
        if len(dataset) != images:
            raise DataError(
                f"stage {stage.name!r}: {dataset.name} has {len(dataset)} images, expected the "
                f"same {images} as {recipe.data.name}"
            )
    history, starts = 0, False
    if isinstance(component, HeadComponent | ViewerComponent):
        history, starts = component.history, component.starts
    features = stored_features(recipe, part, number, dataset)
    examples = Examples(
        dataset,
        features,
        part.fit,
        recipe.data,
        stage.histories_per_image,
        history,
        starts=starts,
    )
    return BranchTraining(
        component, stage, seed, examples, part.fit, part.validation, mirror=recipe.data.mirror
    )


class _ReportEpochs(Callback):
    def __init__(self, on_epoch: Callable[[], None]) -> None:
        self.on_epoch = on_epoch

    def on_train_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        for _epoch in range(trainer.current_epoch):
            self.on_epoch()

    def on_train_epoch_end(self, _: lightning.Trainer, __: lightning.LightningModule) -> None:
        self.on_epoch()


def _fit_stage(module: BranchTraining, folder: Path, on_epoch: Callable[[], None]) -> None:
    """Fit in place and leave the kept epoch's weights in the module."""
    last = ModelCheckpoint(folder, filename="last", save_top_k=1, enable_version_counter=False)
    best = ModelCheckpoint(
        folder, "best", "validation/LL", mode="max", enable_version_counter=False
    )
    chooses = bool(module.validation_images)
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=module.stage.epochs,
        callbacks=[last, *([best] if chooses else []), _ReportEpochs(on_epoch)],
        logger=[
            CSVLogger(folder, name="csv", version=""),
            TensorBoardLogger(str(folder), name="tensorboard", version=""),
        ],
        gradient_clip_val=module.stage.clip_gradient_norm,
        limit_val_batches=1.0 if chooses else 0,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    resumed = folder / "last.ckpt"
    trainer.fit(module, ckpt_path=resumed if resumed.exists() else None, weights_only=True)
    if chooses:
        kept = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)
        module.load_state_dict(kept["state_dict"])


def _silence_lightning() -> None:
    """Keep advice about workers and devices out of the progress display."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
