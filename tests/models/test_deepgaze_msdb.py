"""DeepGaze MSDB against the plain implementation and what the reference returned.

Its two networks are replaced by stubs: they are far too large for a test.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from foregaze.models import deepgaze_msdb
from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.deepgaze_msdb import (
    READOUT,
    DatasetFinalizer,
    DeepGazeMSDB,
    DeepGazeMSDBConfig,
    MultiScaleFeatures,
)
from foregaze.models.deepgaze_networks import SaliencyNetworks
from foregaze.ops.nearest import CompactGrid
from tests.models.plain_msdb import MSDBFinalizer, PlainMSDB
from tests.models.plain_msdb import MultiScaleFeatures as PlainMultiScaleFeatures
from tests.models.release_files import fill, layout, load_fixture, load_golden
from tests.models.test_plain_msdb import Cosines, TwoConvolutions, dataset_of
from tests.models.toy_heads import DTYPES, assert_close, numbers, take_over

ONE = (BackboneConfig(name="stub", taps=("all",), weights="random:0"),)
DATASETS = pytest.mark.parametrize(
    "dataset", [None, torch.tensor([2, 0])], ids=["unknown data set", "known data sets"]
)


def build(backbone: nn.Module, channels: tuple[int, ...], **settings: object) -> DeepGazeMSDB:
    backbone.channels = channels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deepgaze_msdb, "create_frozen", lambda _: backbone)
        return DeepGazeMSDB(DeepGazeMSDBConfig(backbones=ONE, **settings))


@pytest.fixture(scope="module")
def whole() -> DeepGazeMSDB:
    model = build(Cosines(), (1024, 768, 768))
    take_over(fill(layout("deepgazemsdb")), model.published())
    return model


@pytest.mark.parametrize(
    ("key", "dataset"), [("log_density_none", None), ("log_density_dataset2", 2)]
)
@torch.inference_mode()
def test_density_on_the_stub_network_is_that_of_the_reference(whole, key, dataset):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgazemsdb_stub")
    ours = whole(
        inputs["image"].float(),
        inputs["centerbias"],
        torch.tensor([35.0]),
        None if dataset is None else torch.tensor([dataset]),
    )
    assert_close(ours, theirs[key], atol=1e-5)  # measured 4.8e-6 and 1.9e-6
    assert ours.logsumexp((-2, -1)).abs().item() < 1e-5


@DTYPES
@pytest.mark.parametrize("kind", ["known", "unknown"])
@torch.inference_mode()
def test_mixed_features_are_those_of_the_reference(kind, dtype):
    parameters, arrays = load_golden(f"msdb_multiscale_{kind}")
    scales = {"scales_px_per_dva": (5.0, 10.0, 17.5), "scales_px": (64, 128)}
    model = build(TwoConvolutions(), (6, 4), **scales).to(dtype)
    network = {k: x for k, x in parameters.items() if k.startswith("backbone.")}
    model.backbones[0].load_state_dict(
        {key.removeprefix("backbone."): x for key, x in network.items()}
    )
    for key in ("pixel_per_dva_weights", "size_weights"):
        model.published()[f"features.{key}"].copy_(parameters[key])
    pixels = arrays["image"].to(dtype)
    weights = model.scales(dataset_of(arrays))
    ours = model.mixed_features(pixels, arrays["pixel_per_dva"], weights)
    assert_close(ours, arrays["out"], atol=3e-6)  # measured 1.2e-7; in float64 1.4e-6
    plain = PlainMultiScaleFeatures(
        TwoConvolutions(), ppd_scales=(5.0, 10.0, 17.5), size_scales_px=(64, 128)
    )
    plain.load_state_dict(parameters)
    exact = plain.double()(arrays["image"], arrays["pixel_per_dva"], dataset_of(arrays))
    assert_close(ours, exact, atol=3e-6 if dtype == torch.float32 else 1e-12)


@DTYPES
@torch.inference_mode()
def test_saliency_network_is_that_of_the_reference(dtype):
    parameters, arrays = load_golden("msdb_saliency_network")
    network = SaliencyNetworks(1, 24, READOUT).to(dtype)
    take_over(parameters, network.published("", 0))
    features = arrays["features"].to(dtype)
    ours = network([features], CompactGrid.of([(12, 16)], (12, 16)))
    assert_close(ours, arrays["out"], atol=8e-6)  # measured 4.3e-6; in float64 1.8e-6


@DTYPES
@pytest.mark.parametrize("kind", ["known", "unknown"])
@torch.inference_mode()
def test_finalizer_gives_the_density_of_the_reference(kind, dtype):
    parameters, arrays = load_golden(f"msdb_finalizer_{kind}")
    finalizer = DatasetFinalizer(DeepGazeMSDBConfig()).to(dtype)
    take_over(parameters, finalizer.published())
    given = (arrays["readout"].to(dtype), arrays["centerbias"].to(dtype))
    dataset = dataset_of(arrays)
    ours = finalizer(given[0][:, 0], given[1], 2 * arrays["sigma_scaling"], dataset)
    assert_close(ours, arrays["out"], atol=4e-6)  # measured 9.5e-7; in float64 1.4e-6
    plain = MSDBFinalizer()
    plain.load_state_dict(parameters)
    scaling = arrays["sigma_scaling"]
    exact = plain.double()(*(x.double() for x in given), scaling, dataset)
    assert_close(ours, exact, atol=4e-6 if dtype == torch.float32 else 1e-11)


@pytest.fixture
def pair() -> Iterator[tuple[DeepGazeMSDB, PlainMSDB]]:
    """A small model and the plain one with the same numbers, in float64."""
    settings = {"ppd_scales": (5.0, 10.0), "size_scales_px": (64, 100)}
    plain = PlainMSDB(TwoConvolutions().double(), 10, **settings)
    tensors = fill({key: tuple(x.shape) for key, x in plain.state_dict().items()})
    plain.load_state_dict(tensors)
    plain.double()
    model = build(
        plain.features.backbone,
        (6, 4),
        scales_px_per_dva=settings["ppd_scales"],
        scales_px=settings["size_scales_px"],
    )
    own = {k: x for k, x in plain.state_dict().items() if "backbone" not in k}
    take_over(own, model.double().published())
    return model, plain


def toy(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    pixels = 255 * numbers(0, 2, 3, height, width).sigmoid()
    return pixels, numbers(1, 2, height, width), torch.tensor([12.0, 17.5], dtype=torch.float64)


@DATASETS
@pytest.mark.parametrize("size", [(96, 128), (75, 101), (108, 90)])
def test_density_and_gradients_equal_those_of_the_plain_model(pair, size, dataset):
    model, plain = pair
    given = toy(*size)
    ours, theirs = model(*given, dataset), plain(*given, dataset)
    assert_close(ours, theirs, atol=1e-10)
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12
    weights = numbers(2, *ours.shape)
    plain_parameters = dict(plain.named_parameters())
    views = model.published()
    parameters = [p for n, p in model.named_parameters() if not n.startswith("backbones")]
    mine = torch.autograd.grad((weights * ours).sum(), parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, mine, strict=True):
        with torch.no_grad():
            parameter.copy_(torch.zeros_like(parameter) if gradient is None else gradient)
    functional = (weights * theirs).sum()
    others = torch.autograd.grad(functional, list(plain_parameters.values()), allow_unused=True)
    for key, other in zip(plain_parameters, others, strict=True):
        if key in views:
            expected = torch.zeros_like(views[key]) if other is None else other
            scale = max(1.0, expected.abs().max().item())
            assert_close(views[key].detach() / scale, expected / scale, atol=1e-8)


@DATASETS
@torch.inference_mode()
def test_images_of_a_batch_do_not_mix(pair, dataset):
    model, _ = pair
    given = toy(75, 101)
    singles = [
        model(*(x[i, None] for x in given), None if dataset is None else dataset[i, None])
        for i in range(2)
    ]
    assert_close(model(*given, dataset), torch.cat(singles), atol=1e-11)


@torch.inference_mode()
def test_a_float64_center_bias_makes_the_density_float64(pair):
    model, plain = pair
    given = toy(75, 101)
    exact = plain(*given)
    ours = model.float()(given[0].float(), *given[1:])
    assert ours.dtype == torch.float64
    assert_close(ours, exact, atol=2e-5)


@torch.inference_mode()
def test_density_is_zero_where_the_center_bias_forbids_fixations(pair):
    model, plain = pair
    pixels, centerbias, px_per_dva = toy(75, 101)
    centerbias[:, 20:40, 30:60] = -torch.inf
    ours = model(pixels, centerbias, px_per_dva)
    assert ours[:, 22:38, 32:58].isneginf().all()
    assert_close(ours, plain(pixels, centerbias, px_per_dva), atol=1e-10)


@torch.inference_mode()
def test_scales_of_one_size_are_seen_once(whole):
    seen: list[tuple[int, ...]] = []
    hook = whole.backbones[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[-2:]))
    whole(torch.zeros(1, 3, 75, 100), torch.zeros(1, 75, 100), torch.tensor([35.0 / 1.024]))
    hook.remove()
    assert len(seen) == len(set(seen)) <= 10


def test_images_are_seen_at_the_published_sizes():
    ours, plain = MultiScaleFeatures(DeepGazeMSDBConfig()), PlainMultiScaleFeatures(nn.Identity())
    assert ours.sizes((768, 1024), 35.0)[:3] == [(110, 147), (220, 293), (384, 512)]
    assert ours.sizes((108, 204), 30.0)[2] == (63, 119)  # exactly; 17.5 / 30 alone is rounded up
    for px_per_dva in (20.0, 24.0, 30.0, 35.0, 37.3, 60.0):
        for side in range(100, 1100, 13):
            for size in ((side, 640), (816, side)):
                assert ours.sizes(size, px_per_dva) == plain.sizes(size, px_per_dva)


@DATASETS
def test_weights_of_the_scales_sum_to_one(whole, dataset):
    weights = whole.scales(dataset)
    assert weights.shape == (1 if dataset is None else 2, 10)
    assert_close(weights.sum(1), torch.ones(len(weights)), atol=1e-6)


@torch.inference_mode()
def test_pixels_per_degree_keep_double_precision(whole):
    seen: list[tuple[int, ...]] = []
    hook = whole.backbones[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[-2:]))
    px_per_dva = torch.tensor([33.3], dtype=torch.float64)
    density = whole(torch.zeros(1, 3, 111, 222), torch.zeros(1, 111, 222), px_per_dva)
    hook.remove()
    assert (80, 160) in seen
    assert density.dtype == torch.float32
