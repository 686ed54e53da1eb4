"""Recipes that train the DinoGaze family: heads on any frozen networks, with or without segments.

What the model is, its own config says; the recipe adds the sizes at which it sees images, what it
starts from and what stays frozen.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from foregaze.config import Config, make_config
from foregaze.errors import ConfigError
from foregaze.models import MODELS
from foregaze.models.guided import Frozen, GuidedConfig, SegmentModel, SpadeConfig
from foregaze.ops.working_size import SIZE_MULTIPLE_PX
from foregaze.training.recipe import BranchPlan, DensityStride, RunPlan

GUIDED = (
    "dinogaze",
    "dinogaze-spade",
    "deepgaze-spade-static",
    "deepgaze-spade-dynamic",
    "deepgaze-spade-hybrid",
)
"""Architectures."""


Side = Annotated[int, Field(ge=SIZE_MULTIPLE_PX)]


class ModelGrid(Config):
    """Sizes that a model works at."""

    input_size: tuple[Side, Side] = (576, 768)
    """Height and width to which a 4:3 image is brought; others get the same area."""
    density_stride: DensityStride = 4
    """Pixels of the working size per cell of the grid on which densities are made."""


class GuidedRecipe(RunPlan):
    """A training run that makes a model of the family."""

    architecture: Literal[
        "dinogaze",
        "dinogaze-spade",
        "deepgaze-spade-static",
        "deepgaze-spade-dynamic",
        "deepgaze-spade-hybrid",
    ]
    branches: tuple[BranchPlan, ...] = Field(min_length=1, max_length=1)
    """One, whose seeds become the components of the model."""
    model: dict[str, Any] = Field(default_factory=dict)
    """The model's own configuration, as far as it differs from the published one."""
    grid: ModelGrid = ModelGrid()
    start: dict[str, Path] = Field(default_factory=dict)
    """Checkpoint that each part goes on from, by the part's name; "" for all others."""
    frozen: tuple[Frozen, ...] = ()
    """What keeps the weights that it starts with."""
    segment_store: Path = Path("runs/segments")
    """Folder of the segment store."""

    @model_validator(mode="after")
    def _model_is_one(self) -> "GuidedRecipe":
        set_here = {
            "components",
            "working_size",
            "centerbias_size",
            "saliency_map_factor",
            "px_per_dva",
        }
        wrong = sorted(set_here & self.model.keys())
        if wrong:
            raise ValueError(f"model.{wrong[0]} follows from grid and seeds: leave it out")
        config = self.model_config_of(1)
        if "scanpath" in self.frozen and not config.history:
            raise ValueError("frozen: a model with history 0 has no scanpath network")
        if self.frozen and not self.start:
            raise ValueError("frozen networks come from a checkpoint: give start")
        known = ["all", *self._of_kind("folds"), *self._of_kind("pairs")]
        unknown = sorted(self.start.keys() - {"", *known})
        if unknown:
            raise ValueError(f"start: there is no part {unknown[0]!r}; known: {', '.join(known)}")
        return self

    def start_of(self, part: str) -> Path | None:
        """Checkpoint that a part goes on from, if any."""
        return self.start.get(part, self.start.get(""))

    @property
    def sees_history(self) -> bool:
        """See `RunPlan`."""
        return self.model_config_of(1).history > 0

    @property
    def segments(self) -> SpadeConfig | None:
        """The configuration of a model that sees segments."""
        config = self.model_config_of(1)
        sees = issubclass(MODELS[self.architecture], SegmentModel)
        return config if sees and isinstance(config, SpadeConfig) else None

    def model_config_of(self, components: int) -> GuidedConfig:
        """The configuration of the model with so many components."""
        grid = self.grid
        content = {
            **self.model,
            "components": components,
            "working_size": grid.input_size,
            "centerbias_size": tuple(side // grid.density_stride for side in grid.input_size),
            "saliency_map_factor": float(grid.density_stride),
            "px_per_dva": None,
        }
        try:
            config: GuidedConfig = make_config(MODELS[self.architecture].Config, content, "model")
        except ConfigError as error:
            raise ValueError(str(error)) from error  # which pydantic reports with its place
        return config

    def grid_of(self, number: int) -> ModelGrid:
        """See `RunPlan`."""
        return self.grid
