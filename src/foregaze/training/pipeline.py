"""Pipelines: training runs that hand checkpoints on, as data.

A stage is a recipe with a name. One that comes `after` another starts every part from the
checkpoint of the other's part of that name, or from its part "all" where it has no such part.
Nothing is found by convention: each run is told the paths of what it starts from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from foregaze.config import Config, read_config
from foregaze.errors import ConfigError
from foregaze.training.guided_recipe import GUIDED, GuidedRecipe
from foregaze.training.recipe import DataConfig, RunPlan
from foregaze.training.recipes import RECIPES, make_recipe

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class PipelineStage(Config):
    """One training run."""

    name: str
    """Of its folder in the output."""
    after: str | None = None
    """Name of the stage whose checkpoints it starts from."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """What differs from the pipeline's `base`."""

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("must be letters, digits, '.', '_' and '-', beginning with no dot")
        return name


class Pipeline(Config):
    """A file of `foregaze run`."""

    name: str
    base: dict[str, Any] = Field(default_factory=dict)
    """What the recipes of all stages have in common."""
    stages: tuple[PipelineStage, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Run:
    """A stage with its recipe complete."""

    stage: PipelineStage
    recipe: RunPlan
    output: Path


def read_pipeline(path: str | Path, overrides: Sequence[str] = ()) -> Pipeline:
    """A validated pipeline file; its recipes are not looked at yet.

    Raises:
        ConfigError: If the file cannot be read or does not validate.
    """
    return read_config(Pipeline, path, overrides)


def resolve(pipeline: Pipeline, output: Path) -> list[Run]:
    """The runs of a pipeline, each after those that it starts from.

    Args:
        pipeline: The pipeline.
        output: Its folder, in which each stage gets one.

    Raises:
        ConfigError: If stages do not follow from each other, or a recipe does not validate.
        UnknownNameError: If a recipe's architecture is unknown.
    """
    runs: dict[str, Run] = {}
    for stage in in_order(pipeline.stages):
        content = merged(pipeline.base, stage.recipe)
        where = f"stage {stage.name!r}"
        if stage.after is not None:
            if content.get("start"):
                raise ConfigError(f"{where}: give after or start, not both")
            without_start = _unstarted(content, where)
            content["start"] = _starts(stage, stage.after, without_start, runs)
        recipe = make_recipe(content, where)
        runs[stage.name] = Run(stage, recipe, output / stage.name)
    return list(runs.values())


def merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Two trees of keys in one; where both have a value the second's stands."""
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            value = merged(below, value)
        result[key] = value
    return result


def in_order(stages: Sequence[PipelineStage]) -> list[PipelineStage]:
    """Stages, each after the one that it starts from.

    Raises:
        ConfigError: If two have one name, one names a stage that is not there, or they run in a
            circle.
    """
    by_name = {stage.name: stage for stage in stages}
    if len(by_name) < len(stages):
        names = [stage.name for stage in stages]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"stages: two are called {twice!r}")
    for stage in stages:
        if stage.after is not None and stage.after not in by_name:
            raise ConfigError(
                f"stage {stage.name!r}: comes after {stage.after!r}, which is no stage; known: "
                f"{', '.join(by_name)}"
            )
    ordered: list[PipelineStage] = []
    for stage in stages:
        chain: list[PipelineStage] = []
        while stage not in ordered:
            if stage in chain:
                circle = [s.name for s in chain[chain.index(stage) :]] + [stage.name]
                raise ConfigError(f"stages run in a circle: {' after '.join(circle)}")
            chain.append(stage)
            if stage.after is None:
                break
            stage = by_name[stage.after]
        ordered += [s for s in reversed(chain) if s not in ordered]
    return ordered


def _unstarted(content: dict[str, Any], where: str) -> RunPlan:
    """A stage's recipe as it would be without the stage before."""
    kind = RECIPES.get(str(content.get("architecture", "trunk-mixture")), GuidedRecipe)
    if kind is not GuidedRecipe:
        raise ConfigError(
            f"{where}: cannot come after another: of {content.get('architecture', 'our models')} "
            f"none starts from a checkpoint, only of {', '.join(GUIDED)}"
        )
    return make_recipe({**content, "frozen": ()}, where)


def _starts(
    stage: PipelineStage, after: str, recipe: RunPlan, runs: Mapping[str, Run]
) -> dict[str, str]:
    """Checkpoint that each part starts from."""
    there = runs[after].recipe.part_names()
    starts = {}
    for part in recipe.part_names():
        source = part if part in there else "all"
        if source not in there:
            raise ConfigError(
                f"stage {stage.name!r}: its part {part!r} has nothing to start from: stage "
                f"{after!r} makes {', '.join(there)}"
            )
        for before, seen in _lineage(runs, after, source):
            _check_unseen(stage, recipe.data, part, before, seen)
        starts[part] = str(runs[after].output / source / "model.safetensors")
    return starts


def _lineage(runs: Mapping[str, Run], name: str | None, part: str) -> Iterator[tuple[Run, str]]:
    """The runs that a checkpoint goes back to, and the part of each."""
    while name is not None:
        run = runs[name]
        if part not in run.recipe.part_names():
            part = "all"
        yield run, part
        name = run.stage.after


def _check_unseen(
    stage: PipelineStage, data: DataConfig, part: str, before: Run, seen: str
) -> None:
    """Raise a `ConfigError` if a part's test images were trained on before, whatever the traces."""
    known = before.recipe.data
    if data.name.partition("-")[0] != known.name.partition("-")[0]:
        return
    where = f"stage {stage.name!r}: its part {part!r} would start from a model that has seen"
    if part != seen:
        raise ConfigError(
            f"{where} all images of {known.name}, those that it is scored on among them; "
            f"give stage {before.stage.name!r} the same parts"
        )
    dealing = {"folds", "fold_scheme", "exclude"}
    if data.model_dump(include=dealing) != known.model_dump(include=dealing):
        raise ConfigError(
            f"{where} images that it is scored on, because stage {before.stage.name!r} has other "
            f"folds: give both the same {', '.join(f'data.{key}' for key in sorted(dealing))}"
        )
