"""The plain models against what the reference returned.

Each float32 tolerance is about twice the largest difference measured on two cores; in float64 the
difference is the float32 rounding of the reference itself (7.4e-6 at most in a density), so the
same tolerance holds there.
"""

import copy
import math
from collections.abc import Iterator
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from tests.models.plain_deepgaze import (
    FlexibleScanpathEncoding,
    PlainDeepGaze1,
    PlainDeepGaze2E,
    PlainDeepGaze3,
    PlainMixture,
    ScanpathNetwork,
    assemble,
    encode_scanpath,
    mix,
    readout_shape,
)
from tests.models.plain_layers import Finalizer, downsample_nearest, resize_nearest
from tests.models.release_files import fill, layout, load_fixture, load_golden, write_release

Model = TypeVar("Model", bound=nn.Module)
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


@pytest.fixture(autouse=True)
def inference_mode() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def deepgaze1() -> PlainDeepGaze1:
    return filled(PlainDeepGaze1(), "deepgaze1")


@pytest.fixture(scope="module")
def deepgaze2e() -> PlainDeepGaze2E:
    return filled(PlainDeepGaze2E(), "deepgaze2e")


@pytest.fixture(scope="module")
def deepgaze3() -> PlainDeepGaze3:
    return filled(PlainDeepGaze3(), "deepgaze3")


def filled(model: Model, name: str) -> Model:
    model.load_state_dict(fill(layout(name)), strict=True)
    return model


def in_dtype(model: Model, dtype: torch.dtype) -> Model:
    return model if dtype == torch.float32 else copy.deepcopy(model).to(dtype)


def assert_close(ours: Tensor, theirs: Tensor, atol: float) -> None:
    torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=0, atol=atol)


def feature_stats(features: list[Tensor]) -> Tensor:
    rows = []
    for x in (f.double() for f in features):
        rows.append([x.mean(), x.std(correction=0), x.flatten()[0], x.flatten()[-1]])
    return torch.tensor(rows, dtype=torch.float64)


# Heads and modules


@DTYPES
@pytest.mark.parametrize("size", ["even", "odd"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("deepgaze2e", {"components": 4, "readout_factor": 16, "saliency_map_factor": 2}),
        (
            "deepgaze3",
            {"components": 3, "readout_factor": 4, "saliency_map_factor": 4, "slots": 4},
        ),
    ],
)
def test_mixture_of_heads_gives_the_density_of_the_reference(name, settings, size, dtype):
    parameters, arrays = load_golden(f"{name}_mixture_{size}")
    head = PlainMixture(24, **settings)
    head.load_state_dict(parameters, strict=True)
    history = [arrays[key] for key in ("x_hist", "y_hist") if key in arrays]
    ours = head.to(dtype).forward_features(
        [arrays[f"feature_{i}"].to(dtype) for i in range(3)],
        tuple(arrays["image_shape"].tolist()),
        arrays["centerbias"].to(dtype),
        *history,
    )
    assert ours.dtype == dtype
    assert_close(ours, arrays["out"], atol=4e-6)  # measured 1.9e-6 in each of the four files


@DTYPES
@pytest.mark.parametrize("size", ["even", "odd"])
def test_finalizer_gives_the_density_of_the_reference(size, dtype):
    parameters, arrays = load_golden(f"finalizer_{size}")
    finalizer = Finalizer(int(arrays["saliency_map_factor"]))
    finalizer.load_state_dict(parameters, strict=True)
    ours = finalizer.to(dtype)(arrays["readout"].to(dtype), arrays["centerbias"].to(dtype))
    assert_close(ours, arrays["out"], atol=4e-6)  # measured 0 in float32, 1.7e-6 in float64


@DTYPES
def test_scanpath_encoding_is_that_of_the_reference(dtype):
    parameters, arrays = load_golden("scanpath_encoding")
    encoding = FlexibleScanpathEncoding(4, 128)
    encoding.load_state_dict(parameters, strict=True)
    size, shape = (tuple(arrays[key].tolist()) for key in ("size", "readout_shape"))
    encoded = encode_scanpath(arrays["x_hist"].to(dtype), arrays["y_hist"].to(dtype), size)
    encoded = resize_nearest(encoded, shape)
    torch.testing.assert_close(
        encoded, arrays["encoded"].to(dtype), rtol=1e-7, atol=0, equal_nan=True
    )
    # measured 0 in float32, 5.9e-5 in float64 on values up to 429: relative to these, 1.4e-7
    assert_close(encoding.to(dtype)(encoded), arrays["out"], atol=1e-4)


# Whole models


@DTYPES
def test_deepgaze1_gives_the_density_of_the_reference(deepgaze1, dtype):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze1")
    model = in_dtype(deepgaze1, dtype)
    features = model.features(downsample_nearest(inputs["image"].to(dtype), 2))
    assert_close(feature_stats(features), theirs["feature_stats"], atol=5e-6)  # 7e-7, 2.5e-6
    ours = model(inputs["image"], inputs["centerbias"])
    assert_close(ours, theirs["log_density"], atol=1.5e-5)  # measured 6.7e-6, 7.4e-6


