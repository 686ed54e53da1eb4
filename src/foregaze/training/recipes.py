"""Recipe files, whatever they train."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foregaze.config import make_config, read_yaml
from foregaze.errors import UnknownNameError
from foregaze.training.deepgaze_recipe import DeepGazeRecipe
from foregaze.training.guided_recipe import GUIDED, GuidedRecipe
from foregaze.training.recipe import Recipe, RunPlan
from foregaze.training.scanpath_recipe import ScanpathRecipe

RECIPES: dict[str, type[RunPlan]] = {
    "trunk-mixture": Recipe,
    "deepgaze1": DeepGazeRecipe,
    "deepgaze2": DeepGazeRecipe,
    "deepgaze2e": DeepGazeRecipe,
    "deepgaze3": DeepGazeRecipe,
    "scanpath-mixture": ScanpathRecipe,
    **dict.fromkeys(GUIDED, GuidedRecipe),
}
"""Kind of recipe for each architecture that can be trained."""


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> RunPlan:
    """A validated recipe.

    Args:
        path: The YAML file; its `architecture` decides what else it holds, that of our own models
            where it has none.
        overrides: See `foregaze.config.read_config`.

    Raises:
        ConfigError: If the file cannot be read or does not validate.
        UnknownNameError: If there is no such architecture to train.
    """
    return make_recipe(read_yaml(path, overrides), str(path))


def make_recipe(content: dict[str, Any], source: str) -> RunPlan:
    """A validated recipe from plain keys and values.

    Args:
        content: As in a recipe's file.
        source: Where it comes from, for messages.

    Raises:
        ConfigError: If it does not validate.
        UnknownNameError: If there is no such architecture to train.
    """
    architecture = content.get("architecture", "trunk-mixture")
    if not isinstance(architecture, str) or architecture not in RECIPES:
        raise UnknownNameError("architecture", str(architecture), RECIPES)
    return make_config(RECIPES[architecture], content, source)
