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

from foregaze.backbones.staged import create_backbone
from foregaze.data import load_dataset
from foregaze.data.folds import assign_folds, split_validation
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.trunk_mixture import Branch, TrunkMixture
from foregaze.training.examples import Examples, StoredFeatures
from foregaze.training.module import BranchTraining
from foregaze.training.recipe import Recipe, Stage
from foregaze.types import EyeTrackingDataset


@dataclass(frozen=True)
class Part:
    """The images of one part of a recipe."""

    name: str
    fit: list[int]
    validation: list[int]
    test: list[int]
    """Only ever reported."""


def make_part(recipe: Recipe, dataset: EyeTrackingDataset, name: str) -> Part:
    """Images that a part fits, stops on and reports; the same in every process."""
    test: list[int] = []
    training = list(range(len(dataset)))
    if name != "all":
        fold = assign_folds(dataset, recipe.data.folds)
        test = [i for i in training if fold[i] == int(name.removeprefix("fold-"))]
        training = [i for i in training if i not in set(test)]
    fit, validation = split_validation(dataset, training, recipe.data.validation_images)
    return Part(name, fit, validation, test)


def branch_path(output: Path, part: str, seed: int) -> Path:
    """Checkpoint of one finished branch."""
    return output / part / f"branch-{seed}.safetensors"


def train_branch(
    recipe: Recipe, output: Path, part_name: str, seed: int, on_epoch: Callable[[], None]
) -> None:
    """Train one branch and save it; goes on from the last finished epoch if there is one.

    Args:
        recipe: The run.
        output: Its folder.
        part_name: "fold-0", ..., or "all".
        seed: Of the branch.
        on_epoch: Called after each epoch, those of an earlier, interrupted run included.
    """
    _silence_lightning()
    dataset = load_dataset(recipe.data.name, recipe.data.root)
    part = make_part(recipe, dataset, part_name)
    model = _single_branch_model(recipe, seed)
    folder = output / part_name / f"branch-{seed}"
    for stage in recipe.stages:
        module = _stage_module(recipe, dataset, part, stage, seed, model.branches[0])
        _fit_stage(module, folder / stage.name, on_epoch)
    save_checkpoint(model, branch_path(output, part_name, seed), {"part": part_name, "seed": seed})


def _single_branch_model(recipe: Recipe, seed: int) -> TrunkMixture:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TrunkMixture(recipe.model.model_copy(update={"branches": 1}))


def _stage_module(
    recipe: Recipe,
    dataset: EyeTrackingDataset,
    part: Part,
    stage: Stage,
    seed: int,
    branch: torch.nn.Module,
) -> BranchTraining:
    assert isinstance(branch, Branch)
    if stage.dataset is not None:
        dataset = load_dataset(stage.dataset, recipe.data.root)
    features = StoredFeatures(recipe.model, dataset, recipe.store)
    examples = Examples(dataset, features, part.fit, recipe.data)
    return BranchTraining(branch, recipe, stage, seed, examples, part.fit, part.validation)


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
