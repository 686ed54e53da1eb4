import pytest
import torch
from torch import Tensor

from foregaze.models.deepgaze1 import DeepGaze1, DeepGaze1Config, DeepGaze1Head
from foregaze.models.deepgaze_release import load_published
from tests.models.plain_deepgaze import assemble, mix, readout_shape
from tests.models.plain_layers import Finalizer
from tests.models.release_files import fill, layout, load_fixture
from tests.models.toy_heads import (
    CASES,
    CHANNELS,
    Case,
    assert_close,
    centerbias_of,
    component_densities,
    density,
    features_of,
    numbers,
)

EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(scope="module")
def deepgaze1() -> DeepGaze1:
    model = DeepGaze1(DeepGaze1Config())
    load_published(model, fill(layout("deepgaze1")), "filled by the rule")
    return model


@torch.inference_mode()
def test_density_is_that_of_the_reference(deepgaze1):
    inputs, theirs = load_fixture("inputs"), load_fixture("deepgaze1")
    ours = deepgaze1(inputs["image"].float(), inputs["centerbias"])
    assert_close(ours, theirs["log_density"], atol=1e-5)  # measured 3.8e-6
    assert ours.logsumexp((-2, -1)).abs().item() < 1e-5


@torch.inference_mode()
def test_images_of_a_batch_do_not_mix(deepgaze1):
    inputs = load_fixture("inputs")
    images = torch.cat([inputs["image"], inputs["image"].flip(-1)]).float()
    centerbias = torch.cat([inputs["centerbias"], inputs["centerbias"].flip(-2)])
    singles = [deepgaze1(images[i, None], centerbias[i, None]) for i in range(2)]
    assert_close(deepgaze1(images, centerbias), torch.cat(singles), atol=1.5e-5)  # 7.6e-6


def head_of(case: Case) -> DeepGaze1Head:
    config = DeepGaze1Config(
        downsample=case.downsample,
        readout_factor=case.readout_factor,
        saliency_map_factor=case.saliency_map_factor,
        components=case.components,
    )
    head = DeepGaze1Head(config, CHANNELS, case.components).double()
    with torch.no_grad():
        head.readout.weight.copy_(numbers(1, *head.readout.weight.shape) / 5)
        sigma = torch.arange(2.0, 2.0 + case.components)
        head.finalizers.sigma.copy_(sigma if case.sigma is None else torch.tensor(case.sigma))
        head.finalizers.center_bias_weight.copy_(1 + numbers(2, case.components) / 5)
    return head


def plain_density(head: DeepGaze1Head, case: Case, features: list[Tensor], bias: Tensor) -> Tensor:
    shape = readout_shape(case.image_size, case.downsample, case.readout_factor)
    x = assemble(features, shape)
    outputs = []
    for k in range(case.components):
        finalizer = Finalizer(case.saliency_map_factor).double()
        finalizer.gauss.sigma.data.copy_(head.finalizers.sigma[k])
        finalizer.center_bias_weight.data.copy_(head.finalizers.center_bias_weight[k])
        readout = torch.einsum("bchw,oc->bohw", x, head.readout.weight[k])
        outputs.append(finalizer(readout, bias))
    return mix(torch.stack(outputs, 1))[:, 0]


@EVERY_CASE
@torch.inference_mode()
def test_head_equals_the_plain_one(case):
    head = head_of(case)
    features, centerbias = features_of(case), centerbias_of(case)
    ours = density(head, features, centerbias)
    assert_close(ours, plain_density(head, case, features, centerbias), atol=1e-11)
    components = component_densities(head, features, centerbias)
    assert_close(ours, components.exp().mean(1).log(), atol=1e-12)
    assert components.logsumexp((-2, -1)).abs().max().item() < 1e-12
