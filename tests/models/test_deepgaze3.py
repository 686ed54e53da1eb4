"""DeepGaze III against the plain implementation and what the reference returned.

Tolerances in float32 are about twice the largest difference measured on one core, which a comment
gives; in float64 only rounding is between the fused and the plain code.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from foregaze.models.deepgaze import Head
from foregaze.models.deepgaze3 import DeepGaze3, DeepGaze3Config, DeepGaze3Head
from foregaze.models.deepgaze_release import load_published
from tests.models.plain_deepgaze import PlainMixture
from tests.models.release_files import fill, layout, load_fixture, load_golden
from tests.models.toy_heads import (
    CASES,
    DTYPES,
    Case,
    assert_close,
    assert_same_gradients,
    centerbias_of,
    component_densities,
    density,
    features_of,
    history_of,
    load_head,
    mixture_pair,
    numbers,
    plain_gradients,
    published_gradients,
)

EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(scope="module")
def deepgaze3() -> DeepGaze3:
    model = DeepGaze3(DeepGaze3Config())
    load_published(model, fill(layout("deepgaze3")), "filled by the rule")
    return model


@torch.inference_mode()
def test_density_is_that_of_the_reference(deepgaze3):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze3")
    image = inputs["image"].float()
    ours = deepgaze3(
        torch.cat([image, image.flip(-1)]),
        inputs["centerbias"].expand(2, -1, -1),
        theirs["x_hist"],
        theirs["y_hist"],
    )
    assert_close(ours, theirs["log_density"][:, 0], atol=8e-6)  # measured 3.8e-6
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-5


@torch.inference_mode()
def test_saliency_map_is_that_of_the_reference(deepgaze3):
    image, theirs = load_fixture("inputs")["image"].float(), load_fixture("deepgaze3")
    features = deepgaze3.features(image, 0)
    maps = deepgaze3.heads[0].saliency_maps(features, deepgaze3.grid((150, 202)))
    assert maps.shape == (1, 10, 19, 26)
    assert_close(maps[:, :1], theirs["saliency_component0"], atol=2e-6)  # 6.1e-7


@torch.inference_mode()
def test_a_float64_center_bias_makes_the_density_float64(deepgaze3):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze3")
    history = (theirs["x_hist"][:1], theirs["y_hist"][:1])
    ours = deepgaze3(inputs["image"].float(), inputs["centerbias"].double(), *history)
    assert ours.dtype == torch.float64
    assert ours.logsumexp((-2, -1)).abs().item() < 1e-12
    assert_close(ours, theirs["log_density"][:1, 0], atol=8e-6)


def _golden(size: str, dtype: torch.dtype) -> tuple[Head, PlainMixture, dict[str, Tensor]]:
    parameters, arrays = load_golden(f"deepgaze3_mixture_{size}")
    config = DeepGaze3Config(components=3)
    head = load_head(DeepGaze3Head(config, (12, 8, 4), 3), parameters, dtype)
    plain = PlainMixture(24, components=3, readout_factor=4, saliency_map_factor=4, slots=4)
    plain.load_state_dict(parameters, strict=True)
    arrays = {k: x.to(dtype) if x.is_floating_point() else x for k, x in arrays.items()}
    return head, plain.to(dtype), arrays


@DTYPES
@pytest.mark.parametrize("size", ["even", "odd"])
@torch.inference_mode()
def test_head_gives_the_density_of_the_reference(size, dtype):
    head, _, arrays = _golden(size, dtype)
    features = [arrays[f"feature_{i}"] for i in range(3)]
    ours = density(head, features, arrays["centerbias"], arrays["x_hist"], arrays["y_hist"])
    assert ours.dtype == dtype
    assert_close(ours, arrays["out"][:, 0], atol=4e-6)  # measured 1.9e-6


@pytest.mark.parametrize("size", ["even", "odd"])
@torch.inference_mode()
def test_head_gives_the_density_of_the_plain_one_on_the_golden_inputs(size):
    head, plain, arrays = _golden(size, torch.float64)
    features = [arrays[f"feature_{i}"] for i in range(3)]
    given = (arrays["centerbias"], arrays["x_hist"], arrays["y_hist"])
    theirs = plain.forward_features(features, tuple(arrays["image_shape"].tolist()), *given)
    assert_close(density(head, features, *given), theirs[:, 0], atol=1e-9)


@EVERY_CASE
@torch.inference_mode()
def test_head_equals_the_plain_one(case):
    head, plain = mixture_pair(case, slots=4)
    features, given = features_of(case), (centerbias_of(case), *history_of(case))
    theirs = plain.forward_features(features, case.image_size, *given)[:, 0]
    assert_close(density(head, features, *given), theirs, atol=1e-9)


@EVERY_CASE
def test_gradients_equal_those_of_the_plain_head(case):
    head, plain = mixture_pair(case, slots=4)
    features, given = features_of(case), (centerbias_of(case), *history_of(case))
    weights = numbers(30, case.batch, *case.image_size)
    ours = density(head, features, *given)
    theirs = plain.forward_features(features, case.image_size, *given)[:, 0]
    assert_same_gradients(
        published_gradients(head, (weights * ours).sum()),
        plain_gradients(plain, (weights * theirs).sum()),
    )


@pytest.fixture(scope="module")
def of_five() -> Case:
    """Five images with 1, 2, 3, 4 and no past fixations."""
    return replace(CASES["odd"], batch=5)


@torch.inference_mode()
def test_head_equals_the_plain_one_however_long_the_history_is(of_five):
    head, plain = mixture_pair(of_five, slots=4)
    features, given = features_of(of_five), (centerbias_of(of_five), *history_of(of_five))
    assert (~given[1].isnan()).sum(1).tolist() == [1, 2, 3, 4, 0]
    theirs = plain.forward_features(features, of_five.image_size, *given)[:, 0]
    ours = density(head, features, *given)
    assert ours.isfinite().all()
    assert_close(ours, theirs, atol=1e-9)


def test_gradients_equal_those_of_the_plain_head_however_long_the_history_is(of_five):
    head, plain = mixture_pair(of_five, slots=4)
    features, given = features_of(of_five), (centerbias_of(of_five), *history_of(of_five))
    weights = numbers(30, of_five.batch, *of_five.image_size)
    ours = density(head, features, *given)
    theirs = plain.forward_features(features, of_five.image_size, *given)[:, 0]
    assert_same_gradients(
        published_gradients(head, (weights * ours).sum()),
        plain_gradients(plain, (weights * theirs).sum()),
    )


@torch.inference_mode()
def test_a_batch_without_any_history_has_a_density(of_five):
    head, plain = mixture_pair(of_five, slots=4)
    features, centerbias = features_of(of_five), centerbias_of(of_five)
    missing = torch.full((5, 4), torch.nan, dtype=torch.float64)
    theirs = plain.forward_features(features, of_five.image_size, centerbias, missing, missing)
    assert_close(density(head, features, centerbias, missing, missing), theirs[:, 0], atol=1e-9)


@torch.inference_mode()
def test_images_of_a_batch_do_not_mix(of_five):
    head, _ = mixture_pair(of_five, slots=4)
    features, given = features_of(of_five), (centerbias_of(of_five), *history_of(of_five))
    singles = [
        density(head, [x[i, None] for x in features], *(x[i, None] for x in given))
        for i in range(5)
    ]
    assert_close(density(head, features, *given), torch.cat(singles), atol=1e-10)


@EVERY_CASE
@torch.inference_mode()
def test_density_is_the_mean_of_the_components_which_sum_to_one(case):
    head, _ = mixture_pair(case, slots=4)
    features, given = features_of(case), (centerbias_of(case), *history_of(case))
    components = component_densities(head, features, *given)
    ours = density(head, features, *given)
    assert components.shape[1] == case.components
    assert_close(ours, components.exp().mean(1).log(), atol=1e-12)
    assert components.logsumexp((-2, -1)).abs().max().item() < 1e-12
    assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12


@torch.inference_mode()
def test_density_is_zero_where_the_center_bias_forbids_fixations(of_five):
    head, plain = mixture_pair(of_five, slots=4)
    features, centerbias = features_of(of_five), centerbias_of(of_five)
    centerbias[:, 40:60, 8:32] = -torch.inf
    given = (centerbias, *history_of(of_five))
    ours = density(head, features, *given)
    assert ours[:, 44:56, 12:28].isneginf().all()
    theirs = plain.forward_features(features, of_five.image_size, *given)[:, 0]
    assert_close(ours, theirs, atol=1e-9)


@DTYPES
@torch.inference_mode()
def test_strongly_varying_readouts_neither_overflow_nor_vanish(dtype):
    case = CASES["odd"]
    head, plain = mixture_pair(case, slots=4)
    tensors = plain.state_dict()
    for k in range(case.components):
        tensors[f"fixation_selection_networks.{k}.conv2.weight"] *= 1000 * (1 + k)
    plain.load_state_dict(tensors)
    load_head(head, tensors, dtype)
    features, given = features_of(case), (centerbias_of(case), *history_of(case))
    theirs = plain.forward_features(features, case.image_size, *given)[:, 0]
    assert theirs.min().item() < -500
    ours = density(head, [x.to(dtype) for x in features], *(x.to(dtype) for x in given))
    assert ours.isfinite().all()
    tolerance = 1e-9 if dtype == torch.float64 else 2e-5
    assert_close(ours / 1000, theirs / 1000, atol=tolerance)
