import pytest

from foregaze.config import make_config
from foregaze.errors import ConfigError
from foregaze.training.recipe import Recipe

BRANCH = {"name": "b", "config": {}, "stages": [{"name": "eye", "epochs": 1}]}
HISTORIES = {"histories_per_image": 3}
MINIMAL = {"name": "toy", "branches": [BRANCH], "data": {"root": "osie"}}


def made(**changes) -> Recipe:
    return make_config(Recipe, MINIMAL | changes, "recipe.yaml")


def test_folds_are_spelled_out_once():
    assert made(parts=["fold-1", "folds", "all"]).part_names() == [
        *("fold-1", "fold-0", "fold-2", "fold-3", "fold-4", "all")
    ]


def test_the_mixture_has_a_branch_for_each_seed():
    two = [BRANCH | {"seeds": [0, 1, 2]}, BRANCH | {"name": "c", "config": {"tuned_from": 7}}]
    assert [b.tuned_from for b in made(branches=two).mixture.branches] == [5, 5, 5, 7]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"brunches": []}, "unknown key 'brunches'; known here: architecture, backbone"),
        ({"data": {"root": "x", "flods": 3}}, "unknown key 'data.flods'; known here: centerbias"),
        ({"branches": [BRANCH | {"stages": [{"name": "a", "epochs": 0}]}]}, "greater than or"),
        ({"branches": [BRANCH | {"seeds": [1, 1]}]}, "seeds must differ"),
        ({"branches": [BRANCH, BRANCH]}, "branches must have different names"),
        ({"parts": ["fold-7"]}, "parts: 'fold-7' is given; expected all, folds, pairs, fold-0 to"),
        ({"data": {}}, "key 'data.root' is missing"),
        ({"density_stride": 12}, "density_stride: must divide 32"),
        (
            {"branches": [BRANCH | {"stages": [{"name": "a", "epochs": 1, **HISTORIES}]}]},
            "trunk-mixture does not see past fixations",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        made(**changes)
    assert "\n" not in str(error.value)
