"""Is the scanpath model better with its spatial network frozen, or tuned along with it?

Folds 1, 2 and 3 of OSIE are fitted and fold 4 is compared on; fold 0 is not looked at. The spatial
network is that of the part folds-0-4 of the run of `default`, which was fitted to the same images.
Viewers are trained for three epochs on spatial densities that are out of sample, and then for one
more at a low rate: alone, or with the spatial network's tuned stages and readout.
"""

import copy
from pathlib import Path

import lightning
import torch
from jaxtyping import Float
from torch import Tensor

from foregaze.backbones.staged import Features
from foregaze.models.scanpath_mixture import read_trunk_mixture
from foregaze.models.trunk_mixture import Branch
from foregaze.training.branch import make_part, stored_features
from foregaze.training.components import component_of, initial_model
from foregaze.training.dataset import training_data
from foregaze.training.examples import Examples, History
from foregaze.training.module import BranchTraining
from foregaze.training.recipe import DataConfig, Stage
from foregaze.training.scanpath_recipe import ScanpathRecipe
from foregaze.training.spatial_maps import SPATIAL_DENSITY
from foregaze.training.stored_features import StoredFeatures, ViewFeatures
from foregaze.training.viewer_component import ViewerComponent

FIRST = Stage(name="viewer", epochs=3, batch_size=2, learning_rate=3e-3, histories_per_image=32)
RATES = (1e-4, 3e-5)
"""Of the last epoch, for everything that is fitted then."""


class WithSpatial(ViewerComponent):
    """A viewer, and the branch of the spatial model whose density it sees."""

    def __init__(self, viewer: ViewerComponent, branch: Branch) -> None:
        super().__init__(viewer.viewer, viewer.stage, viewer.stride, viewer.density_factor)
        self.branch = branch

    def log_likelihoods(
        self, features: Features, centerbias: Float[Tensor, "B h w"], history: History
    ) -> dict[str, Float[Tensor, "B M"]]:
        """See `ViewerComponent`."""
        density = self.branch(features, centerbias)[:, None]
        seen = {SPATIAL_DENSITY: density, self.stage: features[self.stage]}
        return super().log_likelihoods(seen, centerbias, history)


def fit(
    component: ViewerComponent,
    stage: Stage,
    examples: Examples,
    images: list[list[int]],
    data: DataConfig,
) -> float:
    """Fit in place; bits of positions on the validation images."""
    mirrored = data.model_copy(update={"mirror": True})
    module = BranchTraining(component, stage, 0, examples, *images, mirrored)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=stage.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=stage.clip_gradient_norm,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
    )
    trainer.fit(module)
    return float(trainer.callback_metrics["validation/LL of each"])


def compare(recipe: ScanpathRecipe) -> list[tuple[str, float]]:
    """What was fitted, and bits of positions on fold 4."""
    dataset = training_data(recipe.data)
    part = make_part(recipe, dataset, "fold-0")
    images = [[i for i in part.fit if (part.fold[i] == 4) == held] for held in (False, True)]
    viewer = component_of(recipe, 0, initial_model(recipe, 0, 0, part.held_out))
    assert isinstance(viewer, ViewerComponent)

    def examples(features: ViewFeatures) -> Examples:
        told = FIRST.histories_per_image
        return Examples(
            dataset, features, images[0], recipe.data, told, viewer.history, starts=True
        )

    alone = examples(stored_features(recipe, part, 0, dataset))
    rows = [
        ("three epochs, spatial network frozen", fit(viewer, FIRST, alone, images, recipe.data))
    ]
    kept = copy.deepcopy(viewer.state_dict())
    for rate in RATES:
        last = FIRST.model_copy(update={"epochs": 1, "learning_rate": rate})
        viewer.load_state_dict(kept)
        bits = fit(viewer, last, alone, images, recipe.data)
        rows.append((f"and one at {rate:g}, frozen", bits))
    alone.features.store.close()
    config = recipe.features_of(0)
    store = StoredFeatures(config, config.trunk_outputs, dataset, recipe.data, recipe.store)
    for rate in RATES:
        last = FIRST.model_copy(update={"epochs": 1, "learning_rate": rate})
        viewer.load_state_dict(kept)
        (branch,) = read_trunk_mixture(Path(recipe.spatial_model([0, 4]))).branches
        assert isinstance(branch, Branch)
        joint = WithSpatial(viewer, branch)
        bits = fit(joint, last, examples(store), images, recipe.data)
        rows.append((f"and one at {rate:g}, tuned", bits))
    store.store.close()
    torch.set_grad_enabled(True)
    return rows
