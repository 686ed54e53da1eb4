"""Plain DeepGaze MSDB against what the reference returned.

Tolerances: about twice the largest difference measured, in float64 that of the reference itself.
"""

from collections.abc import Iterator

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tests.models.plain_msdb import (
    MSDBFinalizer,
    MSDBSaliencyNetwork,
    MultiScaleFeatures,
    PlainMSDB,
)
from tests.models.release_files import fill, layout, load_fixture, load_golden

DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


class TwoConvolutions(nn.Module):
    """The backbone in shared/golden/msdb_multiscale_*: found by search, it fits to the last bit."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 6, 8, stride=8)
        self.b = nn.Conv2d(3, 4, 14, stride=14)

    def forward(self, image: Float[Tensor, "B 3 h w"]) -> list[Float[Tensor, "B _ _ _"]]:
        return [self.a(image / 255), self.b(image / 255)]


class Cosines(nn.Module):
    """The backbone of the fixture deepgazemsdb_stub."""

    def forward(self, image: Float[Tensor, "B 3 h w"]) -> list[Float[Tensor, "B _ _ _"]]:
        f = image[:, :, ::16, ::16] / 255
        maps = []
        for t, channels in enumerate((1024, 768, 768)):
            c = torch.arange(channels)
            waves = torch.cos(0.1 * c.double() + t).to(f.dtype)
            maps.append(f[:, (c + t) % 3] * waves[:, None, None])
        return maps


@pytest.fixture(autouse=True)
def inference_mode() -> Iterator[None]:
    with torch.inference_mode():
        yield


def assert_close(ours: Tensor, theirs: Tensor, atol: float) -> None:
    torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=0, atol=atol)


def dataset_of(arrays: dict[str, Tensor]) -> Tensor | None:
    dataset = arrays["dataset_index"]
    return None if dataset[0] == -1 else dataset


@DTYPES
@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_mixed_features_are_those_of_the_reference(kind, dtype):
    parameters, arrays = load_golden(f"msdb_multiscale_{kind}")
    features = MultiScaleFeatures(
        TwoConvolutions(), ppd_scales=(5.0, 10.0, 17.5), size_scales_px=(64, 128)
    )
    features.load_state_dict(parameters, strict=True)
    ours = features.to(dtype)(arrays["image"], arrays["pixel_per_dva"], dataset_of(arrays))
    assert_close(ours, arrays["out"], atol=3e-6)  # measured 0 in float32, 1.4e-6 in float64


@DTYPES
def test_saliency_network_is_that_of_the_reference(dtype):
    parameters, arrays = load_golden("msdb_saliency_network")
    network = MSDBSaliencyNetwork(24)
    network.load_state_dict(parameters, strict=True)
    ours = network.to(dtype)(arrays["features"].to(dtype))
    assert_close(ours, arrays["out"], atol=5e-6)  # measured 2.3e-6, 1.8e-6


@DTYPES
@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_finalizer_gives_the_density_of_the_reference(kind, dtype):
    parameters, arrays = load_golden(f"msdb_finalizer_{kind}")
    finalizer = MSDBFinalizer()
    finalizer.load_state_dict(parameters, strict=True)
    ours = finalizer.to(dtype)(
        arrays["readout"].to(dtype),
        arrays["centerbias"].to(dtype),
        arrays["sigma_scaling"],
        dataset_of(arrays),
    )
    assert_close(ours, arrays["out"], atol=3e-6)  # measured 1e-6, 1.4e-6


@DTYPES
@pytest.mark.parametrize(
    ("key", "dataset"), [("log_density_none", None), ("log_density_dataset2", 2)]
)
def test_model_on_the_stub_backbone_gives_the_density_of_the_reference(key, dataset, dtype):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgazemsdb_stub")
    model = PlainMSDB(Cosines())
    model.load_state_dict(fill(layout("deepgazemsdb")), strict=True)
    ours = model.to(dtype)(
        inputs["image"],
        inputs["centerbias"],
        torch.tensor([35.0]),
        None if dataset is None else torch.tensor([dataset]),
    )
    assert_close(ours, theirs[key], atol=1.6e-5)  # measured 2.9e-6; in float64 8.0e-6 and 4.1e-6
    assert ours.logsumexp((-2, -1)).abs().item() < 1e-5


def test_the_stub_fixture_mixes_its_features_without_a_dataset():
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgazemsdb_stub")
    model = PlainMSDB(Cosines())
    model.load_state_dict(fill(layout("deepgazemsdb")), strict=True)
    x = model.features(inputs["image"], torch.tensor([35.0]), None).double()
    stats = torch.stack([x.mean(), x.std(correction=0), x.flatten()[0], x.flatten()[-1]])
    assert_close(stats, theirs["feature_mix_stats"][0], atol=5e-7)  # measured 1.8e-7


def test_a_768_by_1024_image_at_35_px_per_degree_is_seen_at_these_sizes():
    by_ppd = [(110, 147), (220, 293), (384, 512), (527, 703), (659, 878)]
    by_size = [(96, 128), (192, 256), (384, 512), (576, 768), (768, 1024)]
    assert MultiScaleFeatures(nn.Identity()).sizes((768, 1024), 35.0) == by_ppd + by_size
