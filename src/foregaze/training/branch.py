"""One branch of one part, trained through all stages of a recipe; the unit of parallel work."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foregaze.data.folds import assign_folds, published_folds, split_validation
from foregaze.errors import DataError
from foregaze.models import AnyModel
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.guided import GuidedHead
from foregaze.training.components import (
    Component,
    HeadComponent,
    component_of,
    initial_model,
)
from foregaze.training.dataset import training_data
from foregaze.training.examples import Examples
from foregaze.training.fitting import fit_stage
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.machines import Machines
from foregaze.training.model_features import SEMANTIC, FrozenSaliency, Layouts, ModelFeatures
from foregaze.training.module import BranchTraining
from foregaze.training.recipe import RunPlan, Stage
from foregaze.training.scanpath_recipe import ScanpathRecipe
from foregaze.training.segments import read_segment_keys
from foregaze.training.spatial_maps import FeaturesWithDensity
from foregaze.training.stored_features import StoredFeatures, ViewFeatures
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
    published = recipe.data.fold_scheme == "published"
    assign = published_folds if published else assign_folds
    fold = list(map(int, assign(dataset, recipe.data.folds)))
    part = Part(name, [], [], [], fold)
    training = [i for i, k in enumerate(fold) if k not in part.held_out]
    test = [i for i, k in enumerate(fold) if k in part.held_out] if len(part.held_out) == 1 else []
    if published and test:
        before = (part.held_out[0] - 1) % recipe.data.folds
        validation = [i for i in training if fold[i] == before]
        return Part(name, [i for i in training if fold[i] != before], validation, test, fold)
    fit, validation = split_validation(dataset, training, recipe.data.validation_images)
    return Part(name, fit, validation, test, fold)


def stored_features(
    recipe: RunPlan, part: Part, number: int, dataset: EyeTrackingDataset
) -> ViewFeatures:
    """The features that a branch of a part is trained on."""
    if isinstance(recipe, GuidedRecipe):
        model, grid = recipe.model_config_of(1), recipe.grid
        return ModelFeatures(
            model.backbones, model.downsample, grid, dataset, recipe.data, recipe.store
        )
    config = recipe.features_of(number)
    if not isinstance(recipe, ScanpathRecipe):
        return StoredFeatures(config, config.trunk_outputs, dataset, recipe.data, recipe.store)

    def model_of(image: int) -> Path:
        return recipe.spatial_model([*part.held_out, part.fold[image]])

    stage = recipe.branches[number].fixation.stage
    return FeaturesWithDensity(config, stage, dataset, recipe.data, recipe.store, model_of)


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
    branch = recipe.branches[number]
    model = initial_model(recipe, number, seed, part.held_out)
    folder = output / part.name / f"{branch.name}-{seed}"
    for stage in branch.stages:
        module = _stage_module(recipe, output, part, number, stage, seed, model)
        fit_stage(module, recipe.trainer, folder / stage.name, on_epoch)
    if Machines(recipe.trainer.num_nodes).leads:
        card = {"part": part.name, "seed": seed}
        save_checkpoint(model, branch_path(output, part.name, branch.name, seed), card)


def _stage_module(
    recipe: RunPlan,
    output: Path,
    part: Part,
    number: int,
    stage: Stage,
    seed: int,
    model: AnyModel,
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
        validation_histories=stage.validation_histories,
    )
    if isinstance(recipe, GuidedRecipe):
        _guide(recipe, output, component, examples)
    return BranchTraining(component, stage, seed, examples, part.fit, part.validation, recipe.data)


def _guide(recipe: GuidedRecipe, output: Path, component: Component, examples: Examples) -> None:
    """Give the examples of a model its segments, and freeze what is to stay as it is."""
    assert isinstance(component, HeadComponent)
    head = component.head
    assert isinstance(head, GuidedHead)
    config = recipe.segments
    if config is not None:
        keys = read_segment_keys(output)
        hybrid = len(config.backbones) > 1
        tap = getattr(head, "semantic_tap", 0) % len(component.taps)
        semantic = SEMANTIC if hybrid else component.taps[tap]
        examples.layouts = Layouts(recipe.segment_store, keys, head, semantic, config.most_segments)
    for name in recipe.frozen:
        head.freeze(name)
    whole, but_last = (name in recipe.frozen for name in ("saliency", "saliency-hidden"))
    if whole or but_last:
        examples.frozen = FrozenSaliency(head, component.taps, but_last=not whole)
