"""Which runs a pipeline consists of; no data set or checkpoint is there."""

from pathlib import Path

import pytest

from foregaze.errors import ConfigError, UnknownNameError
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.pipeline import Pipeline, in_order, merged, read_pipeline, resolve

OUTPUT = Path("runs/phases")
SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "pipelines").glob("*.yaml"))
BRANCH = {"name": "head", "stages": [{"name": "s", "epochs": 1}]}
BASE = {
    "name": "a phase",
    "architecture": "dinogaze",
    "model": {
        "backbones": [{"name": "tf_efficientnet_lite0", "taps": ["4"], "weights": "random:0"}],
        "history": 0,
    },
    "data": {"name": "osie", "root": "osie", "folds": 3},
    "parts": ["fold-0", "fold-2"],
    "branches": [BRANCH],
}
MOUSE = {"data": {"name": "osie-mouse-amt"}}
SALICON = {"data": {"name": "salicon-2015-train"}, "parts": ["all"]}


def stage(name, after=None, **recipe):
    return {"name": name, "after": after, "recipe": recipe}


def pipeline_of(*stages, **base):
    content = {"name": "toy", "base": merged(BASE, base), "stages": list(stages)}
    return Pipeline.model_validate(content)


def resolved(*stages, **base):
    """Recipes by the stages' names, in the order in which they are run."""
    runs = resolve(pipeline_of(*stages, **base), OUTPUT)
    assert [run.output for run in runs] == [OUTPUT / run.stage.name for run in runs]
    return {run.stage.name: run.recipe for run in runs}


def refused(message, *stages, **base):
    with pytest.raises(ConfigError, match=message) as error:
        resolve(pipeline_of(*stages, **base), OUTPUT)
    assert "\n" not in str(error.value)


def test_stages_run_after_those_that_they_start_from():
    stages = [stage("c", "b"), stage("a"), stage("e", "b"), stage("b", "a"), stage("d")]
    assert list(resolved(*stages)) == ["a", "b", "c", "e", "d"]


def test_stages_that_are_in_order_stay_in_it():
    stages = pipeline_of(stage("z"), stage("y"), stage("x", "z"), stage("w", "y")).stages
    assert tuple(in_order(stages)) == stages


def test_a_stage_after_none_is_named_with_the_known_ones():
    refused(
        "stage 'eye': comes after 'muose', which is no stage; known: mouse, eye",
        stage("mouse"),
        stage("eye", "muose"),
    )


def test_a_circle_is_named_whole():
    refused(
        "stages run in a circle: b after c after d after b",
        stage("a"),
        stage("e", "b"),
        stage("b", "c"),
        stage("c", "d"),
        stage("d", "b"),
    )
    refused("stages run in a circle: a after a", stage("a", "a"))


def test_two_stages_of_one_name_are_refused():
    refused("stages: two are called 'b'", stage("a"), stage("b"), stage("b", "a"))


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", ".hidden", "-x", "a b", "a\n"])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ValueError, match="must be letters, digits"):
        pipeline_of(stage(name))


@pytest.mark.parametrize("name", ["a", "1-mouse", "phase_2.b"])
def test_a_name_of_a_folder_is_taken(name):
    assert list(resolved(stage(name))) == [name]


def test_each_part_starts_from_the_part_of_its_name():
    recipe = resolved(stage("mouse", **MOUSE), stage("eye", "mouse"))["eye"]
    assert isinstance(recipe, GuidedRecipe)
    assert recipe.start == {
        "fold-0": OUTPUT / "mouse/fold-0/model.safetensors",
        "fold-2": OUTPUT / "mouse/fold-2/model.safetensors",
    }
    assert recipe.start_of("fold-1") is None


def test_a_part_that_the_stage_before_has_not_starts_from_all():
    recipes = resolved(
        stage("salicon", **SALICON), stage("eye", "salicon", parts=["folds", "all"]), stage("no")
    )
    paths = {path.as_posix() for path in recipes["eye"].start.values()}
    assert paths == {"runs/phases/salicon/all/model.safetensors"}
    assert list(recipes["eye"].start) == ["fold-0", "fold-1", "fold-2", "all"]
    assert recipes["salicon"].start == recipes["no"].start == {}


def test_the_checkpoints_are_values_of_the_recipe():
    """So that a run alone says what it was made of, and a run from elsewhere is another one."""
    recipe = resolved(stage("mouse", **MOUSE), stage("eye", "mouse"))["eye"]
    assert recipe.model_dump(mode="json")["start"]["fold-2"] == str(
        OUTPUT / "mouse" / "fold-2" / "model.safetensors"
    )


def test_a_part_without_anything_to_start_from_is_refused():
    refused(
        "stage 'eye': its part 'fold-1' has nothing to start from: stage 'mouse' makes fold-0",
        stage("mouse", parts=["fold-0"], **MOUSE),
        stage("eye", "mouse", parts=["fold-1"]),
    )


