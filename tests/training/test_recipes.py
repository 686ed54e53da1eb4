from importlib import import_module
from pathlib import Path

import pytest

from foregaze.config import read_yaml
from foregaze.errors import UnknownNameError
from foregaze.training.deepgaze_recipe import DeepGazeRecipe
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.recipe import Recipe
from foregaze.training.recipes import RECIPES, read_recipe

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "configs" / "segment-study.yaml"
CONFIGS = sorted(set((ROOT / "configs").glob("*.yaml")) - {STUDY})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_is_valid(path):
    recipe = read_recipe(path)
    assert isinstance(recipe, RECIPES[recipe.architecture])


def test_every_row_of_the_segment_study_is_a_valid_recipe(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.chdir(ROOT)
    rows = import_module("segment_study").read_rows(Path("osie"))
    assert {row.slug for row in rows} == set(read_yaml(STUDY)["rows"])
    runs = [run for row in rows for run in row.runs.values()]
    assert all(isinstance(run.recipe, GuidedRecipe) for run in runs)
    assert len({run.output for run in runs}) == len(runs)
    assert all(run.recipe.branches[0].seeds == (s,) for row in rows for s, run in row.runs.items())


def test_the_architecture_decides_what_a_recipe_holds(tmp_path):
    kinds = {path.stem: type(read_recipe(path)) for path in CONFIGS}
    assert kinds["default"] is Recipe
    assert kinds["osie-deepgaze3"] is DeepGazeRecipe


def test_an_unknown_architecture_lists_the_known_ones(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("architecture: deepgaze4\n")
    with pytest.raises(UnknownNameError, match=r"'deepgaze4'.*deepgaze2e"):
        read_recipe(path)