@DTYPES
def test_deepgaze3_gives_the_density_of_the_reference(deepgaze3, dtype):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze3")
    image, size = inputs["image"], tuple(inputs["image"].shape[-2:])
    model = in_dtype(deepgaze3, dtype)
    features = model.features(downsample_nearest(image.to(dtype), 2))
    assert_close(feature_stats(features), theirs["feature_stats"], atol=5e-6)  # 2.6e-6, 5e-7
    saliency = model.saliency_networks[0](assemble(features, readout_shape(size, 2, 4)))
    assert_close(saliency, theirs["saliency_component0"], atol=2e-6)  # 5e-7, 4e-7
    ours = model(
        torch.cat([image, image.flip(-1)]),
        inputs["centerbias"].expand(2, -1, -1),
        theirs["x_hist"],
        theirs["y_hist"],
    )
    assert_close(ours, theirs["log_density"], atol=6e-6)  # measured 2.9e-6, 1.9e-6


@DTYPES
def test_deepgaze2e_gives_the_densities_of_the_reference(deepgaze2e, dtype):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze2e")
    model = in_dtype(deepgaze2e, dtype)
    small = downsample_nearest(inputs["image"].to(dtype), 2)
    for i, part in enumerate(model.models):
        stats = theirs[f"feature_stats_{i}"]
        # of each map's largest number (the random ResNets' reach 2000): 2.8e-6
        scale = stats.abs().amax(1, keepdim=True)
        assert_close(feature_stats(part.features(small)) / scale, stats / scale, atol=6e-6)
    per_backbone = model.per_backbone(inputs["image"], inputs["centerbias"])
    # measured 3.8e-6, 8.6e-6, 1.9e-6 and 1.3e-5; in float64 4.0e-6, 1.1e-5, 1.6e-6 and 9.7e-6
    assert_close(per_backbone, theirs["per_backbone"], atol=2e-5)
    assert_close(mix(per_backbone), theirs["log_density"], atol=1.2e-5)  # 6.7e-6, 6.1e-6


def test_deepgaze2e_is_the_mixture_of_its_backbones(deepgaze2e):
    inputs = load_fixture("inputs")
    arguments = (inputs["image"], inputs["centerbias"])
    mean_density = deepgaze2e.per_backbone(*arguments).double().exp().mean(1, keepdim=True)
    assert_close(deepgaze2e(*arguments).double(), mean_density.log(), atol=4e-6)


@pytest.mark.parametrize("name", ["deepgaze1", "deepgaze2e", "deepgaze3"])
def test_plain_models_have_the_keys_and_shapes_of_the_release_files(name, request):
    model = request.getfixturevalue(name)
    assert {key: tuple(x.shape) for key, x in model.state_dict().items()} == layout(name)


def test_a_written_release_file_loads_into_a_model(deepgaze1, tmp_path):
    path = tmp_path / "deepgaze1.pth"
    write_release(path, fill(layout("deepgaze1")))
    model = PlainDeepGaze1()
    model.load_state_dict(torch.load(path, weights_only=True), strict=True)
    for ours, theirs in zip(model.parameters(), deepgaze1.parameters(), strict=True):
        assert torch.equal(ours, theirs)


# Conventions that the files above do not show


def test_a_float64_centerbias_makes_the_density_float64(deepgaze3):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze3")
    history = (theirs["x_hist"][:1], theirs["y_hist"][:1])
    density = deepgaze3(inputs["image"], inputs["centerbias"].double(), *history)
    assert density.dtype == torch.float64
    assert density.logsumexp((-2, -1)).abs().item() < 1e-12
    assert_close(density, theirs["log_density"][:1], atol=6e-6)


def test_nearest_in_float64_reads_the_same_pixels_as_in_float32():
    pairs = torch.randint(1, 1200, (2000, 2), generator=torch.Generator().manual_seed(0))
    for n_in, n_out in pairs.tolist():
        x = torch.arange(n_in, dtype=torch.float32).reshape(1, 1, 1, n_in)
        assert torch.equal(
            resize_nearest(x.double(), (1, n_out)), resize_nearest(x, (1, n_out)).double()
        )


@pytest.mark.parametrize("factor", [1.5, 2, 4])
def test_downsampling_in_float64_reads_the_same_pixels_as_in_float32(factor):
    for n in range(8, 800, 7):
        x = torch.arange(n, dtype=torch.float32).reshape(1, 1, 1, n).expand(1, 1, 8, n)
        assert torch.equal(
            downsample_nearest(x.double(), factor), downsample_nearest(x, factor).double()
        )


def test_a_missing_fixation_contributes_neither_weight_nor_bias():
    generator = torch.Generator().manual_seed(0)
    encoding = ScanpathNetwork().double().encoding0
    x_hist = torch.rand(3, 4, generator=generator, dtype=torch.float64) * 40
    y_hist = torch.rand(3, 4, generator=generator, dtype=torch.float64) * 30
    for hist in (x_hist, y_hist):
        hist[1, 2:] = math.nan
        hist[2] = math.nan
    encoded = encode_scanpath(x_hist, y_hist, (30, 40))
    out = encoding(encoded)
    parts = [convolution(encoded[:2, k::4]) for k, convolution in enumerate(encoding.convolutions)]
    assert_close(out[0], sum(part[0] for part in parts), atol=1e-12)
    assert_close(out[1], parts[0][1] + parts[1][1], atol=1e-12)
    assert torch.equal(out[2], torch.zeros_like(out[2]))
