"""What holds for all models of the DinoGaze family."""

import pytest
import torch

from foregaze.errors import ConfigError, ShapeError
from foregaze.models import MODELS
from foregaze.models.checkpoint import load_checkpoint, save_checkpoint
from foregaze.models.checkpoint_file import read_tensors
from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.guided import check_ids
from foregaze.models.scene import Scene
from tests.models.toy_guided import (
    BATCH,
    COMPONENTS,
    EVERY,
    HEIGHT,
    PAINTED,
    SEGMENTED,
    WIDTH,
    centerbias,
    history,
    inputs,
    pixels,
    segments,
    toy,
)
from tests.models.toy_heads import assert_close

ALL = pytest.mark.parametrize("name", EVERY)
LENGTHS = pytest.mark.parametrize("length", [0, 4])


@ALL
@LENGTHS
@torch.inference_mode()
def test_exp_of_the_density_sums_to_one(name, length):
    model = toy(name, history=length)
    given, options = inputs(name, length)
    ours = model(*given, **options)
    assert ours.shape == (BATCH, HEIGHT, WIDTH)
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12


@ALL
@LENGTHS
@torch.inference_mode()
def test_images_of_a_batch_do_not_mix(name, length):
    model = toy(name, history=length)
    given, options = inputs(name, length)
    ours = model(*given, **options)
    for i in range(BATCH):
        own = {key: maps[i : i + 1] for key, maps in options.items()}
        assert_close(model(*(x[i, None] for x in given), **own), ours[i, None], atol=2e-9)


@ALL
@torch.inference_mode()
def test_a_missing_fixation_is_one_whose_slot_is_not_there(name):
    model, shorter = toy(name, history=4), toy(name, history=2)
    tensors = model.state_dict()
    tensors["heads.0.scanpath.encoding"] = tensors["heads.0.scanpath.encoding"][:, :, :2]
    shorter.load_state_dict(tensors)
    (images, prior, x_hist, y_hist), options = inputs(name)
    x_hist[:, 2:], y_hist[:, 2:] = torch.nan, torch.nan
    assert (~x_hist.isnan()).sum(1).tolist() == [1, 2, 0]
    ours = model(images, prior, x_hist, y_hist, **options)
    assert torch.equal(shorter(images, prior, x_hist[:, :2], y_hist[:, :2], **options), ours)


@ALL
@torch.inference_mode()
def test_no_past_fixation_is_one_thing_however_it_is_said(name):
    model = toy(name)
    (images, prior, _, _), options = inputs(name)
    missing = torch.full((BATCH, 4), torch.nan, dtype=torch.float64)
    ours = model(images, prior, **options)
    assert torch.equal(model(images, prior, missing, missing, **options), ours)
    anywhere = torch.full_like(missing, 30.0)  # y of fixations without x
    assert torch.equal(model(images, prior, missing, anywhere, **options), ours)


@ALL
@torch.inference_mode()
def test_past_fixations_matter_to_models_that_see_them_and_not_to_others(name):
    (images, prior, *past), options = inputs(name)
    for length, matter in ((4, True), (0, False)):
        model = toy(name, history=length)
        assert model.sees_history == matter
        given = past if matter else ()
        ours = model(images, prior, *given, **options)
        moved = [x + 9 for x in past] if matter else ()
        differs = (model(images, prior, *moved, **options) - ours).abs().amax((-2, -1)) > 1e-3
        assert differs.tolist() == [matter, matter, False]


@torch.inference_mode()
def test_a_mirrored_past_has_mirrored_offsets():
    """Cells are large: where they are taken to be matters."""
    model = toy("dinogaze")
    grid = model.grid((64, 96))
    scene = Scene(torch.zeros(1, COMPONENTS, 4, 6, dtype=torch.float64))
    flat = torch.zeros(1, *grid.size, dtype=torch.float64)
    seen = []
    model.head.scanpath.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x, y = torch.full((2, 1, 4), torch.nan, dtype=torch.float64)
    x[:, 0], y[:, 0] = 20.0, 10.0
    for past in (x, 96 - x):
        model.density(scene, grid, flat, past, y)
    (dx, dy, *_), (mirrored, same, *_) = (offsets[0, 0].reshape(4, 4, 6) for offsets in seen)
    assert torch.equal(mirrored, -dx.flip(-1))
    assert torch.equal(same, dy)
    assert dx[0].tolist() == [-12.0, 4.0, 20.0, 36.0, 52.0, 68.0]


@ALL
@torch.inference_mode()
def test_single_precision_is_close_to_double_also_without_past_fixations(name):
    model = toy(name)
    given, options = inputs(name)
    assert given[2][-1].isnan().all()
    exact = model(*given, **options)
    single = model.float()(*(x.float() for x in given), **options)
    assert single.dtype == torch.float32
    assert_close(single.double(), exact, atol=2e-5)  # measured 4.6e-6


@pytest.mark.parametrize("name", SEGMENTED)
@torch.inference_mode()
def test_new_ids_change_no_bit_of_painted_models_but_do_of_learned_vectors(name):
    model = toy(name)
    given, options = inputs(name)
    order = torch.tensor([3, 0, 8, 5, 1, 7, 2, 4, 6])
    ours = model(*given, **options)
    renamed = model(*given, segments=[order[ids] for ids in segments()])
    assert torch.equal(renamed, ours) == (name in PAINTED)
    assert (renamed - ours).abs().max().item() > 1e-2 or name in PAINTED


