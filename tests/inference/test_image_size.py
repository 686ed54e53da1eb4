import pytest

from foregaze.errors import ShapeError
from foregaze.inference.image_size import check_not_too_large
from foregaze.inference.zoo import load_model
from foregaze.models.deepgaze_config import BackboneConfig
from tests.inference.toy_deepgaze import picture, save_toy

ALEXNET = BackboneConfig(name="alexnet", taps=("features.10",), weights="random:0")
"""Sees images with sides of at least 31 pixels."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("toys")


@pytest.fixture(scope="module")
def toys(folder):
    paths = {
        name: save_toy(folder / f"{name}.safetensors", name, backbones=(ALEXNET,))
        for name in ("deepgaze1", "deepgaze3", "deepgaze-msdb")
    }
    return {name: load_model(str(path), device="cpu") for name, path in paths.items()}


def refusal(model, size: tuple[int, int], resolution: float = 35.0) -> str:
    with pytest.raises(ShapeError) as refused:
        model.predict(picture(*size), pixels_per_degree=resolution)
    return str(refused.value)


@pytest.mark.parametrize("name", ["deepgaze1", "deepgaze3"])
@pytest.mark.parametrize("size", [(1, 1), (20, 20), (50, 3000), (61, 200)])
def test_an_image_that_is_too_small_for_the_network_says_what_is_needed(toys, name, size):
    model = toys[name]
    assert refusal(model, size) == (
        f"image of {size[1]}x{size[0]} pixels is too small for {model.name!r}, which needs sides "
        "of 62: give a larger or less elongated image"
    )


def test_what_is_said_to_be_needed_is_enough(toys):
    for name in ("deepgaze1", "deepgaze3"):
        assert toys[name].predict(picture(62, 62), pixels_per_degree=35.0).log_density.ndim == 2


def test_an_image_that_rescaling_makes_too_small_says_so(toys):
    assert "image of 100x200 pixels rescaled to 50x100 is too small for " in (
        refusal(toys["deepgaze1"], (200, 100), 70.0)
    )


@pytest.mark.parametrize(
    ("size", "resolution", "seen"),
    [((1, 1), 35.0, "1x1"), ((20, 20), 17.5, "20x20"), ((50, 3000), 35.0, "64x2")],
)
def test_msdb_names_the_scale_that_is_too_small(toys, size, resolution, seen):
    model = toys["deepgaze-msdb"]
    assert refusal(model, size, resolution) == (
        f"image of {size[1]}x{size[0]} pixels is too small for {model.name!r}, which sees it as "
        f"{seen} at one of its scales, at {resolution:g} pixels per degree of visual angle, and "
        "needs sides of 31: give a larger or less elongated image"
    )


def test_a_network_without_a_limit_still_needs_a_cell(folder):
    model = load_model(str(save_toy(folder / "any.safetensors", "deepgaze1")), device="cpu")
    assert "which needs sides of 4: " in refusal(model, (3, 3))
    assert model.predict(picture(4, 4), pixels_per_degree=35.0).log_density.shape == (4, 4)


@pytest.mark.parametrize("resolution", [0.001, 1e-300, 5e-324])
def test_an_image_is_not_rescaled_beyond_the_limit_of_images(resolution):
    with pytest.raises(ShapeError) as refused:
        check_not_too_large((120, 160), 35.0, resolution)
    assert str(refused.value) == (
        f"image of 160x120 pixels, of which {resolution:g} are a degree of visual angle, has more "
        "than 100,000,000 when it is rescaled to 35 of them, and that is the limit"
    )
