"""What an image decides once, used for histories, components and batches."""

import pytest
import torch
from torch import Tensor

from foregaze.models.scene import Guide, Scene
from foregaze.ops.finalizer import mean_density
from foregaze.ops.painting import batched, lay_out
from foregaze.ops.spade import Modulation
from tests.models.toy_guided import (
    COMPONENTS,
    EVERY,
    HEIGHT,
    SEGMENTED,
    WIDTH,
    centerbias,
    history,
    inputs,
    pixels,
    segments,
    toy,
)
from tests.models.toy_heads import assert_close, numbers

ALL = pytest.mark.parametrize("name", EVERY)


def scene_of(name: str, **changes):
    """A model, its grid, the images' scene and the center bias on the grid."""
    model = toy(name, **changes)
    grid = model.grid((HEIGHT, WIDTH))
    given = segments() if name in SEGMENTED else None
    return model, grid, model.scene(pixels(), grid, given), model.sample_centerbias(centerbias())


@ALL
@torch.inference_mode()
def test_the_density_after_a_history_is_that_of_the_whole_model(name):
    model, grid, scene, prior = scene_of(name)
    given, options = inputs(name)
    ours = model.density(scene, grid, prior, *history())
    assert torch.equal(ours, model(*given, **options))


@ALL
@pytest.mark.parametrize("length", [0, 4])
@torch.inference_mode()
def test_members_on_components_of_the_scene_make_the_mixture(name, length):
    model, grid, scene, prior = scene_of(name, history=length)
    past = history(length)
    whole = torch.cat(list(model.head.after(scene, grid, prior, *past)), 1)
    assert whole.shape[1] == COMPONENTS
    for k in range(COMPONENTS):
        member = model.head.member(k)
        assert (member.components, member.history) == (1, length)
        (alone,) = member.after(scene.component(k), grid, prior, *past)
        assert_close(alone[:-1], whole[:-1, k, None], atol=1e-12)
        assert_close(alone, whole[:, k, None], atol=2e-9)
        assert abs(alone.exp() - whole[:, 1 - k, None].exp()).max().item() > 1e-7
    mean = mean_density(iter([whole]))
    assert_close(grid.repeated(mean), model.density(scene, grid, prior, *past), atol=2e-9)


@pytest.mark.parametrize("name", [name for name in EVERY if name != "hybrid"])  # two networks
@torch.inference_mode()
def test_a_member_makes_its_own_component_of_the_scene(name):
    model, grid, scene, _ = scene_of(name)
    features = model.features(pixels(), 0)
    for k in range(COMPONENTS):
        guidance = guidance_of(model, features) if name in SEGMENTED else None
        own = model.head.member(k).scene(features, grid, guidance)
        for mine, whole in zip(tensors_of(own), tensors_of(scene.component(k)), strict=True):
            assert_close(mine, whole, atol=1e-12)


def guidance_of(model, features):
    """As the model's own `scene` makes it."""
    patches = features[getattr(model.head, "semantic_tap", 0)]
    size = model.head.readout_size(features, (HEIGHT, WIDTH))
    layouts = [lay_out(ids, (patches.shape[-2], patches.shape[-1]), size) for ids in segments()]
    return Guide(batched(layouts).matching(patches))


def tensors_of(scene: Scene) -> list[Tensor]:
    parts = (*scene.selection, *scene.scanpath)
    return [scene.saliency, *(x for part in parts for x in part)]


@ALL
@torch.inference_mode()
def test_one_scene_serves_many_histories(name):
    model, grid, scene, prior = scene_of(name)
    x_hist = (WIDTH - 1) * numbers(60, 6, 4).sigmoid()
    y_hist = (HEIGHT - 1) * numbers(61, 6, 4).sigmoid()
    x_hist[1, 2:], y_hist[1, 2:] = torch.nan, torch.nan
    first = scene.map(lambda x: x[:2])
    ours = model.density(first.repeated(3), grid, prior[:2].repeat_interleave(3, 0), x_hist, y_hist)
    for number in range(6):
        alone = model.density(
            scene.map(lambda x, i=number // 3: x[i, None]),
            grid,
            prior[number // 3, None],
            x_hist[number, None],
            y_hist[number, None],
        )
        assert_close(ours[number, None], alone, atol=1e-11)


@ALL
@torch.inference_mode()
def test_only_networks_with_spade_have_modulations_in_the_scene(name):
    _, _, scene, _ = scene_of(name)
    assert (len(scene.selection), len(scene.scanpath)) == {"B": (2, 0), "C": (0, 3)}.get(
        name, (0, 0)
    )


def test_a_change_reaches_all_tensors():
    part = Modulation(torch.ones(1, 2, 3, 4), torch.ones(1, 2, 5, 4))
    scene = Scene(torch.ones(1, 2, 2, 2), (part,), (part, part))
    doubled = scene.map(lambda x: 2 * x)
    assert len(tensors_of(doubled)) == 7
    assert all((x == 2).all() for x in tensors_of(doubled))
    assert all(len(x) == 3 for x in tensors_of(scene.repeated(3)))
    assert all(x.shape[1] == 1 for x in tensors_of(scene.component(1)))


@torch.inference_mode()
def test_a_model_without_history_needs_none():
    model, grid, scene, prior = scene_of("A", history=0)
    assert model.nowhere(prior) == ()
    assert torch.equal(
        model.density(scene, grid, prior), model.density(scene, grid, prior, *history())
    )


def test_nowhere_is_a_history_of_missing_fixations():
    model, _, _, prior = scene_of("A")
    x_hist, y_hist = model.nowhere(prior)
    assert x_hist.shape == y_hist.shape == (len(prior), 4)
    assert x_hist.isnan().all()
    assert y_hist.isnan().all()