@pytest.mark.parametrize("name", SEGMENTED)
@torch.inference_mode()
def test_segments_matter(name):
    model = toy(name)
    given, options = inputs(name)
    others = model(*given, segments=[ids.flip(-1) for ids in segments()])
    differs = (others - model(*given, **options)).abs().amax((-2, -1))
    assert (differs > 1e-3).all()


@pytest.mark.parametrize("name", SEGMENTED)
@torch.inference_mode()
def test_segments_may_have_another_size_than_the_image(name):
    model = toy(name)
    given, _ = inputs(name)
    coarse = [ids[::2, ::2] for ids in segments()]
    finer = [x.repeat_interleave(3, 0).repeat_interleave(3, 1) for x in coarse]
    ours = model(*given, segments=finer)
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12
    assert not torch.equal(ours, model(*given, segments=[x.flip(0) for x in finer]))


@pytest.mark.parametrize("name", SEGMENTED)
@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (None, "no maps of segments are given, expected one for each of 3 images"),
        (segments()[:2], "2 maps of segments are given, expected one for each of 3 images"),
        (
            [*segments()[:2], torch.full((HEIGHT, WIDTH), 9)],
            "a segment has the id 9, expected 0 to 8: this model takes at most 9 segments",
        ),
        (
            [*segments()[:2], torch.full((HEIGHT, WIDTH), -1)],
            "a segment has the id -1, expected 0 to 8: this model takes at most 9 segments",
        ),
    ],
    ids=["none", "too few", "too large", "negative"],
)
def test_impossible_segments_are_refused_before_any_network_runs(name, maps, message):
    model = toy(name)
    passes = []
    model.backbones[0].register_forward_hook(lambda *_: passes.append(1))
    with pytest.raises(ShapeError, match=f"^{message}$"):
        model(pixels(), centerbias(), *history(), segments=maps)
    assert passes == []


def test_ids_up_to_the_most_are_taken():
    check_ids(torch.tensor([[0, 8]]), 9)
    with pytest.raises(ShapeError, match="at most 8 segments"):
        check_ids(torch.tensor([[0, 8]]), 8)


def test_a_model_without_segments_refuses_them():
    given, _ = inputs("dinogaze")
    with pytest.raises(ConfigError, match=r"^this model sees no segments: leave out segments$"):
        toy("dinogaze")(*given, segments=segments())


@ALL
@LENGTHS
def test_every_trained_parameter_matters(name, length):
    model = toy(name, history=length)
    given, options = inputs(name, length)
    parameters = {key: p for key, p in model.named_parameters() if p.requires_grad}
    if name == "B":  # a constant on the whole readout, which cancels in the density
        del parameters["heads.0.fixation_selection.layers.1.beta_bias"]
    functional = (model(*given, **options) * centerbias()).sum()
    gradients = torch.autograd.grad(functional, list(parameters.values()))
    for key, gradient in zip(parameters, gradients, strict=True):
        assert gradient.isfinite().all(), key
        assert gradient.abs().max().item() > 1e-9, key


@ALL
def test_frozen_networks_are_not_trained(name):
    model = toy(name)
    assert not any(p.requires_grad for p in model.backbones.parameters())
    trained = {key for key, p in model.named_parameters() if p.requires_grad}
    assert {key.split(".")[0] for key in trained} == {"heads"}


def test_a_model_stands_on_one_network():
    two = tuple(BackboneConfig(name=n, taps=("0",), weights="random:0") for n in "ab")
    with pytest.raises(ValueError, match="the saliency network stands on one backbone, not 2"):
        MODELS["dinogaze-spade"].Config(backbones=two)


FAMILY = (
    "dinogaze",
    "dinogaze-spade",
    "deepgaze-spade-static",
    "deepgaze-spade-dynamic",
    "deepgaze-spade-hybrid",
)


@pytest.mark.parametrize("name", FAMILY)
@torch.inference_mode()
def test_a_checkpoint_gives_the_same_predictions_and_holds_no_frozen_network(name, tmp_path):
    lite = BackboneConfig(name="tf_efficientnet_lite0", taps=("2", "4"), weights="random:0")
    semantic = lite.model_copy(update={"taps": ("4",)})
    networks = (lite, semantic) if name == "deepgaze-spade-hybrid" else (lite,)
    kind = MODELS[name]
    spade = {} if name == "dinogaze" else {"spade_hidden": 4}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = kind(kind.Config(backbones=networks, components=2, **spade)).eval()
    save_checkpoint(model, tmp_path / "m.safetensors", {"of": "nothing"})
    assert {key.split(".")[0] for key in read_tensors(tmp_path / "m.safetensors")} == {"heads"}
    loaded = load_checkpoint(tmp_path / "m.safetensors")
    assert type(loaded.model) is kind
    assert loaded.model.config == model.config
    options = {} if name == "dinogaze" else {"segments": [x[:, :80] for x in segments()]}
    given = [x[..., :80].float() for x in (pixels(), centerbias())]
    ours = model(*given, *(x.float() for x in history()), **options)
    assert torch.equal(loaded.model(*given, *(x.float() for x in history()), **options), ours)
