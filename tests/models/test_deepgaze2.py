"""DeepGaze II against its layers one by one; nobody has published a checkpoint to compare with."""

import pytest
import torch
from torch import Tensor

from foregaze.models.deepgaze2 import DeepGaze2, DeepGaze2Config, DeepGaze2Head
from foregaze.models.deepgaze_config import BackboneConfig
from tests.models.plain_deepgaze import assemble, mix, readout_shape
from tests.models.plain_layers import Finalizer
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


def head_of(case: Case) -> DeepGaze2Head:
    config = DeepGaze2Config(
        downsample=case.downsample,
        readout_factor=case.readout_factor,
        saliency_map_factor=case.saliency_map_factor,
        components=case.components,
    )
    head = DeepGaze2Head(config, CHANNELS, case.components).double()
    with torch.no_grad():
        for number, layer in enumerate(head.layers):
            scale = layer.weight.shape[-1] ** -0.5
            layer.weight.copy_(numbers(number, *layer.weight.shape) * scale)
            layer.bias.copy_(0.3 + numbers(10 + number, *layer.bias.shape) / 5)
        sigma = torch.arange(2.0, 2.0 + case.components)
        head.finalizers.sigma.copy_(sigma if case.sigma is None else torch.tensor(case.sigma))
        head.finalizers.center_bias_weight.copy_(1 + numbers(20, case.components) / 5)
    return head


def plain_density(head: DeepGaze2Head, case: Case, features: list[Tensor], bias: Tensor) -> Tensor:
    shape = readout_shape(case.image_size, case.downsample, case.readout_factor)
    outputs = []
    for k in range(case.components):
        x = assemble(features, shape)
        for layer in head.layers:
            x = torch.conv2d(x, layer.weight[k][..., None, None], layer.bias[k]).relu()
        finalizer = Finalizer(case.saliency_map_factor).double()
        del finalizer.gauss.sigma, finalizer.center_bias_weight
        finalizer.gauss.sigma = head.finalizers.sigma[k]
        finalizer.center_bias_weight = head.finalizers.center_bias_weight[k]
        outputs.append(finalizer(x, bias))
    return mix(torch.stack(outputs, 1))[:, 0]


@EVERY_CASE
def test_head_and_its_gradients_equal_the_plain_one(case):
    head = head_of(case)
    features, centerbias = features_of(case), centerbias_of(case)
    ours = density(head, features, centerbias)
    theirs = plain_density(head, case, features, centerbias)
    assert ours.std().item() > 0.1  # not all rectified away
    assert_close(ours, theirs, atol=1e-11)
    weights = numbers(30, *ours.shape)
    parameters = list(head.parameters())
    for mine, other in zip(
        torch.autograd.grad((weights * ours).sum(), parameters),
        torch.autograd.grad((weights * theirs).sum(), parameters),
        strict=True,
    ):
        scale = max(1.0, other.abs().max().item())
        assert_close(mine / scale, other / scale, atol=1e-10)


@torch.inference_mode()
def test_density_is_the_mean_of_the_components_which_sum_to_one():
    case = CASES["odd"]
    head, features, centerbias = head_of(case), features_of(case), centerbias_of(case)
    components = component_densities(head, features, centerbias)
    assert components.logsumexp((-2, -1)).abs().max().item() < 1e-12
    ours = density(head, features, centerbias)
    assert_close(ours, components.exp().mean(1).log(), atol=1e-12)


@torch.inference_mode()
def test_whole_model_reads_vgg_and_sums_to_one():
    taps = DeepGaze2Config().backbones[0].taps
    assert taps == ("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4")
    early = BackboneConfig(name="vgg19", taps=("conv1_1", "relu2_1"), weights="random:0")
    model = DeepGaze2(DeepGaze2Config(backbones=(early,), components=2, readout_factor=4.0))
    assert model.heads[0].layers[0].weight.shape == (2, 16, 64 + 128)
    pixels = 255 * numbers(0, 1, 3, 41, 52).sigmoid()
    centerbias = numbers(1, 1, 41, 52)
    ours = model.double()(pixels, centerbias)
    assert ours.logsumexp((-2, -1)).abs().item() < 1e-12
    theirs = plain_density(
        model.heads[0],
        Case((41, 52), ((21, 26), (10, 13)), saliency_map_factor=2.0, components=2, batch=1),
        model.features(pixels, 0),
        centerbias,
    )
    assert_close(ours, theirs, atol=1e-11)
