"""Recipes that train where viewers look next, on top of a finished run of a spatial model.

The spatial model is frozen. Its density is far better on images that it was fitted to than on
others, and a network that learned from those would trust it too much; so every training image's
density comes from a spatial model that did not see it: one trained on all folds but the image's own
(and the one that is held out to be scored).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from foregaze.config import read_config
from foregaze.errors import ConfigError
from foregaze.models.fixation_duration import FixationDurationConfig
from foregaze.models.next_fixation import NextFixationConfig
from foregaze.models.scanpath_mixture import ScanpathMixtureConfig
from foregaze.models.trunk_mixture import TrunkMixtureConfig
from foregaze.training.recipe import BranchPlan, Recipe, RunPlan, part_without


class ViewerRecipe(BranchPlan):
    """Components of one kind."""

    fixation: NextFixationConfig = NextFixationConfig()
    duration: FixationDurationConfig = FixationDurationConfig()


class ScanpathRecipe(RunPlan):
    """A training run that makes a scanpath mixture."""

    architecture: Literal["scanpath-mixture"]
    spatial_run: Path
    """Folder of the spatial model's run, with its parts "folds", "all" and "pairs"."""
    branches: tuple[ViewerRecipe, ...] = Field(min_length=1, max_length=1)
    density_factor: Literal[1, 2, 4, 8] = 2
    """Cells of the spatial model's density grid, on each axis, per cell of the grid on which the
    likelihood is computed in training."""

    @property
    def sees_history(self) -> bool:
        """See `RunPlan`."""
        return True

    def features_of(self, number: int) -> TrunkMixtureConfig:
        """See `RunPlan`: the spatial model's."""
        return read_config(Recipe, self.spatial_run / "recipe.yaml").mixture

    def spatial_model(self, held_out: Sequence[int]) -> Path:
        """Checkpoint of the spatial model that did not see some folds."""
        return self.spatial_run / part_without(sorted(set(held_out))) / "model.safetensors"

    def check_spatial_models(self, held_out: Sequence[int]) -> None:
        """Look for all spatial models that a part needs.

        Raises:
            ConfigError: If one is not there.
        """
        needed = [held_out, *([*held_out, k] for k in range(self.data.folds))]
        for path in map(self.spatial_model, needed):
            if not path.is_file():
                raise ConfigError(
                    f"spatial_run: {path}: no such file; train the spatial model with its parts "
                    "'folds', 'all' and 'pairs' first: foregaze train ... --resume "
                    "--set 'parts=[folds,all,pairs]'"
                )

    def model_config_of(self, held_out: Sequence[int], components: int) -> ScanpathMixtureConfig:
        """The configuration of the model of a part."""
        return ScanpathMixtureConfig(
            spatial=str(self.spatial_model(held_out)),
            components=components,
            fixation=self.branches[0].fixation,
            duration=self.branches[0].duration,
        )
