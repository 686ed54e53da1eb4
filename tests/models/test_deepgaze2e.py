"""DeepGaze IIE against the plain implementation and what the reference returned.

Tolerances in float32 are about twice the largest difference measured on one core, which a comment
gives; in float64 only rounding is between the fused and the plain code.
"""

import pytest
import torch
from torch import Tensor

from foregaze.models.deepgaze import DeepGaze, Head
from foregaze.models.deepgaze2e import DeepGaze2E, DeepGaze2EConfig, DeepGaze2EHead
from foregaze.models.deepgaze_release import load_published
from foregaze.ops.finalizer import mean_density
from foregaze.ops.nearest import nearest_downsample
from tests.models.plain_deepgaze import PlainMixture
from tests.models.release_files import fill, layout, load_fixture, load_golden
from tests.models.toy_heads import (
    CASES,
    DTYPES,
    assert_close,
    assert_same_gradients,
    centerbias_of,
    component_densities,
    density,
    features_of,
    load_head,
    mixture_pair,
    numbers,
    plain_gradients,
    published_gradients,
)

EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(scope="module")
def per_backbone() -> Tensor:
    """Log densities of the four backbones' mixtures for the fixture's image, (1, 4, H, W)."""
    model = DeepGaze2E(DeepGaze2EConfig())
    load_published(model, fill(layout("deepgaze2e")), "filled by the rule")
    inputs = load_fixture("inputs")
    with torch.inference_mode():
        densities = [_density_of(model, n, inputs) for n in range(4)]
        whole = model(inputs["image"].float(), inputs["centerbias"])
    return torch.stack([*densities, whole], 1)


def _density_of(model: DeepGaze, number: int, inputs: dict[str, Tensor]) -> Tensor:
    features = model.features(inputs["image"].float(), number)
    grid = model.grid((150, 202))
    head = model.heads[number]
    assert isinstance(head, Head)
    sampled = nearest_downsample(inputs["centerbias"], 2.0)
    return grid.repeated(mean_density(head(features, grid, sampled)))


def test_density_is_that_of_the_reference(per_backbone):
    theirs = load_fixture("deepgaze2e")["log_density"][:, 0]
    assert_close(per_backbone[:, 4], theirs, atol=1e-5)  # measured 4.8e-6


@pytest.mark.parametrize("number", range(4))
def test_density_on_each_backbone_is_that_of_the_reference(per_backbone, number):
    theirs = load_fixture("deepgaze2e")["per_backbone"][:, number]
    # measured 3.8e-6, 8.6e-6, 1.9e-6 and 7.6e-6
    assert_close(per_backbone[:, number], theirs, atol=2e-5)


def test_density_is_the_mean_of_those_on_the_backbones(per_backbone):
    mean = per_backbone[:, :4].double().exp().mean(1).log()
    assert_close(per_backbone[:, 4].double(), mean, atol=4e-6)


def _golden(size: str, dtype: torch.dtype) -> tuple[Head, PlainMixture, dict[str, Tensor]]:
    parameters, arrays = load_golden(f"deepgaze2e_mixture_{size}")
    config = DeepGaze2EConfig(components=4)
    head = load_head(DeepGaze2EHead(config, (12, 8, 4), 4), parameters, dtype)
    plain = PlainMixture(24, components=4, readout_factor=16, saliency_map_factor=2)
    plain.load_state_dict(parameters, strict=True)
    arrays = {k: x.to(dtype) if x.is_floating_point() else x for k, x in arrays.items()}
    return head, plain.to(dtype), arrays


@DTYPES
@pytest.mark.parametrize("size", ["even", "odd"])
@torch.inference_mode()
def test_head_gives_the_density_of_the_reference(size, dtype):
    head, _, arrays = _golden(size, dtype)
    features = [arrays[f"feature_{i}"] for i in range(3)]
    ours = density(head, features, arrays["centerbias"])
    assert ours.dtype == dtype
    assert_close(ours, arrays["out"][:, 0], atol=4e-6)  # measured 1.9e-6


