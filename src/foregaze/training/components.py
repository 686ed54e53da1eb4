"""What is trained at a time, for every architecture: one component on frozen features.

A component maps frozen features and a center bias on the density grid to a log density on that
grid. Trained components are joined into the model that a recipe makes.

`B` batch, `M` fixations of an image, `T` history, `h w` density grid.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from foregaze.backbones.staged import Features
from foregaze.models import MODELS, AnyModel, DeepGaze, ScanpathMixture, TrunkMixture
from foregaze.models.deepgaze import Head
from foregaze.models.guided import GuidedHead
from foregaze.models.onnx_graph import export_graph
from foregaze.models.scene import Guide, Scene, SceneHead
from foregaze.models.trunk_mixture import Branch
from foregaze.ops.finalizer import FinerGrid
from foregaze.ops.painting import SegmentLayout
from foregaze.training.deepgaze_recipe import DeepGazeRecipe
from foregaze.training.examples import History
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.handing_on import started
from foregaze.training.model_features import HIDDEN_SALIENCY, SALIENCY, SEMANTIC
from foregaze.training.recipe import Recipe, RunPlan, part_without
from foregaze.training.scanpath_recipe import ScanpathRecipe
from foregaze.training.viewer_component import ViewerComponent


class HeadComponent(nn.Module):
    """A DeepGaze head with one component, as training sees it.

    Args:
        head: It is fitted in place.
        taps: Stages that it reads.
        density_stride: Pixels of the working size per cell of the density grid.
    """

    def __init__(self, head: Head, taps: Sequence[int], density_stride: int) -> None:
        super().__init__()
        self.head = head
        self.taps = tuple(taps)
        self.density_stride = density_stride

    starts = False
    """First fixations are not predicted."""

    @property
    def history(self) -> int:
        """Past fixations that the head sees."""
        return self.head.history if isinstance(self.head, SceneHead) else 0

    def forward(
        self,
        features: Features,
        centerbias: Float[Tensor, "B h w"],
        history: History | None = None,
        layout: SegmentLayout | None = None,
    ) -> Float[Tensor, "_ h w"]:
        """Log density in nats on the density grid; `exp` sums to one over (h, w).

        With a history there is one for each of its fixations, those of an image side by side;
        without one, one for each image, after no fixation.
        """
        height, width = centerbias.shape[-2:]
        grid = FinerGrid.of_blocks(
            (height * self.density_stride, width * self.density_stride), float(self.density_stride)
        )
        if isinstance(self.head, SceneHead):
            scene = self._scene(self.head, features, grid, layout)
            x, y = self._past(history, centerbias)
            each = x.shape[1]
            parts = self.head.after(
                scene.repeated(each),
                grid,
                centerbias.repeat_interleave(each, 0),
                x.flatten(0, 1),
                y.flatten(0, 1),
            )
        else:
            parts = self.head([features[tap] for tap in self.taps], grid, centerbias)
        (log_density,) = parts
        per_cell: Tensor = log_density[:, 0] + grid.log_pixels(log_density)
        return per_cell

    def _scene(
        self, head: SceneHead, features: Features, grid: FinerGrid, layout: SegmentLayout | None
    ) -> Scene:
        semantic = features.get(SEMANTIC)
        guide = None if layout is None else Guide(layout, semantic)
        if not {SALIENCY, HIDDEN_SALIENCY} & features.keys():
            return head.scene([features[tap] for tap in self.taps], grid, guide)
        assert isinstance(head, GuidedHead)
        guidance = None
        if guide is not None:
            guidance = head.guidance([features[tap] for tap in self.taps], guide)
        saliency = features.get(SALIENCY)
        if saliency is None:
            hidden = features[HIDDEN_SALIENCY][:, None]  # of the one component
            saliency = head.last_saliency(hidden, guidance)
        return Scene(saliency, *head.modulations(guidance))

    def log_likelihoods(
        self,
        features: Features,
        centerbias: Float[Tensor, "B h w"],
        history: History,
        layout: SegmentLayout | None = None,
    ) -> dict[str, Float[Tensor, "B M"]]:
        """Of a history's fixations, each after those before it, in bits over uniform."""
        cells = self(features, centerbias, history, layout).flatten(1)  # (B * M, h * w)
        nats = cells.gather(1, history.cell.flatten()[:, None])
        bits: Tensor = (nats[:, 0] + math.log(cells.shape[1])) / math.log(2)
        return {"LL": bits.reshape(history.cell.shape)}

    def _past(
        self, history: History | None, like: Float[Tensor, "B h w"]
    ) -> tuple[Float[Tensor, "B M T"], Float[Tensor, "B M T"]]:
        if history is not None:
            return history.x, history.y
        nowhere = like.new_full((len(like), 1, self.history), torch.nan)
        return nowhere, nowhere