@pytest.mark.parametrize("name", ["osie", "osie-mouse-amt", "osie-mouse-lab"])
def test_a_model_that_has_seen_the_test_images_is_not_started_from(name):
    refused(
        f"stage 'eye': its part 'fold-0' would start from a model that has seen all images of "
        f"{name}, .* give stage 'mouse' the same parts",
        stage("mouse", data={"name": name}, parts=["all"]),
        stage("eye", "mouse"),
    )


def test_a_model_to_ship_may_go_on_from_all_images():
    parts = {"parts": ["all"]}
    recipes = resolved(stage("mouse", **MOUSE, **parts), stage("eye", "mouse", **parts))
    assert list(recipes["eye"].start) == ["all"]


@pytest.mark.parametrize(
    "data", [{"folds": 5}, {"fold_scheme": "published"}, {"exclude": "names.txt"}]
)
def test_other_folds_of_the_same_images_are_refused(data):
    """Their test images were trained on under the same name of a part."""
    refused(
        "stage 'eye': its part 'fold-0' would start from a model that has seen images that it is "
        "scored on, because stage 'mouse' has other folds: give both the same data.exclude, "
        "data.fold_scheme, data.folds",
        stage("mouse", **MOUSE),
        stage("eye", "mouse", data=data),
    )


def test_other_folds_of_other_images_are_fine():
    data = {"name": "mit1003", "folds": 10}
    assert resolved(stage("osie"), stage("mit", "osie", data=data))["mit"].data.folds == 10


def test_images_seen_further_back_count_too():
    stages = [
        stage("mouse", parts=["all"], **MOUSE),
        stage("salicon", "mouse", **SALICON),
        stage("eye", "salicon"),
    ]
    refused("stage 'eye': .* has seen all images of osie-mouse-amt", *stages)


def test_after_and_start_exclude_each_other():
    refused(
        "stage 'eye': give after or start, not both",
        stage("mouse"),
        stage("eye", "mouse", start={"": "other.safetensors"}),
    )


def test_a_stage_may_start_from_a_checkpoint_from_elsewhere():
    recipe = resolved(stage("eye", start={"": "other.safetensors"}))["eye"]
    assert recipe.start_of("fold-2") == Path("other.safetensors")


def test_frozen_networks_need_something_to_come_from():
    assert resolved(stage("a"), stage("b", "a", frozen=["saliency"]))["b"].frozen == ("saliency",)
    refused("stage 'a': frozen networks come from a checkpoint", stage("a", frozen=["saliency"]))


def test_models_that_cannot_go_on_are_refused():
    head = {"name": "head", "backbone": "x", "taps": [4], "stages": BRANCH["stages"]}
    deepgaze = stage("b", "a", architecture="deepgaze3", branches=[head])
    refused("stage 'b': cannot come after another: of deepgaze3 none starts", stage("a"), deepgaze)


def test_problems_of_recipes_name_the_stage():
    refused(
        "stage 'b': unknown key 'worker'; known here: .*workers", stage("a"), stage("b", worker=3)
    )
    refused("stage 'b': model: unknown key 'histroy'", stage("a"), stage("b", model={"histroy": 1}))
    with pytest.raises(UnknownNameError, match="unknown architecture 'dinogase'; known: "):
        resolved(stage("a", architecture="dinogase"))
    with pytest.raises(UnknownNameError, match=r"unknown architecture .*\['dinogaze'\]"):
        resolved(stage("a", "b", architecture=["dinogaze"]), stage("b"))


def test_what_stages_say_is_laid_over_the_base():
    recipes = resolved(
        stage("a", data={"folds": 4}, model={"history": 2}), stage("b", grid={"density_stride": 8})
    )
    first, second = recipes["a"], recipes["b"]
    assert (first.data.name, first.data.folds, second.data.folds) == ("osie", 4, 3)
    assert first.model == BASE["model"] | {"history": 2}
    assert second.model == BASE["model"]
    assert (second.grid.density_stride, second.grid.input_size) == (8, (576, 768))


def test_merging_takes_lists_whole_and_leaves_both_trees_as_they_are():
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2], "f": 0}
    own = {"a": {"c": {"x": 3}}, "e": [3], "f": {"g": 1}}
    assert merged(base, own) == {
        "a": {"b": 1, "c": {"d": 2, "x": 3}},
        "e": [3],
        "f": {"g": 1},
    }
    assert base == {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2], "f": 0}
    assert own == {"a": {"c": {"x": 3}}, "e": [3], "f": {"g": 1}}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_pipeline_that_is_shipped_resolves(path):
    assert resolve(read_pipeline(path), OUTPUT)