@pytest.mark.parametrize("size", ["even", "odd"])
@torch.inference_mode()
def test_head_gives_the_density_of_the_plain_one_on_the_golden_inputs(size):
    head, plain, arrays = _golden(size, torch.float64)
    features = [arrays[f"feature_{i}"] for i in range(3)]
    image_size = tuple(arrays["image_shape"].tolist())
    theirs = plain.forward_features(features, image_size, arrays["centerbias"])[:, 0]
    assert_close(density(head, features, arrays["centerbias"]), theirs, atol=1e-11)


@EVERY_CASE
@torch.inference_mode()
def test_head_equals_the_plain_one(case):
    head, plain = mixture_pair(case, slots=0)
    features, centerbias = features_of(case), centerbias_of(case)
    theirs = plain.forward_features(features, case.image_size, centerbias)[:, 0]
    assert_close(density(head, features, centerbias), theirs, atol=1e-9)  # measured 5e-11


@EVERY_CASE
def test_gradients_equal_those_of_the_plain_head(case):
    head, plain = mixture_pair(case, slots=0)
    features, centerbias = features_of(case), centerbias_of(case)
    weights = numbers(30, case.batch, *case.image_size)
    ours = density(head, features, centerbias)
    theirs = plain.forward_features(features, case.image_size, centerbias)[:, 0]
    assert_same_gradients(
        published_gradients(head, (weights * ours).sum()),
        plain_gradients(plain, (weights * theirs).sum()),
    )


@EVERY_CASE
@torch.inference_mode()
def test_density_sums_to_one_over_the_pixels(case):
    head, _ = mixture_pair(case, slots=0)
    features, centerbias = features_of(case), centerbias_of(case)
    components = component_densities(head, features, centerbias)
    assert components.shape[1] == case.components
    assert components.logsumexp((-2, -1)).abs().max().item() < 1e-12
    assert density(head, features, centerbias).logsumexp((-2, -1)).abs().max().item() < 1e-12


@EVERY_CASE
@torch.inference_mode()
def test_density_is_the_mean_of_the_components(case):
    head, _ = mixture_pair(case, slots=0)
    features, centerbias = features_of(case), centerbias_of(case)
    mean = component_densities(head, features, centerbias).exp().mean(1).log()
    assert_close(density(head, features, centerbias), mean, atol=1e-12)


@torch.inference_mode()
def test_images_of_a_batch_do_not_mix():
    case = CASES["nothing divides"]
    head, _ = mixture_pair(case, slots=0)
    features, centerbias = features_of(case), centerbias_of(case)
    singles = [
        density(head, [x[i, None] for x in features], centerbias[i, None])
        for i in range(case.batch)
    ]
    assert_close(density(head, features, centerbias), torch.cat(singles), atol=1e-12)


@torch.inference_mode()
def test_density_is_zero_where_the_center_bias_forbids_fixations():
    case = CASES["odd"]
    head, plain = mixture_pair(case, slots=0)
    features, centerbias = features_of(case), centerbias_of(case)
    centerbias[:, 40:60, 8:32] = -torch.inf
    ours = density(head, features, centerbias)
    theirs = plain.forward_features(features, case.image_size, centerbias)[:, 0]
    assert ours[:, 44:56, 12:28].isneginf().all()
    assert ours[:, :36].isfinite().all()
    assert_close(ours, theirs, atol=1e-10)
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12


@DTYPES
@torch.inference_mode()
def test_strongly_varying_readouts_neither_overflow_nor_vanish(dtype):
    case = CASES["odd"]
    head, plain = mixture_pair(case, slots=0)
    tensors = plain.state_dict()
    for k in range(case.components):
        tensors[f"fixation_selection_networks.{k}.conv2.weight"] *= 1000 * (1 + k)
    plain.load_state_dict(tensors)
    load_head(head, tensors, dtype)
    features, centerbias = features_of(case), centerbias_of(case)
    theirs = plain.forward_features(features, case.image_size, centerbias)[:, 0]
    assert theirs.min().item() < -2000
    ours = density(head, [x.to(dtype) for x in features], centerbias.to(dtype))
    assert ours.isfinite().all()
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    assert_close(ours / 1000, theirs / 1000, atol=tolerance)