Component = Branch | HeadComponent | ViewerComponent


def initial_model(
    recipe: RunPlan, number: int, seed: int, held_out: Sequence[int] = ()
) -> AnyModel:
    """A model with one untrained component of branch `number`; `held_out` folds are not seen."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if isinstance(recipe, Recipe):
            return TrunkMixture(recipe.model_config_of([recipe.branches[number].config]))
        if isinstance(recipe, ScanpathRecipe):
            return ScanpathMixture(recipe.model_config_of(held_out, 1))
        if isinstance(recipe, GuidedRecipe):
            place = recipe.branches[0].seeds.index(seed)
            return started(recipe, place, recipe.start_of(part_without(held_out)))
        assert isinstance(recipe, DeepGazeRecipe)
        model: DeepGaze = MODELS[recipe.architecture](recipe.model_config_of([number], 1))
        return model


def component_of(recipe: RunPlan, number: int, model: AnyModel) -> Component:
    """What is fitted of a model from `initial_model`."""
    if isinstance(model, TrunkMixture):
        branch = model.branches[0]
        assert isinstance(branch, Branch)
        return branch
    if isinstance(model, ScanpathMixture):
        assert isinstance(recipe, ScanpathRecipe)
        (viewer,) = model.components
        stage = model.config.fixation.stage
        return ViewerComponent(viewer, stage, float(model.stride), recipe.density_factor)
    assert isinstance(model, DeepGaze)
    head = model.heads[0]
    assert isinstance(head, Head)
    if isinstance(recipe, GuidedRecipe):
        taps = range(len(model.config.backbones[0].taps))
        return HeadComponent(head, taps, recipe.grid.density_stride)
    assert isinstance(recipe, DeepGazeRecipe)
    return HeadComponent(head, recipe.branches[number].taps, recipe.density_stride)


def joined(
    recipe: RunPlan,
    trained: Mapping[tuple[int, int], Mapping[str, Tensor]],
    held_out: Sequence[int],
    of_fit: Mapping[str, Tensor],
) -> tuple[AnyModel, dict[str, Tensor]]:
    """The model that a recipe makes, and the tensors to load into it.

    Args:
        recipe: The run.
        trained: Tensors of each component by branch and seed.
        held_out: Folds that the part does not see.
        of_fit: Tensors that come from the fitted images, not from training.
    """
    tensors = dict(of_fit)
    if isinstance(recipe, DeepGazeRecipe | GuidedRecipe):
        return _joined_heads(recipe, trained, tensors)
    kind = "branches" if isinstance(recipe, Recipe) else "viewers"
    for place, of_branch in enumerate(trained.values()):
        for key, tensor in of_branch.items():
            if key.startswith(f"{kind}.0."):
                tensors[key.replace(f"{kind}.0.", f"{kind}.{place}.", 1)] = tensor
    if isinstance(recipe, Recipe):
        return TrunkMixture(recipe.mixture), tensors
    assert isinstance(recipe, ScanpathRecipe)
    return ScanpathMixture(recipe.model_config_of(held_out, len(trained))), tensors


def _joined_heads(
    recipe: DeepGazeRecipe | GuidedRecipe,
    trained: Mapping[tuple[int, int], Mapping[str, Tensor]],
    tensors: dict[str, Tensor],
) -> tuple[DeepGaze, dict[str, Tensor]]:
    components = len(recipe.branches[0].seeds)  # as many as of every branch
    numbers = list(range(len(recipe.branches)))
    for number in numbers:
        members = [of_branch for (branch, _), of_branch in trained.items() if branch == number]
        for key in members[0]:
            if key.startswith("heads.0."):
                whole = torch.cat([member[key] for member in members])
                tensors[key.replace("heads.0.", f"heads.{number}.", 1)] = whole
    config = (
        recipe.model_config_of(components)
        if isinstance(recipe, GuidedRecipe)
        else recipe.model_config_of(numbers, components)
    )
    model: DeepGaze = MODELS[recipe.architecture](config)
    return model, tensors


def graph_of(model: AnyModel) -> bytes | None:
    """The ONNX graph of a model, where it has one."""
    if isinstance(model, TrunkMixture | ScanpathMixture):
        return export_graph(model.eval())
    return None
